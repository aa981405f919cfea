import numpy as np
import pytest

from proxyset.cloud.select.kcenter import farthest_first
from proxyset_lab.speed.rivals import assignment, blobs, clustering, facility, kcenter, matrix_vector


def test_picks_equal_those_of_every_point_meeting_every_centre():
    X = blobs(20_000)
    np.testing.assert_array_equal(
        farthest_first(X, 200, first=0)[0], matrix_vector(X.astype(np.float64), 200)
    )


@pytest.mark.filterwarnings("ignore")  # what competitors warn about
@pytest.mark.parametrize(
    "case", [assignment(16, 30, 500), clustering(3000, 20), kcenter(3000, 30), facility(400, 20)]
)
def test_contenders_of_small_cases(case):
    pytest.importorskip("sklearn")
    data = case.data()
    results = {}
    for name, contender in case.contenders.items():
        try:
            results[name] = case.quality(data, contender(data, 0))
        except ImportError:  # competitors are not dependencies
            continue
    assert "ours" in results
    if "inertia" in case.measure:
        assert results["ours"] <= 1.02 * min(results.values())
    else:
        assert all(value == pytest.approx(results["ours"], rel=1e-4) for value in results.values())
