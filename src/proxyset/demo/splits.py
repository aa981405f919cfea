"""Who owns what in a benchmark run: one domain is the client's, the rest is public."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Rows of a data set; the three parts of the private domain are disjoint, and the pool holds only one of
    them.

    Attributes:
        test: rows of the private domain that measure accuracy; nobody trains on them.
        client: rows that the client owns and the cloud never sees.
        in_distribution: rows of the private domain that happen to be public too (in random order).
        pool: `in_distribution` and every row of every other domain, in random order.
    """

    test: Rows
    client: Rows
    in_distribution: Rows
    pool: Rows

    @property
    def share(self) -> float:
        """The part of the pool that is of the client's kind, in [0, 1]."""
        return len(self.in_distribution) / len(self.pool)


def split(
    domains: Sequence[str],
    private: str,
    seed: int,
    *,
    test: float = 0.2,
    client: float = 0.4,
    groups: Sequence[str] | None = None,
    most: int | None = None,
) -> Split:
    """Split a data set around one private domain, as in the paper (half of one domain is the client's, the
    other half and all other domains are the pool), after test items have been set aside.

    Args:
        domains: the domain of each row.
        private: the client's domain.
        seed: the same seed gives the same split.
        test, client: parts of the private domain; what remains is public.
        groups: items of one group show the same thing. A group of the private domain lies in one part only, and the
            groups of the test items appear nowhere in the pool, whatever the domain.
        most: of each domain at most about this many items take part, chosen by the seed.

    Raises:
        InvalidInput: no row is of that domain, or a part would be empty.
    """
    of_row = np.asarray(domains)
    own = np.flatnonzero(of_row == private)
    if not len(own):
        raise InvalidInput(f"no item is of domain {private!r}: choose {', '.join(sorted(set(domains)))}")
    rng = np.random.default_rng(seed)
    part_of = np.arange(len(of_row)) if groups is None else np.unique(groups, return_inverse=True)[1]
    if most is not None:
        kept = [rng.permutation(np.flatnonzero(of_row == name))[:most] for name in np.unique(of_row)]
        taking = np.sort(np.concatenate(kept))
    else:
        taking = np.arange(len(of_row))
    own, others = taking[of_row[taking] == private], taking[of_row[taking] != private]
    own = _by_group(rng.permutation(own), part_of)
    tests, clients = (_cut(own, part_of, share) for share in (test, test + client))
    if min(tests, clients - tests, len(own) - clients) < 1:
        raise InvalidInput(
            f"{len(own)} items of {private!r} cannot be split into {test:g} test, {client:g} client "
            "and a rest: every part needs an item"
        )
    public = own[clients:] if groups is None else rng.permutation(own[clients:])
    others = others[~np.isin(part_of[others], part_of[own[:tests]])]
    pool = rng.permutation(np.concatenate([public, others]))
    return Split(own[:tests], own[tests:clients], public, pool)


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
