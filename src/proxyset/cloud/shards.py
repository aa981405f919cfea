"""Encoded shards of a pool: one Parquet file of ids and embeddings each, with a completion marker beside it.

Beside each embedding stands what tells the item that was encoded from another that takes its place (`sources.content`).
"""

from __future__ import annotations

import functools
import hashlib
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from proxyset.cloud.store import Place, reading, replacing, write_bytes
from proxyset.encoders import encoder_for
from proxyset.encoders.ahead import read_ahead
from proxyset.encoders.encoder import Encoder, EncoderSpec
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.sources import open_source
from proxyset.sources.content import contents
from proxyset.sources.files import ReadFailed
from proxyset.sources.foreign import foreign_source
from proxyset.sources.memory import MemorySource
from proxyset.sources.source import KEPT_COLUMNS, Kind, Shard, Source

CONTENT = "content"

# float16 is used where its rounding stays below this share of the embeddings' own spread, float32 elsewhere.
_HALF_TOLERANCE = 0.01
_READ_ROWS = 16_384
_WAITS = (0.5, 2.0, 8.0)  # seconds before a read that failed is tried again


class ShardRecord(BaseModel):
    """What is known of a finished file of the index.

    Attributes:
        name: file name.
        rows: items in it.
        sha256: of the file's bytes.
        problems: (id, reason) of the items that could not be encoded and are not in it.
        passed_over: what lay between the items and was not read → how often.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    rows: int
    sha256: str
    problems: list[tuple[str, str]] = []
    passed_over: dict[str, int] = {}

    def named(self) -> ShardRecord:
        """Without what was said of items that are not in it."""
        return self.model_copy(update={"problems": [], "passed_over": {}})


@dataclass(frozen=True)
class EncodeTask:
    """One shard to encode; picklable if pool and encoder are named, so that any process on any machine can do it.

    Attributes:
        pool, kind: as `open_source` takes them; or a pool in memory.
        shard: the part of it.
        encoder: spec of the encoder; `local` says where its weights lie, if it has any. Or a function, which has no spec that
            another process could make it from.
        provider: of ONNX Runtime, that the encoder's network runs on.
        folder: where the Parquet file goes.
    """

    pool: str | MemorySource
    kind: Kind
    shard: Shard
    encoder: EncoderSpec | Encoder
    local: str | None
    provider: str
    folder: Place

    def opened(self) -> tuple[Source, Encoder]:
        pool, encoder = self.pool, self.encoder
        return (
            _source(pool, self.kind) if isinstance(pool, str) else pool,
            _encoder(encoder.model_dump_json(), self.local, self.provider)
            if isinstance(encoder, EncoderSpec)
            else encoder,
        )


def encode_shard(task: EncodeTask) -> ShardRecord:
    """Encode one shard, or return its record when that was done before. Its file is whole or not there."""
    name = f"{task.shard.number:06d}.parquet"
    marker = task.folder / f"{task.shard.number:06d}.json"
    local = task.local if task.local is not None and task.local.startswith("onnx:") else None
    foreign = isinstance(task.pool, str) and foreign_source(task.pool) is not None
    check_seen(
        task.folder.parent, None if foreign else task.pool, local
    )  # a name or a class is no place on a disk
    if marker.exists():
        return read_marker(marker)
    source, encoder = task.opened()
    with replacing(task.folder / name) as path:
        for wait in (*_WAITS, None):
            try:
                rows, problems, passed = _encode(path, source, encoder, task.shard)
                break
            except ReadFailed:
                if wait is None:
                    raise
                time.sleep(wait)
        digest = sha256_of(path)
    record = ShardRecord(name=name, rows=rows, sha256=digest, problems=problems, passed_over=passed)
    write_bytes(marker, record.model_dump_json().encode())
    return record


def check_seen(index: Place, *others: object) -> None:
    """Whether the machine that this runs on sees an unfinished index, and what else its task is about.

    Args:
        others: absolute paths and "onnx:FOLDER"; anything else, such as a URL, is seen from everywhere.

    Raises:
        InvalidInput: it does not: a node of a cluster that shares no disk with the others, or somebody removed it.
    """
    named = [each for each in others if isinstance(each, str)]
    paths: list[Place] = [Path(each) for each in named if Path(each).is_absolute()]
    paths += [Path(each.removeprefix("onnx:")) for each in named if each.startswith("onnx:")]
    for path in (index / "plan.json", *paths):
        if not path.exists():
            raise InvalidInput(
                f"{socket.gethostname()} does not see {path}: it was moved or removed, or lies on a disk of another machine. All "
                "nodes of a cluster need the pool, the index and the encoder under the same path"
            )


def read_marker(path: Place) -> ShardRecord:
    try:
        return ShardRecord.model_validate_json(path.read_bytes())
    except ValueError:
        raise ArtifactError(f"{path} is damaged: remove it and build the index again") from None


def read_columns(path: Place, columns: Sequence[str], sha256: str | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of the columns of an index file; ArtifactError when it is missing, damaged, or not the one of that SHA-256."""
    try:
        with reading(path) as here:
            if sha256 is not None:
                verify(here, sha256, path)
            with pq.ParquetFile(here) as file:
                yield from file.iter_batches(batch_size=_READ_ROWS, columns=list(columns))
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(f"{path} is missing or damaged ({error}): build the index again") from None


def read_embeddings(path: Place) -> Iterator[NDArray[np.float32]]:
    """The embeddings of one shard, block by block: (m, d) float32."""
    for batch in read_columns(path, ["embedding"]):
        yield as_matrix(batch.column("embedding"))


def take_rows(task: tuple[int, Place, NDArray[np.intp]]) -> tuple[int, NDArray[np.float32]]:
    """Rows (sorted) of a shard's embeddings; a task is (the shard's number, its file, the rows)."""
    number, path, rows = task
    parts, start = [], 0
    for batch in read_columns(path, ["embedding"]):
        low, high = np.searchsorted(rows, [start, start + len(batch)])
        parts.append(as_matrix(batch.column("embedding").take(pa.array(rows[low:high] - start))))
        start += len(batch)
    return number, np.concatenate(parts)


def read_model(index: Place, sha256: str) -> dict[str, NDArray[Any]]:
    """The arrays of an index's model; ArtifactError when it is missing, damaged or another."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = index / "model.safetensors"
    try:
        with reading(path) as here:
            verify(here, sha256, path)
            return dict(load_file(here))
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is missing or damaged ({error}): build the index again") from None


def as_matrix(column: Any) -> NDArray[np.float32]:
    """A fixed-size-list column as (m, d) float32."""
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(len(column), -1)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_Written: TypeAlias = tuple[int, list[tuple[str, str]], dict[str, int]]


def _encode(path: Path, source: Source, encoder: Encoder, shard: Shard) -> _Written:
    try:
        return _write(path, source, encoder, shard, pa.float16())
    except _NeedsSingle:
        return _write(path, source, encoder, shard, pa.float32())


class _NeedsSingle(Exception):
    """float16 would cost too much precision."""


@functools.lru_cache(maxsize=2)
def _source(pool: str, kind: Kind) -> Source:
    return open_source(pool, kind=kind)


@functools.lru_cache(maxsize=2)
def _encoder(spec: str, local: str | None, provider: str) -> Encoder:
    return encoder_for(EncoderSpec.model_validate_json(spec), local=local, provider=provider)


def _write(path: Path, source: Source, encoder: Encoder, shard: Shard, value_type: pa.DataType) -> _Written:
    dim = encoder.spec.dim
    schema = pa.schema(
        [
            ("id", pa.string()),
            (CONTENT, pa.uint64()),
            *((name, pa.string()) for name in KEPT_COLUMNS),
            ("embedding", pa.list_(value_type, dim)),
        ]
    )
    rows, problems, passed = 0, [], Counter[str]()
    # of numbers that hardly repeat, their first bytes together do: a fifteenth less disk, and less time to write and to read
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=list(KEPT_COLUMNS),
        use_byte_stream_split=["embedding.list.element"],
        write_statistics=False,
    ) as writer:
        for batch in read_ahead(source.read(shard)):
            encoded = encoder.encode(batch.items)
            problems += [(batch.ids[row], reason) for row, reason in sorted(encoded.problems.items())]
            kept = np.setdiff1d(np.arange(len(batch.ids)), list(encoded.problems))
            X = encoded.embeddings[kept]
            if value_type == pa.float16():
                X = _half(X)
            take = pa.array(kept)
            nothing = pa.nulls(len(batch.ids), pa.string())
            beside = [pa.array(batch.columns.get(name, nothing), pa.string()) for name in KEPT_COLUMNS]
            embedding = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel(), value_type), dim)
            content = pa.array(contents(source.kind, batch.items))
            named = [pa.array(batch.ids, pa.string()), content, *beside]
            arrays = [*(column.take(take) for column in named), embedding]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            rows += len(kept)
            passed.update(batch.passed_over)
    return rows, problems, dict(passed)


def _half(X: NDArray[np.float32]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = X.astype(np.float16)
    if np.array_equal(half, X):  # they were float16 before, as a rule
        return half
    spread = np.sqrt(np.mean(np.square(X - X.mean(axis=0, dtype=np.float64))))
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.mean(np.square(half.astype(np.float64) - X)))
    if not error <= _HALF_TOLERANCE * spread:
        raise _NeedsSingle
    return half


def verify(path: Path, sha256: str, named: Place) -> None:
    """ArtifactError when a file of an index is missing or is not the one that was made."""
    if not path.is_file() or sha256_of(path) != sha256:
        raise ArtifactError(f"{named} is missing or was changed after it was made: build the index again")
