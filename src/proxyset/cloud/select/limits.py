"""What a selection must keep to: which rows may be chosen, which are chosen already, and how much each group gets at least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.select.strategy import Ranking
from proxyset.errors import InvalidInput


@dataclass(frozen=True)
class Limits:
    """Limits of a selection, as arrays over the pool of n items.

    Attributes:
        allowed: (n,) bool, the rows that may be chosen; None for all.
        chosen: (k,) distinct rows that were chosen before: they are not chosen again, and the default strategy keeps away
            from them.
        groups: (n,) int32 group of each item, −1 for none; None without groups.
        least: (G,) the least share of the budget for each group, ≥ 0; together at most 1.
    """

    allowed: NDArray[np.bool_] | None = None
    chosen: NDArray[np.intp] | None = None
    groups: NDArray[np.int32] | None = None
    least: NDArray[np.float64] | None = None

    def open_rows(self, n: int) -> NDArray[np.intp] | None:
        """(m,) the rows that may be chosen, in order; None for all.

        Raises:
            InvalidInput: there is none.
        """
        if self.allowed is None and (self.chosen is None or not len(self.chosen)):
            return None
        mask = np.ones(n, bool) if self.allowed is None else self.allowed.copy()
        if self.chosen is not None:
            mask[self.chosen] = False
        if not mask.any():
            raise InvalidInput(f"none of the {n:,} items of the pool may be chosen: the limits leave nothing")
        return np.flatnonzero(mask)


def share_out(
    ranking: Ranking,
    groups: NDArray[np.int32],
    least: NDArray[np.float64],
    budget: int,
    more: Callable[[NDArray[np.intp], int], Ranking],
) -> Ranking:
    """Change a ranking as little as its groups' least shares ask for.

    Every group gets ⌊share · budget⌋ items, or all that it has. Items of groups that fall behind move forward, so that long
    prefixes keep the shares too; what has to go is the end of the ranking.

    Args:
        ranking: `budget` rows, best first.
        groups: (m,) group of each row that may be chosen, −1 for none.
        least: (G,) share of each group; together at most 1.
        budget: number of rows.
        more: ranks that many of the given rows: asked for where a group has too few in the ranking. Their reason is "share".

    Raises:
        InvalidInput: the shares add up to more than 1.
    """
    if not (least >= 0).all() or least.sum() > 1 + 1e-9:
        raise InvalidInput(
            f"least shares are at least 0 and together at most 1; these {len(least)} add up to {least.sum():.3g}"
        )
    sizes = np.bincount(groups[groups >= 0], minlength=len(least))
    quotas = np.minimum(np.floor(least * budget + 1e-9).astype(np.intp), sizes)
    of_rows = groups[ranking.rows]
    have = np.bincount(of_rows[of_rows >= 0], minlength=len(least))
    rows, scores, reasons = [ranking.rows], [ranking.scores], list(ranking.reasons)
    taken = np.zeros(len(groups), bool)
    taken[ranking.rows] = True
    for group in np.flatnonzero(have < quotas):
        wanted = int(quotas[group] - have[group])
        added = more(np.flatnonzero((groups == group) & ~taken), wanted)
        rows.append(added.rows)
        scores.append(added.scores)
        reasons += ["share"] * wanted
    every = Ranking(np.concatenate(rows), np.concatenate(scores), reasons)
    order = _merged(groups[every.rows], least, quotas, budget)
    return Ranking(every.rows[order], every.scores[order], [reasons[place] for place in order])


def _merged(
    groups: NDArray[np.int32], least: NDArray[np.float64], quotas: NDArray[np.intp], budget: int
) -> NDArray[np.intp]:
    """Places in the order taken: the first that is left, unless a group is a whole item behind or needs all that remains."""
    queues = [list(np.flatnonzero(groups == group)[::-1]) for group in range(len(least))]
    used, have = np.zeros(len(groups), bool), np.zeros(len(least), np.intp)
    order, front = np.empty(budget, np.intp), 0
    for number in range(1, budget + 1):
        missing = quotas - have
        behind = np.where(missing > 0, least * number - have, -np.inf)
        if len(least) and (behind.max() >= 1 or missing.clip(0).sum() > budget - number):
            queue = queues[int(behind.argmax())]
            while used[place := queue.pop()]:
                pass
        else:
            while used[front]:
                front += 1
            place = front
        order[number - 1] = place
        used[place] = True
        if groups[place] >= 0:
            have[groups[place]] += 1
    return order
