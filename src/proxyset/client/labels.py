"""The owner's labels: where each record's is written, and which class of the questions it is."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from proxyset.client.private_data import FOLDER
from proxyset.errors import InvalidData
from proxyset.sources.source import Batch

Labels = str | Mapping[str, str]


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


def class_numbers(ids: Sequence[str], labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """The number of each record's class in the questions' list: (n,).

    Sensitivity:
        Each number depends on its own record and the public list alone.
    Unit:
        One record.
    Guarantee:
        None by itself. That it raises tells that some record is wrong; errors are not covered.
    Assumes:
        Nothing.

    Raises:
        InvalidData: no records, one without a label or with an unknown one, or all of one class.
    """
    if not labels:
        raise InvalidData("there are no private records to vote: nothing was answered")
    bare = [name for name, label in zip(ids, labels, strict=True) if not label]
    if bare:
        raise InvalidData(
            f"{len(bare)} of {len(labels)} private records have no label, the first is {bare[0]!r}. Nothing was debited; "
            "label them or take them out"
        )
    number = {name: place for place, name in enumerate(classes)}
    unknown = sorted({label for label in labels if label not in number})
    if unknown:
        shown = ", ".join(map(repr, unknown[:5]))
        raise InvalidData(
            f"{len(unknown)} labels of the private data are none of the {len(classes)} classes that are asked for: {shown}. "
            f"Nothing was debited; the questions know {', '.join(map(repr, classes[:20]))}"
        )
    if len(set(labels)) < 2:
        raise InvalidData(
            f"all {len(labels)} private records are {labels[0]!r}: their votes would tell nothing but that. Nothing was "
            "debited"
        )
    return np.array([number[label] for label in labels], np.int64)
