"""Ready embeddings of private records: .npy files, and clip-retrieval's with their metadata."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from proxyset.sources.batches import ROW_BATCH, rows_for
from proxyset.sources.clip_retrieval import metadata_of
from proxyset.sources.embeddings import open_npy
from proxyset.sources.files import unless_damaged
from proxyset.sources.private.parquet import columns_of
from proxyset.sources.private.records import Wanted, lost, printable, row_name
from proxyset.sources.source import Batch


def read(path: Path, file: str, wanted: Wanted, described: bool) -> Iterator[Batch]:
    """The rows of a file. A file that is damaged or no matrix is one unread record; rows of another length are all unread.

    Args:
        described: the metadata lie beside it, as clip-retrieval writes them; without them for some row, it has none.
    """
    ids: list[str | None] = []
    columns: dict[str, list[str | None]] = {name: [] for name in wanted.columns}
    if described and (metadata := metadata_of(path)):
        ids, columns = columns_of(metadata, wanted)
    array = unless_damaged(lambda: open_npy(path))
    if array is None:
        yield lost(file, 0, wanted, "its file is damaged, or no matrix of numbers")
        return
    fits = array.shape[1] == wanted.dim
    step = rows_for(array.shape[1] * array.itemsize, ROW_BATCH)
    for start in range(0, len(array), step):
        stop = min(start + step, len(array))
        X = np.array(array[start:stop]) if fits else np.zeros((stop - start, wanted.dim))
        names = [name or row_name(file, row) for row, name in enumerate(_part(ids, start, stop), start)]
        carried = {name: _part(values, start, stop) for name, values in columns.items()}
        why = f"it does not have {wanted.dim} numbers"
        yield Batch(
            list(map(printable, names)), X, carried, {} if fits else dict.fromkeys(range(stop - start), why)
        )


def width(path: Path) -> int | None:
    """How many numbers a row of the file has; None if it is damaged."""
    array = unless_damaged(lambda: open_npy(path))
    return None if array is None else int(array.shape[1])


def _part(values: list[str | None], start: int, stop: int) -> list[str | None]:
    found = values[start:stop]
    return found + [None] * (stop - start - len(found))
