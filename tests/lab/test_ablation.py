import numpy as np
import pytest

from proxyset.cloud.kmeans import kmeans
from proxyset.cloud.select import STRATEGIES
from proxyset.cloud.select.strategy import Candidates, Coverage
from proxyset.nearest import nearest_centroid
from proxyset_lab.methods import needs
from proxyset_lab.tables import method_name

Z = np.random.default_rng(0).normal(size=(2000, 5)).astype(np.float32)
CENTROIDS = kmeans(Z, 20, np.random.default_rng(1))
POOL = Candidates(Z, nearest_centroid(Z, CENTROIDS), CENTROIDS)
CLIENT = Z[Z[:, 0] > 1]
COVERAGE = Coverage(np.bincount(nearest_centroid(CLIENT, CENTROIDS), minlength=20).astype(float), 2.0)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("NoRelease", "no-release"),
        ("RawCounts", "raw-counts"),
        ("PerCluster", "per-cluster"),
        ("DrawOnly", "draw-only"),
    ],
)
def test_each_is_a_method_that_ranks(part, name):
    method = f"proxyset_lab.ablation:{part}"
    assert needs(method).epsilon and method_name(method) == name
    ranking = STRATEGIES.load(method).rank(POOL, COVERAGE, 100, np.random.default_rng(2))
    assert len(set(ranking.rows.tolist())) == 100
    near = (Z[ranking.rows, 0] > 0.5).mean()
    assert near < 0.5 if name == "no-release" else near > 0.5
