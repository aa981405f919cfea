"""The owner's labels: where each record's is written, and which class of the questions it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from proxyset.client.private_data import FOLDER, Labels
from proxyset.encoders.cells import canonical
from proxyset.errors import InvalidData
from proxyset.sources.columns import look_up
from proxyset.sources.private import rows
from proxyset.sources.private.records import Wanted
from proxyset.sources.source import Batch


def read_labels(path: str | os.PathLike[str]) -> dict[str, str]:
    """Labels by id, out of a CSV file with the columns `id` and `label`.

    Sensitivity:
        Each line is read for itself: one that cannot be read gives no label, and an id to which lines give different labels has
        the label "", which is none. No line decides whether an answer leaves.
    Unit:
        One record.
    Guarantee:
        None by itself: these are private data.
    Assumes:
        The header is no record's. An id is one record's own name.

    Raises:
        InvalidData: the header has no such columns. OSError: it cannot be read.
    """
    path, wanted = Path(path), Wanted("table", columns=("label",))
    names = rows.header(path)
    if None in (look_up("id", names), look_up("label", names)):
        raise InvalidData(f"{path} has the columns {names}; it needs id and label")
    found: dict[str, str] = {}
    for batch in rows.read(path, "", wanted):
        for row, (name, label) in enumerate(zip(batch.ids, batch.columns["label"], strict=True)):
            if row not in batch.unread:
                found[name] = (label or "") if found.get(name, label) == label else ""
    return found


def label_reader(labels: Labels, classes: Sequence[str] = ()) -> Callable[[Batch], list[str]]:
    """A function from a batch to the label of each of its items, "" where there is none, or none of the classes if some are given.

    Args:
        labels: "folder" for the name of the folder that an item lies in, another string for a column, or a mapping
            from ids.
        classes: the labels that questions allow.
    """

    def of(batch: Batch) -> list[str]:
        found = written(batch)
        if not classes:
            return found
        numbers = class_numbers(found, classes)
        return [name if number >= 0 else "" for name, number in zip(found, numbers, strict=True)]

    def written(batch: Batch) -> list[str]:
        if not isinstance(labels, str):
            return [labels.get(name, "") for name in batch.ids]
        if labels == FOLDER:
            return [PurePosixPath(name).parent.name for name in batch.ids]
        if labels not in batch.columns:
            raise InvalidData(f"the private data has no column {labels!r}")
        return [value or "" for value in batch.columns[labels]]

    return of


def class_numbers(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """The number of each label in the questions' list, −1 for none and for one that is not in it: (n,).

    Both are compared in canonical spelling: 7.0 in a file of doubles is the class "7", true is "True".

    Sensitivity:
        Each number depends on its own record and the public list alone.
    Unit:
        One record.
    Guarantee:
        None by itself.
    Assumes:
        Nothing.
    """
    number: dict[str | None, int] = {}
    for place, name in enumerate(classes):
        number.setdefault(canonical(name), place)
    return np.array([number.get(canonical(label), -1) if label else -1 for label in labels], np.int64)
