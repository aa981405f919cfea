"""The nearest centroid of every item of a shard: one Parquet file of clusters and distances, with its completion marker."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from proxyset.cloud.kmeans_tree import TreeNearest
from proxyset.cloud.one_thread import one_thread
from proxyset.cloud.pca import Projection
from proxyset.cloud.shards import (
    ShardRecord,
    check_seen,
    read_embeddings,
    read_marker,
    read_model,
    sha256_of,
)
from proxyset.cloud.store import Place, replacing, write_bytes
from proxyset.nearest import NearestCentroid

EXACT_CLUSTERS = 16_384  # more centroids than this are searched in two levels
_SCHEMA = pa.schema([("cluster", pa.int32()), ("distance", pa.float32())])


@dataclass(frozen=True)
class AssignTask:
    """One shard to assign; picklable, so that any process on any machine can do it.

    Attributes:
        index: folder of the index.
        shard: what encoding it left.
        model: SHA-256 of the index's model, so that what an earlier model left is not taken for this one's.
        scale: of the projection.
    """

    index: Place
    shard: ShardRecord
    model: str
    scale: float


@one_thread()
def assign_shard(task: AssignTask) -> ShardRecord:
    """Assign one shard, or return its record when that was done before. Its file is whole or not there."""
    folder = task.index / "assignments"
    marker = folder / f"{Path(task.shard.name).stem}.{task.model[:16]}.json"
    check_seen(task.index)
    if marker.exists():
        return read_marker(marker)
    projection, centroids, nearest = _model(task.index, task.model, task.scale)
    with replacing(folder / task.shard.name) as path:
        with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
            for X in read_embeddings(task.index / "shards" / task.shard.name):
                Z = projection(X)
                labels = nearest(Z)
                distances = np.sqrt(np.square(Z - centroids[labels]).sum(axis=1))
                writer.write_batch(pa.record_batch([pa.array(labels), pa.array(distances)], schema=_SCHEMA))
        digest = sha256_of(path)
    record = ShardRecord(name=task.shard.name, rows=task.shard.rows, sha256=digest)
    write_bytes(marker, record.model_dump_json().encode())
    return record


@functools.lru_cache(maxsize=1)
def _model(
    index: Place, model: str, scale: float
) -> tuple[Projection, NDArray[np.float32], Callable[[NDArray[Any]], NDArray[np.int32]]]:
    tensors = read_model(index, model)
    C = tensors["centroids"]
    nearest = NearestCentroid(C) if len(C) <= EXACT_CLUSTERS else TreeNearest(C)
    return Projection(tensors["mean"], tensors["matrix"], scale), C, nearest
