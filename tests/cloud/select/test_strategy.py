import numpy as np
import pytest

from proxyset.cloud.select.strategy import Candidates


@pytest.mark.parametrize(("n", "clusters"), [(1, 1), (50, 3), (500, 40), (20, 100)])
def test_members_are_the_rows_of_a_cluster_in_order(n, clusters):
    labels = np.random.default_rng([n, clusters]).integers(clusters, size=n).astype(np.int32)
    candidates = Candidates(np.zeros((n, 2), np.float32), labels, np.zeros((clusters, 2), np.float32))
    for cluster in range(clusters):
        np.testing.assert_array_equal(candidates.members(cluster), np.flatnonzero(labels == cluster))
