"""Ready embeddings in .npy files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidData
from proxyset.sources.batches import ROW_BATCH, SHARD_ITEMS, rows_for
from proxyset.sources.columns import carried, row_numbers
from proxyset.sources.files import Place, locate_any, reading
from proxyset.sources.remote_array import RemoteArray
from proxyset.sources.source import Batch, Kind, Shard

# What a damaged or forged header makes NumPy, and the parsers it calls, raise.
_DAMAGE = (
    ValueError,
    TypeError,
    ArithmeticError,
    MemoryError,
    EOFError,
    SyntaxError,
    RecursionError,
    TokenError,
)


def open_npy(path: Path) -> NDArray[Any]:
    """The (n, d) array in a .npy file, mapped, not loaded. Never unpickles.

    Raises:
        InvalidData: it is not such a file, is cut short, or holds something else than n × d real numbers.
    """
    with reading(path), path.open("rb") as file:
        if not file.read(8).startswith(np.lib.format.MAGIC_PREFIX):
            raise InvalidData(
                f"{path} is not a .npy file: it does not begin as one; write it with numpy.save"
            )
    with _loading(path, "is cut short, damaged or not an array of numbers"):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    _check(array, path)
    return array


def open_array(path: Place) -> NDArray[Any] | RemoteArray:
    """The same, also of a URL.

    Raises:
        InvalidData: as `open_npy`; of a URL, rows must lie one after another.
    """
    if isinstance(path, Path):
        return open_npy(path)
    with _loading(path, "is no .npy file that can be read from a URL"):
        array = RemoteArray.open(path)
    _check(array, path)
    return array


@contextmanager
def _loading(path: Place, otherwise: str) -> Iterator[None]:
    try:
        with reading(path):
            yield
    except InvalidData:
        raise
    except _DAMAGE as error:
        raise InvalidData(f"{path} {otherwise}: {error}") from error


def _check(array: NDArray[Any] | RemoteArray, path: Place) -> None:
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8 or array.ndim != 2 or not array.shape[1]:
        raise InvalidData(
            f"{path} must hold real numbers of at most 64 bits of shape (n, d), d ≥ 1; it holds {array.dtype} of shape "
            f"{array.shape}"
        )


@dataclass(frozen=True)
class Embeddings:
    """Rows of .npy files; the id is the number of the row, counted over all files.

    Args:
        path: a .npy file or a folder of them.
        files: the files, relative to `path`, all with the same d.
        columns: must be empty; a .npy file has no further columns.
        shard_size: rows in a shard.

    Raises:
        InvalidData: a file cannot be used (see `open_npy`), the files differ in d, there are no rows, or a
            column was asked for.
    """

    path: str
    files: tuple[str, ...] = field(repr=False)
    columns: tuple[str, ...] = ()
    shard_size: int = SHARD_ITEMS["embedding"]
    kind: Kind = field(default="embedding", init=False)

    def __post_init__(self) -> None:
        carried((), self.columns, self.path)
        self.shards()

    @cached_property
    def _lengths(self) -> dict[str, int]:
        shapes = {file: open_array(locate_any(self.path, file)).shape for file in self.files}
        first = next(iter(shapes.values()))
        for file, shape in shapes.items():
            if shape[1] != first[1]:
                raise InvalidData(
                    f"{locate_any(self.path, file)} has d = {shape[1]}, {self.files[0]} has d = {first[1]}"
                )
        if not any(shape[0] for shape in shapes.values()):
            raise InvalidData(f"{self.path} is empty: its shape is {first}, without a row")
        return {file: shape[0] for file, shape in shapes.items()}

    def shards(self) -> list[Shard]:
        found: list[Shard] = []
        before = 0
        for file, length in self._lengths.items():
            for start in range(0, length, self.shard_size):
                stop = min(start + self.shard_size, length)
                found.append(Shard(len(found), file, start, stop, before + start))
            before += length
        return found

    def read(self, shard: Shard) -> Iterator[Batch]:
        path = locate_any(self.path, shard.file)
        array = open_array(path)
        if len(array) < shard.stop:
            raise InvalidData(
                f"{path} has changed since it was planned: {len(array)} rows, not {shard.stop} or more"
            )
        step = rows_for(array.shape[1] * array.itemsize, ROW_BATCH)
        for start in range(shard.start, shard.stop, step):
            with reading(path):
                rows = np.array(array[start : min(start + step, shard.stop)])
            yield Batch(row_numbers(shard.first_row + start - shard.start, len(rows)), rows)

    def pick(self, shard: Shard, ids: Sequence[str]) -> Iterator[tuple[str, NDArray[Any]]]:
        path = locate_any(self.path, shard.file)
        array = open_array(path)
        offset = shard.start - shard.first_row
        ours = range(shard.first_row, shard.first_row + shard.stop - shard.start)
        rows = {int(name) for name in ids if name.isdecimal() and name == str(int(name))}
        for row in sorted(row for row in rows if row in ours):
            with reading(path):
                found = np.array(array[row + offset])
            yield str(row), found
