"""The per-user cache that built data sets are kept in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from proxyset.atomic import replacing
from proxyset.demo.dataset import DataSet
from proxyset.errors import InvalidData


@dataclass(frozen=True)
class Fetched:
    """A data set in the cache.

    Attributes:
        path: its Parquet file.
        bytes: the size of that file.
        fingerprint: SHA-256 of the content as built on this machine.
        as_expected: whether that is the maintainers' fingerprint.
        items: how many rows it has.
        note: what this build lacks, empty when it is whole.
    """

    path: Path
    bytes: int
    fingerprint: str
    as_expected: bool
    items: int
    note: str


def cache_folder() -> Path:
    """Where built data is kept: $PROXYSET_CACHE, else the platform's per-user cache folder (XDG on Linux)."""
    if chosen := os.environ.get("PROXYSET_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "proxyset"
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "proxyset"


def cached_path(data_set: DataSet) -> Path:
    """The file of the cache that holds `data_set` once it has been fetched."""
    return cache_folder() / "data" / f"{data_set.name}-v{data_set.version}.parquet"


def fetch(data_set: DataSet, on_build: Callable[[], None] = lambda: None) -> Fetched:
    """Build `data_set` unless it is cached already.

    Args:
        data_set: which one.
        on_build: called once before a build starts, so that the caller can say that it takes a while.

    Raises:
        FetchError: a package could not be downloaded.
        InvalidData: the cached file is damaged.
        MissingExtra: scikit-learn or matplotlib is not installed.
        OSError: the cache cannot be written; no partial file is left.
    """
    path = cached_path(data_set)
    if not path.exists():
        on_build()
        content = data_set.build()
        told = {"fingerprint": content.fingerprint, "note": content.note}
        table = content.table.replace_schema_metadata(told)
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd", row_group_size=1000)
    try:
        file = pq.read_metadata(path)
    except pa.ArrowInvalid as error:
        raise InvalidData(f"{path} is damaged ({error}): delete it and fetch again") from None
    metadata = file.schema.to_arrow_schema().metadata or {}
    fingerprint, note = (metadata.get(name, b"").decode() for name in (b"fingerprint", b"note"))
    as_expected = data_set.fingerprint in (fingerprint, "")  # none is known for the user's own files
    return Fetched(path, path.stat().st_size, fingerprint, as_expected, file.num_rows, note)


def load(data_set: DataSet) -> pa.Table:
    """The table of a data set (see `Content`), fetched first if need be. Raises what `fetch` raises."""
    return pq.read_table(fetch(data_set).path)
