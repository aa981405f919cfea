"""Time and peak memory of an index and of a selection, each in a process of its own (Linux)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset_lab.apart import measured, spent
from proxyset_lab.speed.page import put

_FILE_ROWS = 500_000
DIM, CLUSTERS, BUDGET = 64, 1000, 3000


_HEAD = ["| items | step | core-seconds | peak MiB |", "|---|---|---|---|"]


def measure(folder: Path, items: int, strategies: Sequence[str], docs: Path | None = None) -> None:
    """Build a pool of `items` and an index of it, select from it, and print what each took; `docs` gets it as a table."""
    pool, index = folder / f"pool-{items}", folder / f"index-{items}"
    write_pool(pool, items)
    size = sum(path.stat().st_size for path in pool.iterdir())
    _report(items, "pool", {"bytes an item": size / items})
    _report(items, "index", measured(index_step, pool, index), docs)
    release = folder / f"release-{items}.safetensors"
    answer_index(index, release)
    for strategy in strategies:
        out = folder / f"proxy-{items}-{strategy}"
        _report(
            items,
            f"select {BUDGET:,}, `{strategy}`",
            measured(select_step, index, out, release, strategy),
            docs,
        )


def _report(items: int, what: str, numbers: dict[str, float], docs: Path | None = None) -> None:
    words = ", ".join(f"{name.replace('_', '-')} {value:,.1f}" for name, value in numbers.items())
    sys.stdout.write(f"{items:>12,} {what:30s} {words}\n")
    sys.stdout.flush()
    if docs:
        row = f"| {items:,} | {what} | {numbers['core_seconds']:.1f} | {numbers['mib']:,.0f} |"
        put(docs, "memory", _HEAD, [row])


def write_pool(folder: Path, items: int) -> None:
    """Parquet files of float16 embeddings in 3,000 blobs, with ids: the same items for the same number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    rng, centres = np.random.default_rng(0), _blobs()
    for start in range(0, items, _FILE_ROWS):
        rows = min(_FILE_ROWS, items - start)
        X = centres[rng.integers(3000, size=rows)] + 0.7 * rng.standard_normal((rows, DIM), dtype=np.float32)
        table = pa.table(
            {
                "id": pa.array([f"item-{start + row:012d}" for row in range(rows)]),
                "embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.astype(np.float16).ravel()), DIM),
            }
        )
        pq.write_table(table, folder / f"{start // _FILE_ROWS:05d}.parquet", row_group_size=65_536)


def _blobs() -> NDArray[np.float32]:
    centres = np.random.default_rng(2).standard_normal((3000, DIM), dtype=np.float32)
    return centres * np.linspace(2, 0.3, DIM, dtype=np.float32)


def index_step(pool: str, out: str) -> dict[str, float]:
    """Build an index, in a process of its own."""
    from proxyset.cloud.build import build_index

    return spent(lambda: build_index(pool, out, encoder="embeddings", clusters=CLUSTERS))


def select_step(source: str, out: str, release: str, strategy: str) -> dict[str, float]:
    """Select from an index, in a process of its own."""
    from proxyset.cloud.index import Index
    from proxyset.cloud.proxy_set import select
    from proxyset.wire.release import Release

    releases = [Release.from_bytes(Path(release).read_bytes())] if strategy != "k-center" else []
    return spent(lambda: select(Index.open(source), releases, out, budget=BUDGET, strategy=strategy))


def answer_index(index: Path, out: Path) -> None:
    """A real release: 10,000 private items near one blob in ten of the pool."""
    from proxyset.client.answer import answer
    from proxyset.cloud.index import Index

    rng = np.random.default_rng(1)
    X = _blobs()[rng.integers(300, size=10_000)] + 0.7 * rng.standard_normal((10_000, DIM), dtype=np.float32)
    release = answer(
        Index.open(index).probe(), X, epsilon=0.58, ledger=out.with_suffix(".sqlite"), dataset="X"
    )
    out.write_bytes(release.to_bytes())
