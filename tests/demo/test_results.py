import json

import numpy as np
import pytest

from proxyset.demo.results import summary


def test_averages_are_over_domains_first(results):
    # level + lead + budget/1000; domains 1 and 4, seeds 0 and 1
    per_seed = [0.5 + 0.125 + 0.01 * seed + 0.1 + 0.1 for seed in (0, 1)]
    found = results.accuracy("ecos", 100)
    assert found.mean == pytest.approx(np.mean(per_seed)) and found.sd == pytest.approx(
        np.std(per_seed, ddof=1)
    )
    assert results.accuracy("ecos", 100, "synth").mean == pytest.approx(0.7 + 0.005 + 0.1 + 0.1)
    assert (
        results.gain(30).mean == pytest.approx(0.1)
        and results.gain(30).runs == 4
        and results.gain(30).sites == 2
    )
    assert results.gain(30, over="k-center").mean == pytest.approx(0.12)


def test_the_summary_is_json_without_pictures(results):
    record = json.loads(json.dumps(summary(results)))
    assert record["averages"]["100"]["gain_over_random"]["mean"] == pytest.approx(0.1)
    assert len(record["runs"]) == 4 and not {"covered", "uncovered", "galleries"} & set(record["runs"][0])
