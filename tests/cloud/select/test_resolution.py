import math

import pytest

from proxyset.cloud.select.resolution import _noise, recommend_clusters
from proxyset.errors import InvalidInput


@pytest.mark.parametrize(("epsilon", "sigma"), [(0.079, 38.3), (0.224, 14.7), (0.581, 6.1), (1.227, 3.1)])
def test_noise_is_that_of_the_analytic_gaussian(epsilon, sigma):
    assert _noise(epsilon, 1e-5) == pytest.approx(sigma, rel=0.03)


def test_more_records_and_more_privacy_budget_allow_more_clusters():
    sizes = [recommend_clusters(records, 0.58, 100_000) for records in (50, 500, 5000)]
    assert sizes == sorted(set(sizes))
    assert recommend_clusters(1000, 0.1, 100_000) < recommend_clusters(1000, 1.0, 100_000)


def test_more_clients_with_the_same_records_afford_fewer_clusters():
    sizes = [recommend_clusters(1000, 0.58, 100_000, clients=n) for n in (1, 10, 100, 1000)]
    assert sizes == [128, 72, 40, 23]
    with pytest.raises(InvalidInput, match="0 clients"):
        recommend_clusters(1000, 0.58, 100_000, clients=0)


@pytest.mark.parametrize("items", [1, 2, 19, 50, 1000])
@pytest.mark.parametrize("records", [1, 10**9])
@pytest.mark.parametrize("epsilon", [1e-3, 1.0, 500.0])
def test_never_more_clusters_than_items(items, records, epsilon):
    assert 1 <= recommend_clusters(records, epsilon, items) <= items


@pytest.mark.parametrize("bad", [(0, 1.0, 5), (5, 0.0, 5), (5, math.inf, 5), (5, 1.0, 0)])
def test_impossible_questions_are_refused(bad):
    with pytest.raises(InvalidInput, match="all must be positive"):
        recommend_clusters(*bad)
