"""Who owns what in a benchmark run: one domain is the client's, the rest is public."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput

Rows = NDArray[np.int64]
_TEST, _CLIENT = 0.2, 0.4  # parts of the private domain; what remains is public


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


def split(domains: Sequence[str], private: str, seed: int) -> Split:
    """Split a data set around one private domain, as in the paper (half of one domain is the client's, the
    other half and all other domains are the pool), after test items have been set aside.

    Args:
        domains: the domain of each row.
        private: the client's domain.
        seed: the same seed gives the same split.

    Raises:
        InvalidInput: no row is of that domain, or a part would be empty.
    """
    of_row = np.asarray(domains)
    own = np.flatnonzero(of_row == private)
    if not len(own):
        raise InvalidInput(f"no item is of domain {private!r}: choose {', '.join(sorted(set(domains)))}")
    rng = np.random.default_rng(seed)
    own = rng.permutation(own)
    tests, clients = (round(share * len(own)) for share in (_TEST, _TEST + _CLIENT))
    if min(tests, clients - tests, len(own) - clients) < 1:
        raise InvalidInput(
            f"{len(own)} items of {private!r} cannot be split into {_TEST:g} test, {_CLIENT:g} client "
            "and a rest: every part needs an item"
        )
    public = own[clients:]
    pool = rng.permutation(np.concatenate([public, np.flatnonzero(of_row != private)]))
    return Split(own[:tests], own[tests:clients], public, pool)
