"""The benchmark data sets by name, and the per-user cache they are kept in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from proxyset.atomic import replacing
from proxyset.bench.dataset import DataSet
from proxyset.bench.digits import DIGITS_SMALL
from proxyset.errors import InvalidData, InvalidInput

DATA_SETS = {data_set.name: data_set for data_set in (DIGITS_SMALL,)}


@dataclass(frozen=True)
class Fetched:
    """A data set in the cache.

    Attributes:
        path: its Parquet file.
        bytes: the size of that file.
        fingerprint: SHA-256 of the content as built on this machine.
        as_expected: whether that is the maintainers' fingerprint.
    """

    path: Path
    bytes: int
    fingerprint: str
    as_expected: bool


def find(name: str) -> DataSet:
    """The data set called `name`.

    Raises:
        InvalidInput: there is none.
    """
    if name not in DATA_SETS:
        raise InvalidInput(f"there is no data set {name!r}: choose {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


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
        table = content.table.replace_schema_metadata({"fingerprint": content.fingerprint})
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd", row_group_size=1000)
    try:
        metadata = pq.read_schema(path).metadata or {}
    except pa.ArrowInvalid as error:
        raise InvalidData(f"{path} is damaged ({error}): delete it and fetch again") from None
    fingerprint = metadata.get(b"fingerprint", b"").decode()
    return Fetched(path, path.stat().st_size, fingerprint, fingerprint == data_set.fingerprint)


def load(data_set: DataSet) -> pa.Table:
    """The table of a data set (see `Content`), fetched first if need be. Raises what `fetch` raises."""
    return pq.read_table(fetch(data_set).path)
