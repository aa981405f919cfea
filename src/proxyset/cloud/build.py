"""Building an index: encode, project, cluster and assign, each step in whole files, so that a killed build resumes."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud import sample
from proxyset.cloud.alone import Alone
from proxyset.cloud.assign import AssignTask, assign_shard
from proxyset.cloud.commitment import commit
from proxyset.cloud.executor import Executor, LocalExecutor
from proxyset.cloud.index import Index, Manifest
from proxyset.cloud.kmeans import kmeans
from proxyset.cloud.kmeans_tree import FLAT, kmeans_tree
from proxyset.cloud.medoids import nearest_items
from proxyset.cloud.one_thread import one_thread
from proxyset.cloud.pca import Projection, fit_projection
from proxyset.cloud.progress import Progress, default_progress
from proxyset.cloud.scratch import goes_with, scratch
from proxyset.cloud.shards import (
    EncodeTask,
    ShardRecord,
    encode_shard,
    read_columns,
    read_embeddings,
    take_rows,
)
from proxyset.cloud.store import Place, exchange, is_taken, place, write_bytes
from proxyset.cloud.unique_ids import check_unique
from proxyset.encoders import Encoder, FunctionEncoder, load_encoder
from proxyset.encoders.foreign import NAMES
from proxyset.encoders.onnx_session import CPU
from proxyset.errors import InvalidData, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.sources import open_source
from proxyset.sources.files import check_apart, passed_over, signature
from proxyset.sources.foreign import foreign_source
from proxyset.sources.given import Given, is_path
from proxyset.sources.memory import MemorySource
from proxyset.sources.remote import is_url
from proxyset.sources.source import Kind, Source
from proxyset.wire.merkle import HashTree

DEFAULT_CLUSTERS = 100
_WHOLE_DIM, _REDUCED_DIM = 96, 64  # up to 96 features are only rotated, more are reduced to 64 components
_MAX_CORRUPT = 0.01
_AFTER_ENCODING = {
    "clusters",
    "dim",
    "seed",
    "medoids",
}  # an unfinished build may change these and keep its shards


def build_index(
    pool: Given,
    out: str | os.PathLike[str] | Place | None = None,
    *,
    encoder: str | FunctionEncoder | Encoder = "auto",
    provider: str = CPU,
    clusters: int | None = None,
    dim: int | None = None,
    seed: int = 0,
    kind: Kind | None = None,
    max_corrupt: float | None = None,
    medoids: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Index:
    """Encode, project and cluster a pool. Running it again after a kill resumes at the first unfinished shard.

    Args:
        pool: an image folder, WebDataset tars, Parquet, JSONL or CSV, or .npy embeddings; or another package's, as "NAME:PLACE"
            or "module:Class:PLACE"; or the data themselves: an (n, d) array, a data frame, an Arrow table, a list of texts or
            pictures, a torch or Hugging Face data set (`sources.given`), which must not be changed while the index is used.
        out: the folder of the index, or its URL on object storage (s3://, gs://, az://); new, empty, or of a build with the
            same arguments, which is gone on with or opened. None for a scratch folder that goes with the index; `Index.save`
            keeps it.
        encoder: "auto", "embeddings", "hog", "onnx:FOLDER", "wordllama", "tabular"; another package's, by its name or as
            "module:Class"; or a function with its name.
        provider: of ONNX Runtime, where the network of "onnx:FOLDER" or "hf:FOLDER" runs: "cpu", "cuda" (docs/encoders.md).
        clusters: R; None means 100, or the number of items if that is less.
        dim: principal components that are clustered and selected on; None means all features up to 96, else 64.
        seed: of the samples and of K-means.
        kind: how to read the pool, where that is not plain.
        max_corrupt: largest share of items that may be unreadable; they are skipped and listed. None means 1 %, but none
            at all for ready embeddings, where NaN means that something went wrong before.
        medoids: move every centroid to the item nearest to it and commit to the whole index with a hash tree, so that
            an owner can look at what is asked and knows that it was not made up for them.
        executor: where shards are encoded and assigned; this process by default. A pool in memory, or a function, stays in this
            process.
        progress: called with (stage, done, total); by default a bar in a notebook, nothing elsewhere.

    Raises:
        InvalidData: an empty pool, too many corrupt items, an id twice.
        InvalidInput: R or dim out of range; no such provider here; `out` belongs to another build, or lies in the pool's folder.
        MissingExtra: the encoder needs a library that is not installed.
    """
    if clusters is not None and clusters < 1:
        raise InvalidInput(f"clusters must be at least 1, not {clusters}")
    if dim is not None and dim < 1:
        raise InvalidInput(f"dim must be at least 1, not {dim}")
    if max_corrupt is not None and not 0 <= max_corrupt <= 1:
        raise InvalidInput(f"max_corrupt is a share between 0 and 1, not {max_corrupt}")
    where = None if out is None else place(out)
    if where is not None and is_path(pool):
        check_apart(where, os.fspath(pool))
    source = pool if isinstance(pool, MemorySource) else open_source(pool, kind=kind)
    encoding = load_encoder(encoder, source=source, provider=provider)
    if dim is not None and dim > encoding.spec.dim:
        raise InvalidInput(f"dim {dim} is more than the {encoding.spec.dim} features of the encoder")
    if executor not in (None, LocalExecutor()) and not (isinstance(encoder, str) and is_path(pool)):
        raise InvalidInput(
            "other processes read pools and encoders by name: give the pool as files and the encoder by its name, or no executor"
        )
    with scratch() if where is None else nullcontext(where) as folder:
        build = _Build(folder, executor or LocalExecutor(), progress or default_progress())
        named = os.fspath(pool) if is_path(pool) else ""
        index = _build(
            build, named, source, encoding, encoder, provider, clusters, dim, seed, max_corrupt, medoids
        )
    if where is None and isinstance(folder, Path):
        goes_with(index, folder)
    return index


def _build(
    build: _Build,
    named: str,
    source: Source,
    encoding: Encoder,
    encoder: str | FunctionEncoder | Encoder,
    provider: str,
    clusters: int | None,
    dim: int | None,
    seed: int,
    max_corrupt: float | None,
    medoids: bool,
) -> Index:
    memory = source if isinstance(source, MemorySource) else None
    local = None
    if isinstance(encoder, str) and encoder.partition(":")[0] not in set(NAMES) - {"onnx", "hf"}:
        local = encoder
    foreign = memory is None and foreign_source(named) is not None
    shards = source.shards()
    root = str(Path(named).resolve())
    if memory or foreign or is_url(named):
        root = memory.name if memory else named
    files = fingerprint([asdict(shard) for shard in shards])
    if not (memory or foreign):
        files = signature(root, source.files)
    function = encoder if isinstance(encoder, FunctionEncoder) else None
    build.begin(
        {
            "pool": root,
            "files": files,
            "encoder": encoding.spec.fingerprint,
            "provider": provider,
            "kind": source.kind,
            "clusters": clusters,
            "dim": dim,
            "seed": seed,
            "medoids": medoids,
        }
    )
    if (build.folder / "manifest.json").is_file():
        build.release()
        return Index.open(build.folder, memory, function)
    phi = encoding.spec if isinstance(encoder, str) else encoding
    folder = build.folder.absolute() / "shards"
    tasks = [EncodeTask(memory or root, source.kind, shard, phi, local, provider, folder) for shard in shards]
    encoded = build.encode(tasks)
    problems = [problem for record in encoded for problem in record.problems]
    items = sum(record.rows for record in encoded)
    if max_corrupt is None:
        max_corrupt = 0.0 if source.kind == "embedding" else _MAX_CORRUPT
    _check(items, problems, max_corrupt, clusters)
    check_unique(lambda: build.ids(encoded), items)
    R = clusters if clusters is not None else min(DEFAULT_CLUSTERS, items)
    D = dim or (encoding.spec.dim if encoding.spec.dim <= _WHOLE_DIM else _REDUCED_DIM)
    projection, centroids = build.fit(encoded, items, encoding.spec.dim, D, R, seed)
    rows = None
    if medoids:
        rows, centroids = build.move_to_items(encoded, projection, centroids)
    model = build.write_model(projection, centroids, rows)
    assignments = build.assign(encoded, model, projection.scale)
    build.sweep()
    passed = Counter({} if memory or foreign else passed_over(root, source.files))
    for record in encoded:
        passed.update(record.passed_over)
    facts: list[dict[str, object]] = [{"id": item, "reason": reason} for item, reason in problems]
    facts += [{"passed_over": what, "count": count} for what, count in passed.items()]
    lines = [json.dumps(fact, ensure_ascii=False) + "\n" for fact in facts]
    write_bytes(build.folder / "skipped.jsonl", "".join(lines).encode())
    manifest = Manifest(
        pool=root,
        kind=source.kind,
        items=items,
        skipped=len(problems),
        passed_over=dict(passed),
        dropped=getattr(encoding, "dropped", {}),
        doubts=getattr(encoding, "doubts", {}),
        encoder=encoding.spec,
        local=local,
        dim=D,
        scale=projection.scale,
        clusters=R,
        seed=seed,
        commitment=build.commit(encoded).root if medoids else None,
        shards=encoded,
        assignments=assignments,
        model_sha256=model,
    )
    build.finish(manifest)
    build.release()
    return Index.open(build.folder, memory, function)


class _Build:
    """The steps of a build, each of which leaves whole files and skips what is there."""

    def __init__(self, folder: Place, executor: Executor, progress: Progress) -> None:
        self.folder = folder
        self._executor = executor
        self._progress = progress

    def begin(self, plan: dict[str, Any]) -> None:
        path, before = self.folder / "plan.json", None
        self._plan = (json.dumps(plan, indent=1, sort_keys=True) + "\n").encode()
        if path.is_file():
            before = path.read_bytes()
            old = {"provider": CPU} | json.loads(before)
            changed = {name for name in plan if old.get(name) != plan[name]}
            finished = (self.folder / "manifest.json").is_file()
            if changed and (finished or not changed <= _AFTER_ENCODING):
                raise InvalidInput(_difference(self.folder, old, plan))
        elif is_taken(self.folder):
            raise InvalidInput(f"{self.folder} already exists and is not an index: choose another folder")
        exchange(path, before, self._plan)
        self._alone = Alone(self.folder) if isinstance(self.folder, Path) else None
        self.sweep()

    def release(self) -> None:
        """Let other builds into the folder."""
        if self._alone is not None:
            self._alone.release()

    def finish(self, manifest: Manifest) -> None:
        """Write what makes an index of all the other files.

        Raises:
            InvalidInput: in a store, where nobody can hold a folder, another process began to build with other arguments.
        """
        exchange(self.folder / "plan.json", self._plan, self._plan)
        exchange(self.folder / "manifest.json", None, manifest.model_dump_json(indent=1).encode())

    def sweep(self) -> None:
        """Remove what a killed run or worker left half written."""
        if isinstance(self.folder, Path):  # a store takes whole objects only
            for leftover in self.folder.rglob(".*.partial"):
                leftover.unlink()

    def encode(self, tasks: list[EncodeTask]) -> list[ShardRecord]:
        return self._each("encode", encode_shard, tasks)

    def ids(self, encoded: list[ShardRecord]) -> Iterator[list[str]]:
        for record in encoded:
            for batch in read_columns(self.folder / "shards" / record.name, ["id"]):
                yield batch.column("id").to_pylist()

    @one_thread()
    def fit(
        self, encoded: list[ShardRecord], items: int, d: int, D: int, R: int, seed: int
    ) -> tuple[Projection, NDArray[np.float32]]:
        """Projection and centroids from a sample of rows that the seed and the number of items fix."""
        self._progress("cluster", 0, 2)
        rng = np.random.default_rng([seed, 1])
        X = self._take(encoded, _sample(rng, items, sample.rows(items, d, D, R)))
        few = X[_sample(rng, len(X), sample.rows_of_pca(d, D))]
        projection = fit_projection(few, D)
        self._progress("cluster", 1, 2)
        cluster = kmeans if R <= FLAT else kmeans_tree
        centroids = cluster(projection(X), R, np.random.default_rng([seed, 2]))
        self._progress("cluster", 2, 2)
        return projection, centroids

    def _take(self, encoded: list[ShardRecord], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Rows (sorted) of the pool's embeddings, each shard's read on the engine."""
        tasks, start = [], 0
        for number, record in enumerate(encoded):
            low, high = np.searchsorted(rows, [start, start + record.rows])
            if low < high:
                tasks.append(
                    (number, self.folder.absolute() / "shards" / record.name, rows[low:high] - start)
                )
            start += record.rows
        found = dict(self._executor.run(take_rows, tasks))
        return np.concatenate([found[number] for number in sorted(found)])

    @one_thread()
    def move_to_items(
        self, encoded: list[ShardRecord], projection: Projection, centroids: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows of the items nearest to the centroids, and those items as the new centroids."""
        rows = nearest_items((projection(X) for X in self._embeddings(encoded)), centroids)
        ordered, back = np.unique(rows, return_inverse=True)
        return rows, projection(self._take(encoded, ordered))[back]

    def commit(self, encoded: list[ShardRecord]) -> HashTree:
        return commit([(self.folder / "shards" / record.name, record.sha256) for record in encoded])

    def _embeddings(self, encoded: list[ShardRecord]) -> Iterator[NDArray[np.float32]]:
        for record in encoded:
            yield from read_embeddings(self.folder / "shards" / record.name)

    def write_model(
        self, projection: Projection, centroids: NDArray[np.float32], medoids: NDArray[np.int64] | None
    ) -> str:
        from safetensors.numpy import save

        path = self.folder / "model.safetensors"
        tensors: dict[str, NDArray[Any]] = {
            "mean": projection.mean,
            "matrix": projection.matrix,
            "centroids": centroids,
        }
        if medoids is not None:
            tensors["medoids"] = medoids
        data = save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
        write_bytes(path, data)
        return fingerprint(data)

    def assign(self, encoded: list[ShardRecord], model: str, scale: float) -> list[ShardRecord]:
        tasks = [AssignTask(self.folder.absolute(), record, model, scale) for record in encoded]
        return self._each("assign", assign_shard, tasks)

    def _each(
        self, stage: str, function: Callable[[Any], ShardRecord], tasks: list[Any]
    ) -> list[ShardRecord]:
        records: list[ShardRecord] = []
        self._progress(stage, 0, len(tasks))
        for record in self._executor.run(function, tasks):
            records.append(record)
            self._progress(stage, len(records), len(tasks))
        return sorted(records, key=lambda record: record.name)


def _check(items: int, problems: list[tuple[str, str]], max_corrupt: float, clusters: int | None) -> None:
    listed = "; ".join(f"{item}: {reason}" for item, reason in problems[:3])
    if items == 0:
        raise InvalidData(
            f"no item of the pool could be encoded ({len(problems)} failed): {listed}"
            if problems
            else "the pool is empty"
        )
    total = items + len(problems)
    if len(problems) > max_corrupt * total:
        raise InvalidData(
            f"{len(problems)} of {total} items could not be encoded, more than {max_corrupt:.1%}: {listed}. "
            "Repair or remove them, or allow more (max_corrupt); what was encoded is kept"
        )
    if clusters is not None and clusters > items:
        raise InvalidInput(
            f"{clusters} clusters need at least as many items; the pool has {items}: ask for fewer"
        )


def _sample(rng: np.random.Generator, items: int, size: int) -> NDArray[np.intp]:
    if size >= items:
        return np.arange(items)
    return np.sort(rng.choice(items, size, replace=False))


def _difference(folder: Place, old: dict[str, Any], new: dict[str, Any]) -> str:
    names = [name for name in sorted(new) if old.get(name) != new[name]]
    changes = ", ".join(
        f"{n} was {old.get(n)!r}, now {new[n]!r}"
        if n != "files"
        else "names, sizes or times of the pool's files"
        for n in names
    )
    return f"{folder} holds an index built differently ({changes}): choose another folder or remove it"
