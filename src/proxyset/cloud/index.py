"""The index: a pool, encoded, projected and clustered, in one folder.

    INDEX/plan.json            what the build was asked for; a second run with the same plan resumes
    INDEX/shards/              one Parquet file of ids and embeddings a shard, each with its completion marker
    INDEX/model.safetensors    mean and matrix of the projection, centroids
    INDEX/assignments/         one Parquet file of clusters and distances a shard, each with its completion marker
    INDEX/skipped.jsonl        the items that could not be encoded, and why; what else lay there and was passed over
    INDEX/manifest.json        written last: without it the index is not finished

The fingerprint in the manifest covers every file's SHA-256 and every parameter, but not where the pool lies: the same pool,
encoder, parameters and seed give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from proxyset.bars import bars, shown
from proxyset.cloud import sample, shard_parts
from proxyset.cloud.commitment import commit
from proxyset.cloud.executor import Executor, LocalExecutor
from proxyset.cloud.pca import Projection
from proxyset.cloud.select.strategy import Candidates
from proxyset.cloud.shard_parts import ShardCandidates, ShardPart
from proxyset.cloud.shards import (
    CONTENT,
    ShardRecord,
    read_columns,
    read_embeddings,
    read_model,
)
from proxyset.cloud.store import Place, copy, new_folder, place
from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.function import FunctionEncoder
from proxyset.errors import ArtifactError, InvalidData, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.sources import fetch, open_source
from proxyset.sources.content import contents
from proxyset.sources.given import InMemory
from proxyset.sources.memory import MEMORY, MemorySource, open_memory
from proxyset.sources.source import Kind
from proxyset.wire.medoids import encode
from proxyset.wire.probe import Dtype, Probe

_CHECKED = 64  # items whose content is looked at in one go
_SHOWN_ITEMS = 2_000_000  # more would keep a notebook waiting


class Manifest(BaseModel):
    """All that identifies an index. `pool` is where the items lie, for exports ("in-memory:…" and their SHA-256, where they
    lie in memory); it is not part of the fingerprint.

    Attributes:
        skipped: items that could not be encoded.
        passed_over: what else lay in the pool and was not read → how often.
        dropped, doubts: column of a table → why it is no feature; of which some cells could not be read, and count as missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal["proxyset.index/2"] = "proxyset.index/2"
    pool: str
    kind: Kind
    items: int
    skipped: int
    passed_over: dict[str, int] = {}
    dropped: dict[str, str] = {}
    doubts: dict[str, str] = {}
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
    def fitted_on(self) -> int:
        """Items that projection and K-means were fitted on: a sample, drawn evenly."""
        return sample.rows(self.items, self.encoder.dim, self.dim, self.clusters)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything but the places of the pool and of the encoder's weights, and what lay beside the pool."""
        return fingerprint(self.model_dump(mode="json", exclude={"pool", "local", "passed_over"}))


@dataclass(frozen=True, repr=False)
class Index:
    """A finished index.

    Attributes:
        folder: where it lies; a scratch folder, which goes with the index, if it was built without one.
        manifest: what it is.
        pool: the items, where they lie in memory.
        function: the function that encoded them, if one did.
    """

    folder: Place
    manifest: Manifest
    pool: MemorySource | None = field(default=None, compare=False)
    function: FunctionEncoder | None = field(default=None, compare=False)

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str] | Place,
        pool: InMemory | None = None,
        function: FunctionEncoder | None = None,
    ) -> Index:
        """Open a finished index.

        Args:
            folder: where it lies.
            pool: for an index of a pool in memory, that pool: what chooses items takes them from there.
            function: for an index that a function encoded, that function: what compares other public sets with the pool needs it.

        Raises:
            ArtifactError: no index there, not finished, damaged or of another version.
            InvalidInput: `pool` is not the pool that the index was built from.
        """
        where = place(folder)
        path = where / "manifest.json"
        if not path.is_file():
            unfinished = (where / "plan.json").is_file()
            hint = (
                "its build did not finish: run the same `index build` again"
                if unfinished
                else "no manifest.json"
            )
            raise ArtifactError(f"{folder} is not a finished index: {hint}")
        try:
            manifest = Manifest.model_validate_json(path.read_bytes())
        except ValueError as error:
            raise ArtifactError(f"{path} is damaged or of another version: {error}") from None
        if pool is None:
            return cls(where, manifest, function=function)
        source = pool if isinstance(pool, MemorySource) else open_memory(pool, manifest.kind)
        if manifest.pool != source.name:
            raise InvalidInput(f"{folder} was built from {manifest.pool}; the pool given is {source.name}")
        return cls(where, manifest, source, function)

    def save(self, folder: str | os.PathLike[str] | Place) -> Index:
        """Keep it in a folder, new or empty: for an index that was built without one.

        Raises:
            FileExistsError: `folder` is not empty.
        """
        with new_folder(place(folder), "manifest.json") as new:
            copy(self.folder, new)
        return replace(self, folder=place(folder))

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    def __len__(self) -> int:
        return self.manifest.items

    def __repr__(self) -> str:
        return f"<Index of {self._what()}>"

    def _repr_html_(self) -> str:
        where = "" if self.pool is not None else str(self.folder)
        facts = [
            where or "in memory",
            *([f"{self.manifest.skipped:,} skipped"] if self.manifest.skipped else []),
        ]
        if len(self) > _SHOWN_ITEMS:
            return shown(f"Index of {self._what()}", facts)
        labels = [
            batch.column("cluster").to_numpy()
            for record in self.manifest.assignments
            for batch in self._columns("assignments", record, ["cluster"])
        ]
        sizes = np.bincount(np.concatenate(labels), minlength=self.manifest.clusters)
        picture = bars(sizes.tolist(), f"sizes of {len(sizes)} clusters")
        return shown(
            f"Index of {self._what()}", facts, picture, "One bar a cluster: how many items it holds."
        )

    def _what(self) -> str:
        m = self.manifest
        return f"{m.items:,} {m.kind} items in {m.clusters:,} clusters, {m.encoder.dim} features by {m.encoder.name}"

    @cached_property
    def _model(self) -> dict[str, NDArray[np.float32]]:
        return read_model(self.folder, self.manifest.model_sha256)

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
            raise InvalidInput(f"dim {D} is not between 1 and the index's {self.manifest.dim} components")
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
        if R * d <= (R + d) * D:
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
        records = [(self.folder / "shards" / record.name, record.sha256) for record in self.manifest.shards]
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

    def embeddings(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings of items of the pool, in the order of `ids`: (m, d) float32.

        Raises:
            InvalidInput: an id that the index does not have.
            ArtifactError: the index is damaged.
        """
        found = self.rows_of(ids)
        if missing := [name for name in ids if name not in found]:
            raise InvalidInput(
                f"{len(missing)} of {len(ids)} items are not in the index {self.folder}, such as {missing[0]!r}: it is of "
                "another pool"
            )
        return self._embeddings(np.array([found[name] for name in ids], np.int64))

    def rows_of(self, ids: Sequence[str]) -> dict[str, int]:
        """Those of the ids that the index has, in the order of its rows, and their row numbers."""
        found: dict[str, int] = {}
        wanted, start = set(ids), 0
        for batch in self.columns(["id"]):
            names = batch.column("id").to_pylist()
            found |= {name: start + row for row, name in enumerate(names) if name in wanted}
            start += len(names)
        return found

    def _items(self, table: pa.Table) -> list[Any]:
        """The items of a table of ids and shards, in its order, out of the pool."""
        found = dict(self.fetch(table))
        return [found[name] for name in table.column("id").to_pylist()]

    def fetch(self, table: pa.Table) -> Iterator[tuple[str, Any]]:
        """(id, item) from the pool, each once and in any order, for a table of `rows`.

        Raises:
            InvalidData: the pool has changed: items are not there, or others are in their place. Said once all have been read.
        """
        wanted: dict[int, set[str]] = {}
        known: dict[str, int] = {}
        for name, shard, content in zip(
            *(table.column(column).to_pylist() for column in ("id", "shard", CONTENT)), strict=True
        ):
            wanted.setdefault(shard, set()).add(name)
            known[name] = content
        if self.pool is None and self.manifest.pool.startswith(MEMORY):
            raise InvalidInput(
                f"the items of {self.folder} lay in memory when it was built: open it with them, Index.open(folder, pool=…)"
            )
        source = self.pool or open_source(self.manifest.pool, kind=self.manifest.kind)
        found = fetch(source, {shard: sorted(names) for shard, names in wanted.items()})
        return self._unchanged(found, known)

    def _unchanged(
        self, found: Iterator[tuple[str, Any]], known: dict[str, int]
    ) -> Iterator[tuple[str, Any]]:
        changed: list[str] = []
        for some in _some(found):
            names, items = zip(*some, strict=True)
            content = contents(self.manifest.kind, _together(self.manifest.kind, items)).tolist()
            changed += [name for name, now in zip(names, content, strict=True) if now != known[name]]
            yield from some
        if changed:
            listed = ", ".join(map(repr, sorted(changed)[:5]))
            raise InvalidData(
                f"{self.manifest.pool} has changed since the index {self.folder} was built: {len(changed):,} of {len(known):,} "
                f"chosen items are not what was encoded, such as {listed}. Bring the pool back as it was, or build the index again"
            )

    def candidates(self, metadata: bool = False, executor: Executor | None = None) -> Candidates:
        """The whole pool in principal components, with its clusters, in the order of the shards.

        Args:
            metadata: with the groups that the pool's own sources and labels make, if it names any.
            executor: where shards are read; this process by default. A pool whose components take 512 MiB or less is then held
                in memory; else strategies that map over its parts hold what they keep, and for others the components are a
                memory map of a scratch file (in TMPDIR) that goes away with them, and 4 bytes an item.

        Raises:
            ArtifactError: the index is damaged; said when its files are read.
        """
        m = self.manifest
        starts = np.cumsum([0, *(record.rows for record in m.shards)]).tolist()
        folder = self.folder.absolute()
        parts = [
            ShardPart(folder, shard.named(), assignment, start, m.model_sha256, m.scale)
            for shard, assignment, start in zip(m.shards, m.assignments, starts, strict=False)
        ]
        local = executor in (None, LocalExecutor())
        found = ShardCandidates(
            parts, self.centroids, self.fingerprint, metadata, executor or LocalExecutor()
        )
        return found.in_memory() if local and 4 * len(self) * m.dim <= shard_parts.MEMORY_BYTES else found

    def columns(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Columns of all items ("id", "label", "source", "uri", "licence"), in order, batch by batch.

        Raises:
            ArtifactError: the index is damaged.
        """
        for record in self.manifest.shards:
            yield from self._columns("shards", record, names)

    def rows(self, rows: NDArray[np.intp], columns: list[str]) -> pa.Table:
        """Columns of the shards ("id", "label", "source", "uri", "licence") for row numbers, in the order given.

        Two columns are added: "shard", the shard's number, and "content", what tells the item that was encoded from another.
        """
        order = np.argsort(rows, kind="stable")
        starts = np.cumsum([0, *(record.rows for record in self.manifest.shards)])
        parts = []
        for number, record in enumerate(self.manifest.shards):
            low, high = np.searchsorted(rows[order], [starts[number], starts[number + 1]])
            if low == high:
                continue
            table = pa.Table.from_batches(list(self._columns("shards", record, [*columns, CONTENT])))
            part = table.take(pa.array(rows[order][low:high] - starts[number]))
            shard = int(Path(record.name).stem)
            parts.append(part.append_column("shard", pa.array(np.full(len(part), shard), pa.int64())))
        back = np.empty(len(rows), np.int64)
        back[order] = np.arange(len(rows))
        return pa.concat_tables(parts).take(pa.array(back))

    def _columns(self, folder: str, record: ShardRecord, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return read_columns(self.folder / folder / record.name, names, record.sha256)


def _some(found: Iterator[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    """A few hundred at a time; rows of tables with one schema."""
    waiting: list[tuple[str, Any]] = []
    for name, item in found:
        if waiting and (len(waiting) == _CHECKED or _schema(item) != _schema(waiting[0][1])):
            yield waiting
            waiting = []
        waiting.append((name, item))
    if waiting:
        yield waiting


def _schema(item: Any) -> pa.Schema | None:
    return item.schema if isinstance(item, pa.Table) else None


def _together(kind: Kind, items: Sequence[Any]) -> Any:
    if kind == "table":
        return pa.concat_tables(items)
    return np.stack(items) if kind == "embedding" else items
