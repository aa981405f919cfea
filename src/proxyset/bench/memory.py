"""Time and peak memory of an index and of a selection at growing sizes: python -m proxyset.bench.memory --items 1000000 10000000.

Each step runs in a process of its own, whose peak resident memory the operating system reports (Linux).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FILE_ROWS = 500_000
DIM, CLUSTERS = 64, 1000


def main() -> None:
    """Print a line for every size and step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--strategies", nargs="+", default=["ecos", "k-center"])
    parser.add_argument(
        "--folder", type=Path, default=None, help="where pools and indexes go; a temporary folder"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for items in arguments.items:
            measure(Path(folder), items, arguments.strategies)


def measure(folder: Path, items: int, strategies: list[str]) -> None:
    """Build a pool of `items` and an index of it, select from it, and print what each took."""
    pool, index = folder / f"pool-{items}", folder / f"index-{items}"
    write_pool(pool, items)
    size = sum(path.stat().st_size for path in pool.iterdir())
    _report(items, "pool", {"bytes an item": size / items})
    _report(items, "index", _child("index", str(pool), str(index)))
    release = folder / f"release-{items}.safetensors"
    answer_index(index, release)
    for strategy in strategies:
        out = folder / f"proxy-{items}-{strategy}"
        _report(items, strategy, _child("select", str(index), str(out), str(release), strategy))


def _report(items: int, what: str, numbers: dict[str, float]) -> None:
    words = ", ".join(f"{name} {value:,.1f}" for name, value in numbers.items())
    sys.stdout.write(f"{items:>12,} {what:12s} {words}\n")
    sys.stdout.flush()


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


def _child(*arguments: str) -> dict[str, float]:
    code = [sys.executable, "-c", "from proxyset.bench.memory import step; step()", *arguments]
    return dict(json.loads(subprocess.run(code, check=True, capture_output=True, text=True).stdout))


def step() -> None:
    """One step in a process of its own; prints its seconds and its peak memory in MiB."""
    from proxyset.cloud.build import build_index
    from proxyset.cloud.index import Index
    from proxyset.cloud.proxy_set import select
    from proxyset.wire.release import Release

    name, source, out, *asked = sys.argv[1:]
    start, cpu = time.monotonic(), time.process_time()
    if name == "index":
        build_index(source, out, encoder="embeddings", clusters=CLUSTERS)
    else:
        release, strategy = asked
        releases = [Release.from_bytes(Path(release).read_bytes())] if strategy != "k-center" else []
        select(Index.open(source), releases, out, budget=3000, strategy=strategy)
    found = {
        "seconds": time.monotonic() - start,
        "core-seconds": time.process_time() - cpu,
        "MiB": peak_mib(),
    }
    sys.stdout.write(json.dumps(found) + "\n")


def peak_mib() -> float:
    """Peak resident memory of this process since it began (getrusage would count what its parent had before)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


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


if __name__ == "__main__":
    main()
