"""Where circles lie on paper: near where they belong, large enough for their mass, and apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 720, 460
_MARGIN = 6
_COVERED = 0.22  # share of the paper that all circles together take
_LEAST, _MOST = 3.0, 60.0
_CROWD = 150  # circles that do not find their places by pushing alone
_PAIRS = 40_000_000  # what moving them apart may cost, in pairs looked at

_Part = tuple[
    NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]
]  # circles, and the two corners of their room


def lay_out(
    places: NDArray[np.float64], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres and radii on a paper of WIDTH × HEIGHT.

    Both axes are stretched to fill it, because only who is near whom is to be read off. Then circles that overlap push each
    other apart, so that none hides another. More of them than that can be done for begin spread out: the paper is halved again and
    again, each half as large as the circles in it, so that neighbours stay neighbours.

    Args:
        places: (R, 2).
        sizes: (R,), items in each; a circle's area is in proportion.

    Returns:
        (R, 2) centres, y downward, and (R,) radii.
    """
    share = sizes / max(1, int(sizes.sum()))
    radii = np.clip(np.sqrt(share * _COVERED * WIDTH * HEIGHT / np.pi), _LEAST, _MOST)
    low, high = places.min(axis=0), places.max(axis=0)
    unit = (places - low) / np.where(high > low, high - low, 1)
    if len(sizes) > _CROWD:
        unit = _spread(unit, radii)
    unit[:, 1] = 1 - unit[:, 1]
    inset = _MARGIN + radii[:, None]
    room = np.array([WIDTH, HEIGHT]) - 2 * inset
    centres = inset + unit * room
    for _ in range(min(300, _PAIRS // len(sizes) ** 2)):
        moved = _pushed(centres, radii)
        moved = np.clip(moved, inset, np.array([WIDTH, HEIGHT]) - inset)
        if np.abs(moved - centres).max() < 0.05:
            break
        centres = moved
    return centres, radii


def _spread(unit: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places in the unit square that leave each circle a rectangle in proportion to its area: the square is cut along its longer
    side, as it lies on paper, where half of the area is on either hand, and each part likewise."""
    spread = np.empty_like(unit)
    area = (radii + 1) ** 2
    begin: _Part = (np.arange(len(unit)), np.zeros(2), np.ones(2))
    waiting = [begin]
    while waiting:
        here, low, high = waiting.pop()
        if len(here) == 1:
            spread[here[0]] = (low + high) / 2
            continue
        axis = int((high - low)[0] * WIDTH < (high - low)[1] * HEIGHT)
        here = here[np.argsort(unit[here, axis], kind="stable")]
        share = np.cumsum(area[here]) / area[here].sum()
        cut = int(np.clip(np.searchsorted(share, 0.5), 1, len(here) - 1))
        edge = low[axis] + share[cut - 1] * (high - low)[axis]
        below, above = high.copy(), low.copy()
        below[axis] = above[axis] = edge
        waiting += [(here[:cut], low, below), (here[cut:], above, high)]
    return spread


def _pushed(centres: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """One step: every pair that overlaps moves apart, the smaller circle further."""
    apart = centres[:, None] - centres[None]
    distance = np.sqrt((apart**2).sum(axis=2))
    overlap = np.maximum(radii[:, None] + radii[None] + 1.5 - distance, 0)
    np.fill_diagonal(overlap, 0)
    direction = apart / np.maximum(distance, 1e-6)[..., None]
    # circles in the very same place part in a direction of their own
    first, second = np.nonzero(distance < 1e-6)
    angle, turn = 2.4 * (first + second), np.where(first < second, 1.0, -1.0)
    direction[first, second] = turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    yielding = radii[None] ** 2 / (radii[:, None] ** 2 + radii[None] ** 2)
    push: NDArray[np.float64] = ((overlap * yielding)[..., None] * direction).sum(axis=1)
    return centres + 0.5 * push
