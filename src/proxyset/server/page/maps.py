"""The map of a pool as inline SVG: a circle a cluster, its area the cluster's share of the pool, its colour what clients released.

The colours differ in lightness alone, so they are told apart by everybody and on grey paper. Counts that could well be noise
(within one standard deviation of it) get no colour but an outline, and without any count all are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from proxyset.cloud.select.strategy import Coverage
from proxyset.page.words import thousands
from proxyset.server.page.atlas import Atlas
from proxyset.server.page.layout import HEIGHT, WIDTH

STEPS = 5


@dataclass(frozen=True)
class Level:
    """One entry of the legend: circles of class `name` have counts from `low` to `high`."""

    name: str
    low: float
    high: float


def levels(coverage: Coverage | None) -> list[Level]:
    """The legend: nothing but noise, then equal steps up to the largest count."""
    if coverage is None:
        return []
    top = max(float(coverage.counts.max()), coverage.sigma * 1.001)
    edges = np.linspace(coverage.sigma, top, STEPS + 1)
    steps = [Level(f"c{number + 1}", edges[number], edges[number + 1]) for number in range(STEPS)]
    return [Level("c0", float(min(coverage.counts.min(), 0)), coverage.sigma), *steps]


def level_of(coverage: Coverage | None) -> list[str]:
    """The class of each cluster's circle."""
    if coverage is None:
        return []
    edges = [level.low for level in levels(coverage)[1:]]
    return [f"c{number}" for number in np.searchsorted(edges, coverage.counts, side="right")]


def draw_map(atlas: Atlas, coverage: Coverage | None, link: str) -> Markup:
    """The map. Every circle is a link to `link` + its number, and says in words what it shows."""
    (x, y), radii = atlas.centres.T, atlas.radii
    classes = level_of(coverage) or ["plain"] * len(radii)
    marks = []
    for j in np.argsort(-radii, kind="stable"):
        words = f"Cluster {j}: {thousands(int(atlas.sizes[j]))} items"
        if coverage is not None:
            words += f", released count {thousands(float(coverage.counts[j]))}"
        marks.append(
            Markup('<a href="{}" aria-label="{}"><circle class="{}" cx="{}" cy="{}" r="{}"/></a>').format(
                f"{link}{j}",
                words,
                classes[j],
                f"{x[j]:.1f}",
                f"{y[j]:.1f}",
                f"{radii[j]:.1f}",
            )
        )
    opening = Markup('<svg class="map" viewBox="0 0 {} {}" role="group" aria-label="{}">').format(
        WIDTH, HEIGHT, f"Map of {len(radii)} clusters; a table says the same"
    )
    return opening + Markup("").join(marks) + Markup("</svg>")
