"""How many clusters a probe should have for a client of a given size and privacy."""

from __future__ import annotations

import math

from proxyset.errors import InvalidInput

_PER_ROOT = 10.0  # measured (docs/selection.md)
_FEWEST, _MOST = 20, 1000
_ITEMS_PER_CLUSTER = 20  # fewer would make most clusters a single place


def recommend_clusters(
    records: int, epsilon: float, items: int, *, delta: float = 1e-5, clients: int = 1
) -> int:
    """R ≈ 10·√(N/σ), within 20 … 1000 and items/20; of n clients together σ is √n times that of one.

    More clusters see finer, but each count carries the same noise: with N records in the clusters that
    matter, a count stands out by about N/(σ·R). The rule `density-ratio` borrows between clusters, so that
    the optimum is flat: half or double of this costs little.

    Args:
        records: N of all clients together, publicly known; of a range take the lower end, which is the safer.
        epsilon, delta: what the client will probably spend on this release.
        items: of the pool.
        clients: n, who answer with a release each.

    Raises:
        InvalidInput: an argument is not positive, or δ is not below 1.
    """
    if min(records, items, clients) < 1 or not 0 < epsilon < math.inf or not 0 < delta < 1:
        raise InvalidInput(
            f"no number of clusters for {records} records of {clients} clients, {items} items, ε = {epsilon:g}, δ = {delta:g}: "
            "all must be positive and δ below 1"
        )
    noise = _noise(epsilon, delta) * math.sqrt(clients)
    wanted = round(_PER_ROOT * math.sqrt(records / noise))
    return max(1, min(max(wanted, _FEWEST), _MOST, max(items // _ITEMS_PER_CLUSTER, min(items, _FEWEST))))


def _noise(epsilon: float, delta: float) -> float:
    """σ of the Gaussian mechanism at sensitivity 1 (Balle and Wang, ICML 2018): to plan, not to account."""

    def spent(sigma: float) -> float:
        first = _normal(0.5 / sigma - epsilon * sigma)
        second = _normal(-0.5 / sigma - epsilon * sigma)
        return first - (math.exp(min(epsilon, 700)) * second if second > 0 else 0.0)

    low, high = 1e-3, 1e7
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if spent(middle) > delta else (low, middle)
    return high


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
