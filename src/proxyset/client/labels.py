"""The owner's labels: where each record's is written, and which class of the questions it is."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from proxyset.client.private_data import FOLDER, Labels
from proxyset.encoders.cells import canonical
from proxyset.errors import InvalidData
from proxyset.sources.source import Batch


def read_labels(path: str | os.PathLike[str]) -> dict[str, str]:
    """Labels by id, out of a CSV file with the columns `id` and `label`.

    Raises:
        InvalidData: no such columns, an id twice with two labels, or not CSV. OSError: it cannot be read.
    """
    found: dict[str, str] = {}
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            if not {"id", "label"} <= set(reader.fieldnames or ()):
                raise InvalidData(f"{path} has the columns {reader.fieldnames}; it needs id and label")
            for row in reader:
                name, label = row["id"] or "", row["label"] or ""
                if found.setdefault(name, label) != label:
                    raise InvalidData(
                        f"{path}, line {reader.line_num}: {name!r} is {label!r} here and {found[name]!r} before"
                    )
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidData(f"{path}, line {reader.line_num}: not valid CSV ({error})") from error
    return found


def label_reader(labels: Labels) -> Callable[[Batch], list[str]]:
    """A function from a batch to the label of each of its items, "" where there is none.

    Args:
        labels: "folder" for the name of the folder that an item lies in, another string for a column, or a mapping
            from ids.
    """

    def of(batch: Batch) -> list[str]:
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
