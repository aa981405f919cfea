import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from proxyset.cloud.select.allocation import allocate

CLUSTERS = st.lists(st.tuples(st.integers(-20, 50), st.integers(0, 12)), min_size=1, max_size=12)


def slow_allocate(scores, capacities, budget):
    """Sainte-Laguë by looking at every quotient for every pick."""
    picks, order = [0] * len(scores), []
    while len(order) < budget:
        open_ = [j for j in range(len(scores)) if scores[j] > 0 and picks[j] < capacities[j]]
        if not open_:
            break
        best = max(open_, key=lambda j: (scores[j] / (2 * picks[j] + 1), -j))
        picks[best] += 1
        order.append(best)
    return order


@given(CLUSTERS, st.integers(0, 80))
def test_equals_the_definition(clusters, budget):
    scores = np.array([score for score, _ in clusters], float)
    capacities = np.array([capacity for _, capacity in clusters])
    assert allocate(scores, capacities, budget).tolist() == slow_allocate(scores, capacities, budget)


@given(CLUSTERS, st.integers(0, 80), st.integers(0, 80))
def test_smaller_budgets_are_prefixes(clusters, one, other):
    scores = np.array([score for score, _ in clusters], float)
    capacities = np.array([capacity for _, capacity in clusters])
    small, large = sorted((one, other))
    assert (
        allocate(scores, capacities, large)[:small].tolist() == allocate(scores, capacities, small).tolist()
    )


def test_shares_are_proportional():
    turns = allocate(np.array([1.0, 2.0, 7.0]), np.array([1000] * 3), 100)
    assert np.bincount(turns).tolist() == [10, 20, 70]
