"""Core-seconds and peak memory of an index and of selections from it, step by step and at growing sizes (Linux).

The build is a process, and so is every selection. Inside a build the peak is set back (`/proc/self/clear_refs`) when a step begins.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset_lab.apart import measured, peak_mib, spent
from proxyset_lab.origin import origin
from proxyset_lab.speed.page import put
from proxyset_lab.speed.s3 import s3_server

DIM, CLUSTERS = 64, 1000
PAPER = (
    100_000_000,
    1_000_000_000,
    10_000_000_000,
)  # whose cost follows from the line, where it was not measured
_FILE_ROWS, _BLOCK = 1 << 20, 1 << 12
_BLOBS, _PRIVATE = 20_000, 10_000
_STEPS = {
    ("encode", "begins"): "read and write embeddings",
    ("encode", "ends"): "every id once",
    ("cluster", "begins"): "sample, components",
    ("cluster", "goes on"): "K-means on the sample",
    ("cluster", "ends"): "write the model",
    ("assign", "begins"): "assign and write",
    ("assign", "ends"): "write the manifest",
}
_HEAD = ["| step | items, where | core-seconds | peak MiB | core-µs an item |", "|---|---|---|---|---|"]
_WHOLE = "index, whole"
_SHOWN = 0.5  # core-seconds from which a step is on a page


@dataclass(frozen=True)
class Row:
    """What a step took.

    Attributes:
        items: of the pool.
        where: "disk" or "S3", where the index and the proxy set lie.
        step: what was done.
        seconds, core_seconds: of the process; the server's own are not in them.
        mib: peak resident memory while it lasted, interpreter and libraries included.
        commit: of the code.
    """

    items: int
    where: str
    step: str
    seconds: float
    core_seconds: float
    mib: float
    commit: str

    def line(self) -> str:
        each = 1e6 * self.core_seconds / self.items
        return f"| {self.step} | {self.items:,}, {self.where} | {self.core_seconds:,.1f} | {self.mib:,.0f} | {each:.2f} |"


def measure(
    folder: Path, sizes: Sequence[int], strategies: Sequence[str], budget: int, where: str, rows: Path
) -> None:
    """Build a pool, an index and proxy sets of each size, print what every step took, and take each size away again.

    Args:
        folder: for pools, indexes and what the server keeps.
        sizes: items of the pools.
        strategies: to select by.
        budget: items to select.
        where: "disk" or "S3".
        rows: a file of JSON lines that gets a line for each step.
    """

    def report(items: int, found: dict[str, dict[str, float]]) -> None:
        for step, numbers in found.items():
            row = Row(items, where, step, **numbers, commit=origin().commit)
            sys.stdout.write(row.line() + "\n")
            sys.stdout.flush()
            with rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")

    for items in sizes:
        pool = folder / f"pool-{items}"
        write_pool(pool, items)
        with _place(where, folder, items) as place:
            index, release = f"{place}/index", folder / f"release-{items}.safetensors"
            report(items, measured(index_step, pool, index))
            answer_index(index, release)
            for strategy in strategies:
                out = f"{place}/proxy-{strategy}"
                step = measured(select_step, index, out, release, strategy, budget)
                report(items, {f"select {budget:,} by `{strategy}`": step})
        shutil.rmtree(pool)


def write_page(rows: Path, docs: Path) -> None:
    """Write the table `scale` of a page anew from a file of rows, with what larger pools cost on paper."""
    last: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)
    for line in rows.read_text(encoding="utf-8").splitlines():
        row = Row(**json.loads(line))
        last[row.where, row.step][row.items] = row
    shown = {
        key: found for key, found in last.items() if max(row.core_seconds for row in found.values()) >= _SHOWN
    }
    lines = []
    for found in shown.values():
        lines += [found[items].line() for items in sorted(found)] + on_paper(found)
    commits = sorted({row.commit[:12] for found in shown.values() for row in found.values()})
    put(docs, "scale", _HEAD, lines, made=f"Measured at commit {', '.join(commits)}.")


@contextmanager
def _place(store: str, folder: Path, items: int) -> Iterator[str]:
    if store == "S3":
        with s3_server(folder / f"server-{items}") as bucket:
            yield bucket
        return
    place = folder / f"disk-{items}"
    yield str(place)
    shutil.rmtree(place)


def on_paper(found: Mapping[int, Row]) -> list[str]:
    """Lines of a whole build or selection at sizes that nobody measured: on the line through the two largest that were."""
    few, many = ([None, None, *(found[items] for items in sorted(found))])[-2:]
    if few is None or many is None or not many.step.startswith((_WHOLE, "select")):
        return []
    slope = (many.core_seconds - few.core_seconds) / (many.items - few.items)
    lines = []
    for items in (size for size in PAPER if size > many.items):
        seconds = many.core_seconds + slope * (items - many.items)
        each = 1e6 * seconds / items
        lines.append(f"| {many.step} | {items:,}, {many.where} | {seconds:,.0f} on paper | | {each:.2f} |")
    return lines


def write_pool(folder: Path, items: int) -> None:
    """.npy files of float16 embeddings, part by part from a seed: the same items for the same number.

    A mixture of 20,000 blobs, the size of blob k in proportion to 1/(k + 10), each with a width of its own (log-normal),
    in dimensions whose spread falls, as that of principal components does.
    """
    folder.mkdir(parents=True)
    blobs = Blobs()
    for start in range(0, items, _FILE_ROWS):
        rows = min(_FILE_ROWS, items - start)
        X: NDArray[np.float16] = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            folder / f"{start // _FILE_ROWS:05d}.npy", "w+", np.float16, shape=(rows, DIM)
        )
        rng = np.random.default_rng([0, start // _FILE_ROWS])
        for at in range(0, rows, _BLOCK):
            X[at : at + _BLOCK] = blobs.draw(min(_BLOCK, rows - at), rng)


class Blobs:
    """The mixture that pools and private items are drawn from."""

    def __init__(self) -> None:
        rng = np.random.default_rng(2)
        self._spread = np.linspace(2, 0.3, DIM, dtype=np.float32)
        self._centres = self._spread * rng.standard_normal((_BLOBS, DIM), dtype=np.float32)
        self._widths = np.exp(0.4 * rng.standard_normal((_BLOBS, 1), dtype=np.float32)) / 2
        sizes = 1 / (np.arange(_BLOBS) + 10)
        self._bounds = np.cumsum(sizes / sizes.sum())

    def draw(self, rows: int, rng: np.random.Generator, every: int = 1) -> NDArray[np.float32]:
        """(rows, 64) float32 of the blobs 0, every, 2·every and so on."""
        blobs = np.minimum(np.searchsorted(self._bounds, rng.random(rows)), _BLOBS - 1) // every * every
        X = rng.standard_normal((rows, DIM), dtype=np.float32)
        X *= self._spread
        X *= self._widths[blobs]
        X += self._centres[blobs]
        return X


def index_step(pool: str, out: str) -> dict[str, dict[str, float]]:
    """Build an index, in a process of its own: step → fields of `apart.Spent`."""
    from proxyset.cloud.build import build_index

    stages = _Stages()
    build_index(pool, out, encoder="embeddings", clusters=CLUSTERS, progress=stages)
    return stages.found()


class _Stages:
    """What each step of a build took, from what the build says of its progress."""

    def __init__(self) -> None:
        self._steps: dict[str, dict[str, float]] = {}
        self._begin("plan")

    def _begin(self, step: str) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._step, self._clocks = step, (time.monotonic(), time.process_time())

    def _end(self) -> None:
        seconds, core = (
            now - then
            for now, then in zip((time.monotonic(), time.process_time()), self._clocks, strict=True)
        )
        self._steps[self._step] = {"seconds": seconds, "core_seconds": core, "mib": peak_mib()}

    def __call__(self, stage: str, done: int, total: int) -> None:
        place = "begins" if done == 0 else "ends" if done == total else "goes on"
        if (step := _STEPS.get((stage, place))) is not None:
            self._end()
            self._begin(step)

    def found(self) -> dict[str, dict[str, float]]:
        """All steps, and the whole build, whose peak is the highest of theirs."""
        self._end()
        every = self._steps.values()
        whole = {name: sum(step[name] for step in every) for name in ("seconds", "core_seconds")}
        return self._steps | {_WHOLE: whole | {"mib": max(step["mib"] for step in every)}}


def select_step(source: str, out: str, release: str, strategy: str, budget: str) -> dict[str, float]:
    """Select from an index, in a process of its own."""
    from proxyset.cloud.index import Index
    from proxyset.cloud.proxy_set import select
    from proxyset.wire.release import Release

    releases = [Release.from_bytes(Path(release).read_bytes())] if strategy != "k-center" else []
    return spent(lambda: select(Index.open(source), releases, out, budget=int(budget), strategy=strategy))


def answer_index(index: str, out: Path) -> None:
    """A real release: 10,000 private items of one blob in ten of the pool's."""
    from proxyset.client.answer import answer
    from proxyset.cloud.index import Index

    X = Blobs().draw(_PRIVATE, np.random.default_rng(1), every=10)
    ledger = out.with_name(f"{out.stem}-{time.monotonic_ns()}.sqlite")
    release = answer(Index.open(index).probe(), X, epsilon=0.58, ledger=ledger, dataset="X")
    out.write_bytes(release.to_bytes())
