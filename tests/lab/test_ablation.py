import numpy as np
import pytest

from proxyset.cloud.kmeans import kmeans
from proxyset.cloud.select.strategy import Candidates, Coverage
from proxyset.nearest import nearest_centroid
from proxyset_lab.ablation import ABLATIONS
from proxyset_lab.methods import needs

Z = np.random.default_rng(0).normal(size=(2000, 5)).astype(np.float32)
CENTROIDS = kmeans(Z, 20, np.random.default_rng(1))
POOL = Candidates(Z, nearest_centroid(Z, CENTROIDS), CENTROIDS)
CLIENT = Z[Z[:, 0] > 1]
COVERAGE = Coverage(np.bincount(nearest_centroid(CLIENT, CENTROIDS), minlength=20).astype(float), 2.0)


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_is_a_method_that_ranks(name):
    assert needs(name).epsilon
    ranking = ABLATIONS[name].rank(POOL, COVERAGE, 100, np.random.default_rng(2))
    assert len(set(ranking.rows.tolist())) == 100
    near = (Z[ranking.rows, 0] > 0.5).mean()
    assert near < 0.5 if name == "no-release" else near > 0.5
