"""What the operator's page takes to look at the pool of a campaign, for the first time and again after a restart."""

from __future__ import annotations

from pathlib import Path

from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.server.page.atlases import Atlases
from proxyset_lab.apart import Spent, measured, spent
from proxyset_lab.speed.scale import CLUSTERS, write_pool


def looks(folder: Path, items: int) -> list[Spent]:
    """Index a pool of `items` in `folder`, and look at it twice, each time in a new process."""
    write_pool(folder / "pool", items)
    build_index(folder / "pool", folder / "index", encoder="embeddings", clusters=CLUSTERS)
    return [Spent(**measured(look_step, folder)) for _ in range(2)]


def look_step(folder: str) -> dict[str, float]:
    """Look, in a process of its own."""
    return spent(lambda: Atlases(Path(folder) / "atlases").of(Index.open(Path(folder) / "index")))
