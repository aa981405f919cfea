"""The JSON file that Label Studio's own export writes, for those who carry tasks and labels by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from proxyset.cloud.label_tasks import ID
from proxyset.errors import InvalidData
from proxyset.jobs.label_studio.pull import answers_of
from proxyset.jobs.label_studio.server import Task
from proxyset.jobs.labels import Answer


def is_export(path: str | os.PathLike[str]) -> bool:
    """Whether a file looks like Label Studio's JSON export: a list of objects with `data` and `annotations`."""
    if Path(path).suffix.lower() != ".json":
        return False
    try:
        found = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and bool(found) and all(map(_is_task, found))


def read_export(path: str | os.PathLike[str]) -> list[Answer]:
    """The answers in a JSON export of tasks that `proxyset export --to label-studio` or `label push` made.

    Raises:
        InvalidData: tasks that proxyset did not make, or an annotation that is not one choice.
    """
    answers = []
    for record in json.loads(Path(path).read_bytes()):
        if ID not in record["data"]:
            raise InvalidData(
                f"{path}: task {record.get('id')} has no {ID}: it is not a task of a proxy set; export the right project"
            )
        task = Task(
            number=int(record.get("id", 0)),
            id=str(record["data"][ID]),
            hash=str((record.get("meta") or {}).get("hash", "")),
            index="",
            updated="",
            annotations=tuple(record["annotations"]),
        )
        answers += answers_of([task], {})
    return answers


def _is_task(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("data"), dict)
        and isinstance(record.get("annotations"), list)
    )
