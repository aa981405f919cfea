"""Who owns what in a benchmark: test items, the client's and the pool, with every group of items on one side alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.demo.splits import Rows
from proxyset.errors import InvalidInput
from proxyset_lab.twins import Twins

TEST, CLIENT = 0.2, 0.4  # parts of the private domain; what remains is public


@dataclass(frozen=True)
class Sides:
    """Rows of a data set. Test, client and pool are disjoint, and so are their groups; none has a near-duplicate on another side.

    Attributes:
        test: of the private domain, to measure on; nobody trains on them.
        client: of the private domain, what the client owns and the cloud never sees.
        in_distribution: of the private domain, what happens to be public too, in random order.
        others: public rows of all other domains, in random order.
        pool: the two, in random order.
        lost_groups: rows of other domains that are left out since the client or the test items have others of their group.
        lost_twins: rows that are left out since they are near-duplicates of something on another side.
    """

    test: Rows
    client: Rows
    in_distribution: Rows
    others: Rows
    pool: Rows
    lost_groups: int
    lost_twins: int

    @property
    def share(self) -> float:
        """The part of the pool that is of the client's kind, in [0, 1]."""
        return len(self.in_distribution) / len(self.pool)


def sides(
    domains: Sequence[str],
    private: str,
    seed: int,
    *,
    groups: Sequence[str] | None,
    twins: Twins,
    most: int | None = None,
    among: Rows | None = None,
) -> Sides:
    """Split a data set around one private domain: test items first, then the client's, then the pool.

    A later side takes nothing of a group that an earlier one has, and no near-duplicate of what an earlier one has.

    Args:
        domains: the domain of each row.
        private: the client's domain.
        seed: the same seed gives the same sides.
        groups: of each row: what comes from one source, or shows one thing, in whatever domain; None where each row is its own.
        twins: near-duplicates.
        most: of each domain at most about this many items take part, chosen by the seed.
        among: the rows that take part at all; None for all.

    Raises:
        InvalidInput: no row is of that domain, or a side would be empty.
    """
    of_row = np.asarray(domains)
    rng = np.random.default_rng(seed)
    part_of = np.arange(len(of_row)) if groups is None else np.unique(groups, return_inverse=True)[1]
    here = np.ones(len(of_row), bool) if among is None else np.isin(np.arange(len(of_row)), among)
    own = _by_group(rng.permutation(np.flatnonzero(here & (of_row == private)))[:most], part_of)
    if not len(own):
        raise InvalidInput(f"no item is of domain {private!r}: choose {', '.join(sorted(set(domains)))}")
    tests, clients = (_cut(own, part_of, share) for share in (TEST, TEST + CLIENT))
    test, client, public = own[:tests], own[tests:clients], rng.permutation(own[clients:])
    others = rng.permutation(np.flatnonzero(here & (of_row != private)))
    free = others[~np.isin(part_of[others], part_of[own[:clients]])]

    kept_client = np.setdiff1d(client, twins.of(test))
    taken = twins.of(np.concatenate([test, kept_client]))
    kept_public, kept = (rows[~np.isin(rows, taken)] for rows in (public, free))
    if most is not None:
        first = [kept[of_row[kept] == name][:most] for name in np.unique(of_row[kept])]
        kept_others = rng.permutation(np.concatenate(first)) if first else kept
    else:
        kept_others = kept
    parts = {"test": test, "client": kept_client, "the pool's part of that domain": kept_public}
    if empty := [name for name, rows in parts.items() if not len(rows)]:
        raise InvalidInput(
            f"{len(own)} items of {private!r} in {len(np.unique(part_of[own]))} groups cannot be split into {TEST:g} test, "
            f"{CLIENT:g} client and a pool: nothing is left for {' and '.join(empty)}"
        )
    return Sides(
        test,
        kept_client,
        kept_public,
        kept_others,
        rng.permutation(np.concatenate([kept_public, kept_others])),
        lost_groups=len(others) - len(free),
        lost_twins=len(client) - len(kept_client) + len(public) - len(kept_public) + len(free) - len(kept),
    )


def _by_group(rows: Rows, part_of: NDArray[np.intp]) -> Rows:
    """The same rows, those of one group beside each other, groups in the order of their first row."""
    _, first, inverse = np.unique(part_of[rows], return_index=True, return_inverse=True)
    return rows[np.argsort(first[inverse], kind="stable")]


def _cut(rows: Rows, part_of: NDArray[np.intp], share: float) -> int:
    """Where to cut rows in order of their groups: after `share` of them, moved on to the end of the group there."""
    place = round(share * len(rows))
    while 0 < place < len(rows) and part_of[rows[place]] == part_of[rows[place - 1]]:
        place += 1
    return place
