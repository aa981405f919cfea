"""The index: a pool, encoded, projected and clustered, in one folder.

    INDEX/plan.json            what the build was asked for; a second run with the same plan resumes
    INDEX/shards/              one Parquet file of ids and embeddings a shard, each with its completion marker
    INDEX/model.safetensors    mean and matrix of the projection, centroids
    INDEX/assignments/         one Parquet file of clusters and distances a shard, each with its completion marker
    INDEX/skipped.jsonl        the items that could not be encoded, and why
    INDEX/manifest.json        written last: without it the index is not finished

The fingerprint in the manifest covers every file's SHA-256 and every parameter, but not where the pool lies: the same pool,
encoder, parameters and seed give the same bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from proxyset import atomic
from proxyset.cloud.assign import EXACT_CLUSTERS, AssignTask, assign_shard
from proxyset.cloud.commitment import commit
from proxyset.cloud.executor import Executor, LocalExecutor
from proxyset.cloud.kmeans import POINTS_PER_CLUSTER, kmeans
from proxyset.cloud.kmeans_tree import kmeans_tree
from proxyset.cloud.medoids import nearest_items
from proxyset.cloud.pca import Projection, fit_projection
from proxyset.cloud.select.strategy import Candidates
from proxyset.cloud.shards import (
    EncodeTask,
    ShardRecord,
    encode_shard,
    read_columns,
    read_embeddings,
    sha256_of,
)
from proxyset.cloud.unique_ids import check_unique
from proxyset.encoders import load_encoder
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ArtifactError, InvalidData, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.sources import fetch, open_source
from proxyset.sources.files import Place, place
from proxyset.sources.remote import RemotePath, is_url
from proxyset.sources.source import Kind
from proxyset.wire.medoids import encode
from proxyset.wire.merkle import HashTree
from proxyset.wire.probe import Dtype, Probe

DEFAULT_CLUSTERS = 100
_WHOLE_DIM, _REDUCED_DIM = 96, 64  # up to 96 features are only rotated, more are reduced to 64 components
_PCA_ROWS = 50_000
_KMEANS_ROWS = 65_536  # at least, however few the clusters
_SAMPLE_BYTES = 256 << 20
_MEMORY_BYTES = 512 << 20  # components of more bytes than this lie in a scratch file
_MAX_CORRUPT = 0.01
_AFTER_ENCODING = {
    "clusters",
    "dim",
    "seed",
    "medoids",
}  # an unfinished build may change these and keep its shards

Progress = Callable[[str, int, int], None]


class Manifest(BaseModel):
    """All that identifies an index. `pool` is where the items lie, for exports; it is not part of the fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal["proxyset.index/1"] = "proxyset.index/1"
    pool: str
    kind: Kind
    items: int
    skipped: int
    encoder: EncoderSpec
    local: str | None
    dim: int
    scale: float
    clusters: int
    seed: int
    commitment: str | None
    shards: list[ShardRecord]
    assignments: list[ShardRecord]
    model_sha256: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything but the places of the pool and of the encoder's weights."""
        return fingerprint(self.model_dump(mode="json", exclude={"pool", "local"}))


def build_index(
    pool: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    encoder: str = "auto",
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
        pool: an image folder, WebDataset tars, Parquet, JSONL or CSV, or .npy embeddings.
        out: the folder of the index; new, empty, or of an unfinished build with the same arguments.
        encoder: "auto", "embeddings", "hog", "onnx:FOLDER", "wordllama" or "tabular".
        clusters: R; None means 100, or the number of items if that is less.
        dim: principal components that are clustered and selected on; None means all features up to 96, else 64.
        seed: of the samples and of K-means.
        kind: how to read the pool, where that is not plain.
        max_corrupt: largest share of items that may be unreadable; they are skipped and listed. None means 1 %, but none
            at all for ready embeddings, where NaN means that something went wrong before.
        medoids: move every centroid to the item nearest to it and commit to the whole index with a hash tree, so that
            an owner can look at what is asked and knows that it was not made up for them.
        executor: where shards are encoded and assigned; this process by default.
        progress: called with (stage, done, total).

    Raises:
        InvalidData: an empty pool, too many corrupt items, an id twice.
        InvalidInput: R or dim out of range; `out` belongs to another build.
        MissingExtra: the encoder needs a library that is not installed.
    """
    build = _Build(Path(out), executor or LocalExecutor(), progress or (lambda stage, done, total: None))
    if clusters is not None and clusters < 1:
        raise InvalidInput(f"--clusters must be at least 1, not {clusters}")
    if dim is not None and dim < 1:
        raise InvalidInput(f"--dim must be at least 1, not {dim}")
    if max_corrupt is not None and not 0 <= max_corrupt <= 1:
        raise InvalidInput(f"--max-corrupt is a share between 0 and 1, not {max_corrupt}")
    source = open_source(pool, kind=kind)
    encoding = load_encoder(encoder, source=source)
    if dim is not None and dim > encoding.spec.dim:
        raise InvalidInput(f"--dim {dim} is more than the {encoding.spec.dim} features of the encoder")
    local = encoder if encoder.startswith("onnx:") else None
    shards = source.shards()
    root = str(pool) if is_url(pool) else str(Path(pool).resolve())
    build.begin(
        {
            "pool": root,
            "files": _signature(place(root)),
            "encoder": encoding.spec.fingerprint,
            "kind": source.kind,
            "clusters": clusters,
            "dim": dim,
            "seed": seed,
            "medoids": medoids,
        }
    )
    if (build.folder / "manifest.json").exists():
        return Index.open(build.folder)
    tasks = [
        EncodeTask(root, source.kind, shard, encoding.spec, local, build.folder.absolute() / "shards")
        for shard in shards
    ]
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
    lines = [
        json.dumps({"id": item, "reason": reason}, ensure_ascii=False) + "\n" for item, reason in problems
    ]
    atomic.write_bytes(build.folder / "skipped.jsonl", "".join(lines).encode())
    manifest = Manifest(
        pool=root,
        kind=source.kind,
        items=items,
        skipped=len(problems),
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
    atomic.write_bytes(build.folder / "manifest.json", manifest.model_dump_json(indent=1).encode())
    return Index.open(build.folder)


@dataclass(frozen=True)
class Index:
    """A finished index.

    Attributes:
        folder: where it lies.
        manifest: what it is.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Index:
        """Open a finished index.

        Raises:
            ArtifactError: no index there, not finished, damaged or of another version.
        """
        path = Path(folder) / "manifest.json"
        if not path.is_file():
            unfinished = (Path(folder) / "plan.json").exists()
            hint = (
                "its build did not finish: run the same `index build` again"
                if unfinished
                else "no manifest.json"
            )
            raise ArtifactError(f"{folder} is not a finished index: {hint}")
        try:
            return cls(Path(folder), Manifest.model_validate_json(path.read_bytes()))
        except ValueError as error:
            raise ArtifactError(f"{path} is damaged or of another version: {error}") from None

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    def __len__(self) -> int:
        return self.manifest.items

    @cached_property
    def _model(self) -> dict[str, NDArray[np.float32]]:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self.folder / "model.safetensors"
        try:
            _verify(path, self.manifest.model_sha256)
            return dict(load_file(path))
        except SafetensorError as error:
            raise ArtifactError(f"{path} is damaged ({error}): build the index again") from None

    @property
    def projection(self) -> Projection:
        return Projection(self._model["mean"], self._model["matrix"], self.manifest.scale)

    @property
    def centroids(self) -> NDArray[np.float32]:
        """(R, D) float32, in principal components."""
        return self._model["centroids"]

    def probe(
        self, *, dim: int | None = None, dtype: Dtype | None = None, purpose: str = "", items: bool = True
    ) -> Probe:
        """The centroids as a message to a client.

        Where that is fewer numbers, the centroids travel in the encoder's own space and no projection is sent: for an item x
        the distances to centroid j in the two spaces differ by the part of x outside the components, which is the same for
        every j, so the nearest centroid is the same.

        Args:
            dim: leading components to use; None means all of the index's.
            dtype: "float32", "float16" (the default) or "int8" (per-dimension scale). Medoids travel in float32.
            purpose: what to tell the owner.
            items: whether medoids that are images or texts travel with their probe, for the owner to look at.

        Raises:
            InvalidInput: dim or dtype is not possible.
        """
        D = self.manifest.dim if dim is None else dim
        if not 1 <= D <= self.manifest.dim:
            raise InvalidInput(f"--dim {D} is not between 1 and the index's {self.manifest.dim} components")
        if len(purpose) > 500:
            raise InvalidInput(f"the purpose has {len(purpose)} characters, more than 500")
        if self.manifest.commitment:
            return self._probe_of_medoids(D, dtype, purpose, items)
        dtype = dtype or "float16"
        full = self.projection
        projection = Projection(full.mean, full.matrix[:, :D], full.scale)
        centroids = np.ascontiguousarray(self.centroids[:, :D])
        R, d = self.manifest.clusters, self.manifest.encoder.dim
        encoder = self.manifest.encoder
        if R * d <= (R + d) * D + d:
            return Probe.build(
                projection.back(centroids), encoder, self.fingerprint, dtype=dtype, purpose=purpose
            )
        return Probe.build(
            centroids,
            encoder,
            self.fingerprint,
            dtype=dtype,
            projection=np.ascontiguousarray(projection.matrix),
            mean=projection.mean,
            purpose=purpose,
        )

    def _probe_of_medoids(self, D: int, dtype: Dtype | None, purpose: str, items: bool) -> Probe:
        if dtype not in (None, "float32"):
            raise InvalidInput(
                f"the medoids of this index travel in float32, not {dtype}: their proofs need every bit"
            )
        full, d = self.projection, self.manifest.encoder.dim
        rows = self._model["medoids"].astype(np.int64)
        records = [self._verified("shards", record) for record in self.manifest.shards]
        table = self.rows(rows, ["id"])
        ids = table.column("id").to_pylist()
        contents = None
        if items and self.manifest.kind in ("image", "text"):
            contents = [value if isinstance(value, bytes) else value.encode() for value in self._items(table)]
        medoids = encode(commit(records), rows, ids, self._embeddings(rows), contents)
        whole = d == D  # then the projection is a rotation, and feature space gives the same neighbours
        return Probe.build_of_medoids(
            medoids,
            self.manifest.encoder,
            self.fingerprint,
            projection=None if whole else np.ascontiguousarray(full.matrix[:, :D]),
            mean=None if whole else full.mean,
            purpose=purpose,
        )

    def _embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Embeddings of row numbers, in their order: (m, d) float32."""
        order = np.argsort(rows, kind="stable")
        X = np.empty((len(rows), self.manifest.encoder.dim), np.float32)
        start = 0
        for record in self.manifest.shards:
            for block in read_embeddings(self.folder / "shards" / record.name):
                low, high = np.searchsorted(rows[order], [start, start + len(block)])
                X[order[low:high]] = block[rows[order[low:high]] - start]
                start += len(block)
        return X

    def _items(self, table: pa.Table) -> list[Any]:
        """The items of a table of ids and shards, in its order, out of the pool."""
        found = dict(self.fetch(table))
        return [found[name] for name in table.column("id").to_pylist()]

    def fetch(self, table: pa.Table) -> Iterator[tuple[str, Any]]:
        """(id, item) from the pool, each once and in any order, for a table with the columns "id" and "shard"."""
        wanted: dict[int, set[str]] = {}
        for name, shard in zip(
            table.column("id").to_pylist(), table.column("shard").to_pylist(), strict=True
        ):
            wanted.setdefault(shard, set()).add(name)
        source = open_source(self.manifest.pool, kind=self.manifest.kind)
        return fetch(source, {shard: sorted(names) for shard, names in wanted.items()})

    def candidates(self) -> Candidates:
        """The whole pool in principal components, with its clusters, in the order of the shards.

        Components of a large pool are a memory map of a scratch file (in TMPDIR) that goes away with them; in memory
        stay 4 bytes an item for the clusters.
        """
        shape = (len(self), self.manifest.dim)
        large = 4 * shape[0] * shape[1] > _MEMORY_BYTES
        with tempfile.TemporaryFile() if large else nullcontext() as file:
            Z = np.empty(shape, np.float32) if file is None else _mapped(file, shape)
            return Candidates(Z, self._fill(Z, file), self.centroids)

    def _fill(self, Z: NDArray[np.float32], file: IO[bytes] | None) -> NDArray[np.int32]:
        """Write the components of all items to `Z`, or to the file it maps; returns their clusters."""
        clusters = np.empty(len(self), np.int32)
        projection, start = self.projection, 0
        for shard, assignment in zip(self.manifest.shards, self.manifest.assignments, strict=True):
            for X in read_embeddings(self._verified("shards", shard)):
                if file is None:
                    Z[start : start + len(X)] = projection(X)
                else:  # a page written through the map would stay in memory
                    file.write(projection(X).data)
                start += len(X)
            stop = start
            columns = read_columns(self._verified("assignments", assignment), ["cluster"])
            labels = [batch.column("cluster").to_numpy() for batch in columns]
            if labels:
                clusters[stop - shard.rows : stop] = np.concatenate(labels)
        if file is not None:
            file.flush()
        return clusters

    def rows(self, rows: NDArray[np.intp], columns: list[str]) -> pa.Table:
        """Columns of the shards ("id", "label", "source", "uri", "licence") for row numbers, in the order given.

        A column "shard" with the shard's number is added.
        """
        order = np.argsort(rows, kind="stable")
        starts = np.cumsum([0, *(record.rows for record in self.manifest.shards)])
        parts = []
        for number, record in enumerate(self.manifest.shards):
            low, high = np.searchsorted(rows[order], [starts[number], starts[number + 1]])
            if low == high:
                continue
            table = pa.Table.from_batches(list(read_columns(self._verified("shards", record), columns)))
            part = table.take(pa.array(rows[order][low:high] - starts[number]))
            shard = int(Path(record.name).stem)
            parts.append(part.append_column("shard", pa.array(np.full(len(part), shard), pa.int64())))
        back = np.empty(len(rows), np.int64)
        back[order] = np.arange(len(rows))
        return pa.concat_tables(parts).take(pa.array(back))

    def _verified(self, folder: str, record: ShardRecord) -> Path:
        path = self.folder / folder / record.name
        _verify(path, record.sha256)
        return path


class _Build:
    """The steps of a build, each of which leaves whole files and skips what is there."""

    def __init__(self, folder: Path, executor: Executor, progress: Progress) -> None:
        self.folder = folder
        self._executor = executor
        self._progress = progress

    def begin(self, plan: dict[str, Any]) -> None:
        path = self.folder / "plan.json"
        data = (json.dumps(plan, indent=1, sort_keys=True) + "\n").encode()
        if path.exists():
            old = json.loads(path.read_bytes())
            changed = {name for name in plan if old.get(name) != plan[name]}
            finished = (self.folder / "manifest.json").exists()
            if changed and (finished or not changed <= _AFTER_ENCODING):
                raise InvalidInput(_difference(self.folder, old, plan))
            atomic.write_bytes(path, data)
        elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise InvalidInput(f"{self.folder} already exists and is not an index: choose another --out")
        else:
            atomic.write_bytes(path, data)
        self.sweep()

    def sweep(self) -> None:
        """Remove what a killed run or worker left half written."""
        for leftover in self.folder.rglob(".*.partial"):
            leftover.unlink()

    def encode(self, tasks: list[EncodeTask]) -> list[ShardRecord]:
        return self._each("encode", encode_shard, tasks)

    def ids(self, encoded: list[ShardRecord]) -> Iterator[list[str]]:
        for record in encoded:
            for batch in read_columns(self.folder / "shards" / record.name, ["id"]):
                yield batch.column("id").to_pylist()

    def fit(
        self, encoded: list[ShardRecord], items: int, d: int, D: int, R: int, seed: int
    ) -> tuple[Projection, NDArray[np.float32]]:
        """Projection and centroids from a sample of rows that the seed and the number of items fix."""
        self._progress("cluster", 0, 2)
        rng = np.random.default_rng([seed, 1])
        wanted = max(_PCA_ROWS, _KMEANS_ROWS, POINTS_PER_CLUSTER * R)
        X = self._take(encoded, _sample(rng, items, max(R, D, min(wanted, _SAMPLE_BYTES // (4 * d)))))
        few = X[_sample(rng, len(X), min(_PCA_ROWS, max(_SAMPLE_BYTES // (8 * d), D)))]
        projection = fit_projection(few, D)
        self._progress("cluster", 1, 2)
        cluster = kmeans if R <= EXACT_CLUSTERS else kmeans_tree
        centroids = cluster(projection(X), R, np.random.default_rng([seed, 2]))
        self._progress("cluster", 2, 2)
        return projection, centroids

    def _take(self, encoded: list[ShardRecord], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Rows (sorted) of the pool's embeddings."""
        parts, start = [], 0
        for record in encoded:
            low, high = np.searchsorted(rows, [start, start + record.rows])
            if low < high:
                parts.append(self._rows(record, rows[low:high] - start))
            start += record.rows
        return np.concatenate(parts)

    def _rows(self, record: ShardRecord, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        parts, start = [], 0
        for X in read_embeddings(self.folder / "shards" / record.name):
            low, high = np.searchsorted(rows, [start, start + len(X)])
            parts.append(X[rows[low:high] - start])
            start += len(X)
        return np.concatenate(parts)

    def move_to_items(
        self, encoded: list[ShardRecord], projection: Projection, centroids: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows of the items nearest to the centroids, and those items as the new centroids."""
        rows = nearest_items((projection(X) for X in self._embeddings(encoded)), centroids)
        ordered, back = np.unique(rows, return_inverse=True)
        return rows, projection(self._take(encoded, ordered))[back]

    def commit(self, encoded: list[ShardRecord]) -> HashTree:
        return commit([self.folder / "shards" / record.name for record in encoded])

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
        atomic.write_bytes(path, save({name: np.ascontiguousarray(value) for name, value in tensors.items()}))
        return sha256_of(path)

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
            "Repair or remove them, or allow more with --max-corrupt; what was encoded is kept"
        )
    if clusters is not None and clusters > items:
        raise InvalidInput(
            f"{clusters} clusters need at least as many items; the pool has {items}: lower --clusters"
        )


def _mapped(file: IO[bytes], shape: tuple[int, int]) -> NDArray[np.float32]:
    file.truncate(4 * shape[0] * shape[1])
    mapped = np.memmap(file, np.float32, "r+", shape=shape)  # it keeps the file when that is closed
    file.seek(0)
    return mapped


def _sample(rng: np.random.Generator, items: int, size: int) -> NDArray[np.intp]:
    if size >= items:
        return np.arange(items)
    return np.sort(rng.choice(items, size, replace=False))


def _signature(path: Place) -> str:
    """Names, sizes and times of the pool's files: enough to notice that it changed between two runs of a build."""
    if isinstance(path, RemotePath):
        return fingerprint(sorted(path.below().items()))
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return fingerprint(
        [[p.relative_to(path).as_posix(), p.stat().st_size, p.stat().st_mtime_ns] for p in files]
    )


def _difference(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> str:
    names = [name for name in sorted(new) if old.get(name) != new[name]]
    changes = ", ".join(
        f"{n} was {old.get(n)!r}, now {new[n]!r}" if n != "files" else "the pool's files" for n in names
    )
    return f"{folder} holds an index built differently ({changes}): choose another --out or remove it"


def _verify(path: Path, sha256: str) -> None:
    if not path.is_file() or sha256_of(path) != sha256:
        raise ArtifactError(f"{path} is missing or was changed after it was made: build the index again")
