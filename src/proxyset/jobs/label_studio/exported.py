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

# What JSON-MIN has beside the results: facts of the annotation, and what the annotator was shown.
_ABOUT = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "meta", "agreement")
_SHOWN = ("image", "text")


def is_export(path: str | os.PathLike[str]) -> bool:
    """Whether a file looks like Label Studio's JSON export (a list of objects with `data` and `annotations`) or its JSON-MIN."""
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
        if _is_small(record):
            record = _as_task(record)
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
    if _is_small(record):
        return True
    return (
        isinstance(record, dict)
        and isinstance(record.get("data"), dict)
        and isinstance(record.get("annotations"), list)
    )


def _is_small(record: Any) -> bool:
    """Whether this is a record of JSON-MIN: the data and the results side by side."""
    return isinstance(record, dict) and ID in record and "annotation_id" in record


def _as_task(record: dict[str, Any]) -> dict[str, Any]:
    """A record of JSON-MIN in the shape of the whole export. A result is one class, {"choices": […]} or the paths of a taxonomy."""
    values = [value for name, value in record.items() if name not in (ID, *_ABOUT, *_SHOWN)]
    results = [{"value": _value(value)} for value in values if value]
    annotation = {
        "id": record["annotation_id"],
        "task": record.get("id"),
        "completed_by": record.get("annotator"),
        "updated_at": record.get("updated_at", ""),
        "result": results,
    }
    return {"id": record.get("id", 0), "data": {ID: record[ID]}, "annotations": [annotation]}


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {
            name: [one for part in value for one in part.get(name, [])] for name in ("choices", "taxonomy")
        }
    return {"choices": [value]}
