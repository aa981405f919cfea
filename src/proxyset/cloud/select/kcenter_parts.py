"""Exact greedy k-center of a pool that is not in memory: the farthest rows of every part, then greedy among those.

In a round every part looks at its rows once and returns those that are farthest from the centres so far. Greedy goes on among what
all parts returned until the next pick might be a row that was not (`kcenter.go_on`); then comes the next round. So the picks, and
their order, are those of `farthest_first` over all rows, whatever the parts are and wherever they are looked at.

Held are the rows of a round, at most 128 MiB or as many as are wanted, and the centres. What a row's distance was in the round
before lies in a scratch file, in two bytes a row: a row that was nearer then than what is returned now meets no centre again.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from proxyset.atomic import room_for
from proxyset.cloud.select.draw import Best, Drawn
from proxyset.cloud.select.kcenter import BLOCK, TOGETHER, Centres, farthest_first, go_on
from proxyset.cloud.select.parts import Part
from proxyset.cloud.select.rows import let_go
from proxyset.cloud.select.strategy import Candidates

HELD_BYTES = 128 << 20  # of the components that a round returns


def farthest_of_parts(
    candidates: Candidates, count: int, first: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """`kcenter.farthest_first` of the components of a pool, part by part where they are not arrays in memory."""
    if candidates.in_arrays:
        return farthest_first(candidates.Z, count, first=first)
    n, D = len(candidates), candidates.centroids.shape[1]
    most = max(HELD_BYTES // (4 * D), count)
    shares = np.array([len(part) for part in candidates.parts]) / n
    wanted = shares
    picks, gaps = np.array([first]), np.array([np.inf], np.float32)
    centres = candidates.take(picks).Z
    with room_for(f"{tempfile.gettempdir()} (TMPDIR)"), tempfile.TemporaryFile() as file:
        file.truncate(2 * n)
        bounds = np.memmap(file, np.float16, "r", shape=(n,))
        while len(picks) < count:
            again = len(picks) > 1
            given = {
                number: (
                    int(np.ceil(most * wanted[number])),
                    np.asarray(bounds[part.start :][: len(part)]) if again else None,
                )
                for number, part in enumerate(candidates.parts)
            }
            returned: dict[int, _Farthest] = {}
            for number, found in candidates.each(partial(_farthest, picks=picks, centres=centres), given):
                file.seek(2 * candidates.parts[number].start)
                file.write(found.bounds.data)
                let_go(bounds)
                returned[number] = found
            file.flush()
            floor, row = max(
                (found.last for found in returned.values() if found.last is not None), default=(-1.0, -n)
            )
            kept = [returned.pop(number).down_to(floor, -row) for number in sorted(returned)]
            useful = np.array([len(some.rows) for some in kept])
            # half goes where the farthest rows were, should a pool be in an order
            wanted = (shares + useful / useful.sum()) / 2
            rows = np.concatenate([some.rows for some in kept])
            squared = np.concatenate([some.keys for some in kept])
            Z = np.concatenate([some.Z for some in kept])
            del kept
            new, more = go_on(
                Z,
                min(count - len(picks), len(rows)),
                centres=centres,
                squared=squared,
                floor=floor,
                place=int(np.searchsorted(rows, -row)),
            )
            picks, gaps = np.concatenate([picks, rows[new]]), np.concatenate([gaps, more])
            # what lies on a centre brings nothing nearer
            centres = np.concatenate([centres, Z[new[more > 0]]])
    return picks, gaps


@dataclass(frozen=True)
class _Farthest:
    """What a part returns.

    Attributes:
        rows: those that are farthest, in order of row; keys are squared distances.
        last: squared distance and −row of the nearest of them, where there are more rows.
        bounds: (m,) float16, of every row no less than its squared distance.
    """

    rows: Drawn
    last: tuple[float, int] | None
    bounds: NDArray[np.float16]

    def down_to(self, floor: float, row: int) -> Drawn:
        """Those that are farther, squared, than `floor`, or as far and no later than a row."""
        keys = self.rows.keys
        return self.rows.at(np.flatnonzero((keys > floor) | ((keys == floor) & (self.rows.rows <= row))))


def _farthest(
    part: Part,
    given: tuple[int, NDArray[np.float16] | None],
    picks: NDArray[np.intp],
    centres: NDArray[np.float32],
) -> _Farthest:
    count, before = given
    bounds = np.full(len(part), np.inf) if before is None else before.astype(np.float64)
    bounds[picks[(picks >= part.start) & (picks < part.start + len(part))] - part.start] = -1
    left = np.count_nonzero(bounds >= 0)
    known = Centres(centres.mean(axis=0, dtype=np.float64).astype(np.float32), len(centres))
    known.add(centres)
    best = Best(count, centres.shape[1])
    for block in part.blocks():
        for start in range(0, len(block), BLOCK):
            number = block.start + start
            X, mine = block.Z[start : start + BLOCK], bounds[number - part.start :][:BLOCK]
            rows = np.flatnonzero(mine > max(best.least, -1))
            if len(rows):
                rows, Z = _lowered(known, X, mine, rows, best.least)
                best.add(Drawn(number + rows, mine[rows], mine[rows], Z))
    found = best.found()
    found = found.at(np.argsort(found.rows))
    last = None
    if len(found.rows) < left:
        nearest = float(found.keys.min())
        last = (nearest, -int(found.rows[found.keys == nearest].max()))
    with np.errstate(over="ignore"):
        return _Farthest(found, last, np.nextafter(bounds.astype(np.float16), np.float16(np.inf)))


def _lowered(
    centres: Centres,
    X: NDArray[np.float32],
    bounds: NDArray[np.float64],
    rows: NDArray[np.intp],
    least: float,
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Lower the bounds of some rows of X, each until it falls to `least`; the rows that stay above, which get their distances."""
    points = centres.centred(X[rows])
    norms = np.einsum("ij,ij->i", points[:, :-1], points[:, :-1])
    rounding = centres.rounding(norms)
    for met in range(0, centres.count, TOGETHER):
        stop = min(met + TOGETHER, centres.count)
        bounds[rows] = np.minimum(bounds[rows], centres.bounds(met, stop, points, norms, rounding))
        above = bounds[rows] > least
        rows, points, norms = rows[above], points[above], norms[above]
    Z = X[rows]
    bounds[rows] = centres.squared(Z, points, rounding)
    return rows, Z
