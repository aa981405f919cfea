"""UTF-8 lines of a byte range of a file, and the plan that cuts a file of records into such ranges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, TypeVar

from proxyset.errors import InvalidData
from proxyset.sources.files import Place, locate_any, reading
from proxyset.sources.remote import RemotePath
from proxyset.sources.source import Shard

MAX_LINE_BYTES = 1 << 24
T = TypeVar("T")

_BOM = b"\xef\xbb\xbf"


class Lines:
    """An iterator of decoded lines, their ends included, that knows where it stands.

    Attributes:
        start, offset: bytes into the file: where the range begins, and where the next line does.
        number: lines given so far.

    Raises:
        InvalidData: a line is not UTF-8, has a NUL byte or is over 16 MiB, or the file no longer fits the
            range.
    """

    def __init__(self, file: BinaryIO, path: Place, start: int, stop: int | None) -> None:
        file.seek(start)
        self.start = self.offset = start
        self.number = 0
        self._file, self._path, self._stop = file, path, stop

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.offset == self._stop:
            raise StopIteration
        with reading(self._path):
            raw = self._file.readline(MAX_LINE_BYTES + 1)
        if not raw and self._stop is None:
            raise StopIteration
        self.offset += len(raw)
        self.number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise InvalidData(
                f"{self.at()}: over {MAX_LINE_BYTES >> 20} MiB; is this a text file with line ends?"
            )
        if not raw or (self._stop is not None and self.offset > self._stop):
            raise InvalidData(
                f"{self._path} has changed since it was planned: no line ends at byte {self._stop}"
            )
        if b"\0" in raw:
            utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
            what = "UTF-16" if utf16 else "a NUL byte"
            raise InvalidData(f"{self.at()}: {what}; is this a text file in UTF-8?")
        if self.offset == len(raw) and raw.startswith(_BOM):
            raw = raw[len(_BOM) :]
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidData(
                f"{self.at()}: not UTF-8 at byte {error.start} of the line; convert the file"
            ) from error

    def at(self, number: int | None = None) -> str:
        """Where we are, for messages: the file and the line, by default the last one given."""
        after = f" after byte {self.start}" if self.start else ""
        return f"{self._path}, line {self.number if number is None else number}{after}"


@contextmanager
def open_lines(path: Place, start: int = 0, stop: int | None = None) -> Iterator[Lines]:
    """The lines between two byte offsets, both at the start of a line (or the end of the file)."""
    with (
        reading(path),
        path.buffered() if isinstance(path, RemotePath) else path.open("rb") as file,
    ):
        yield Lines(file, path, start, stop)


Records = Callable[
    [str, Lines], Iterable[T]
]  # reads the records of a file off its lines, without looking ahead


def first_record(path: str, files: Iterable[str], records: Records[T]) -> T:
    """The first record of all files.

    Raises:
        InvalidData: there is none.
    """
    for file in files:
        with open_lines(locate_any(path, file)) as lines:
            for record in records(file, lines):
                return record
    raise InvalidData(f"{path} is empty: it has no records")


@dataclass(frozen=True)
class LineFiles(ABC):
    """Records in files of lines, cut into shards at byte offsets.

    A range that starts at 0 starts with the header, if there is one.

    Args:
        path: a file or a folder of them.
        files: the files, relative to `path`.
        columns: further columns to carry beside the items.
        shard_size: records in a shard.
    """

    path: str
    files: tuple[str, ...] = field(repr=False)
    columns: tuple[str, ...] = ()
    shard_size: int = 1

    @abstractmethod
    def _records(self, file: str, lines: Lines) -> Iterator[Any]:
        """The records off the lines of a file, without looking ahead."""

    def shards(self) -> list[Shard]:
        return list(self._plan)

    @cached_property
    def _plan(self) -> list[Shard]:
        """Reads everything once, which also finds bad records."""
        shards: list[Shard] = []
        total = 0
        for file in self.files:
            with open_lines(locate_any(self.path, file)) as lines:
                start, first = 0, total
                for _ in self._records(file, lines):
                    total += 1
                    if total - first == self.shard_size:
                        shards.append(Shard(len(shards), file, start, lines.offset, first))
                        start, first = lines.offset, total
                if total > first:
                    shards.append(Shard(len(shards), file, start, lines.offset, first))
        if not shards:
            raise InvalidData(f"{self.path} is empty: it has no records")
        return shards
