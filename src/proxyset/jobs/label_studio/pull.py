"""Labels out of a project of Label Studio: one row an item and annotator; run again, only what changed is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from proxyset import atomic
from proxyset.errors import ArtifactError, InvalidData, InvalidInput
from proxyset.jobs.label_files import read_labels, write_labels
from proxyset.jobs.label_studio.push import Progress
from proxyset.jobs.label_studio.server import Server, Task
from proxyset.jobs.labels import Answer

# An annotation is stamped before it is stored: look back this far for those that were being stored during the last pull
_OVERLAP = timedelta(minutes=2)


class _State(BaseModel):
    """How far a file of labels has been pulled; lies beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal["proxyset.pulled/1"] = "proxyset.pulled/1"
    url: str
    project: int
    until: str


@dataclass(frozen=True)
class Pulled:
    """What a pull found.

    Attributes:
        project: its number on the server.
        items, answers: in the file now; several people may have answered for one item.
        changed: items whose answers are not those that the file had.
        skipped: annotations that were skipped or empty, among the tasks looked at.
        foreign: tasks that proxyset did not make, among those looked at.
    """

    project: int
    items: int
    answers: int
    changed: int
    skipped: int
    foreign: int


def pull(
    server: Server,
    title: str,
    out: str | os.PathLike[str],
    *,
    everything: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> Pulled:
    """Write the labels of a project to a file, with annotators. Nothing is written while there are none.

    A second pull to the same file asks only for what changed since; answers for the changed items are replaced.

    Args:
        title: of the project.
        out: .csv, .tsv, .json or .jsonl; `OUT.pulled.json` beside it remembers how far.
        everything: ask for all again, and write the file anew.

    Raises:
        InvalidInput: no such project, or a file that was not pulled from it.
        InvalidData: an annotation that is not one choice.
        TransportError: the server cannot be reached or refuses.
    """
    project = server.find_project(title)
    if project is None:
        raise InvalidInput(f"there is no project {title!r} on {server.url}: push a proxy set first")
    path = Path(out)
    beside = path.with_name(path.name + ".pulled.json")
    state = _read_state(beside) if path.exists() else None
    fits = state is not None and (state.url, state.project) == (server.url, project)
    if path.exists() and not fits:
        raise InvalidInput(
            f"{path} was not pulled from project {project} of {server.url}: choose another folder"
        )
    since = state.until if state and not everything else None
    by_item: dict[str, list[Answer]] = {}
    if since:
        for answer in read_labels(path):
            by_item.setdefault(answer.id, []).append(answer)

    names = server.annotators()
    seen: dict[str, list[Task]] = {}
    until, foreign = since or "", 0
    for done, task in enumerate(server.tasks(project, since=_earlier(since), annotations=True), 1):
        until = max(until, task.updated)
        foreign += not task.id
        if task.id:
            seen.setdefault(task.id, []).append(task)
        progress("tasks", done, done)
    changed = skipped = 0
    for item, tasks in seen.items():
        answers = answers_of(tasks, names)
        changed += answers != by_item.get(item, [])
        skipped += sum(not choice(annotation) for task in tasks for annotation in task.annotations)
        by_item[item] = answers
    kept = [answer for answers in by_item.values() for answer in answers]
    if kept or path.exists():
        write_labels(kept, path)
        # an empty file cannot be read again, so the next pull asks for everything
        pulled = _State(url=server.url, project=project, until=until if kept else "")
        atomic.write_bytes(beside, pulled.model_dump_json().encode() + b"\n")
    items = sum(map(bool, by_item.values()))
    return Pulled(project, items, len(kept), changed, skipped, foreign)


def answers_of(tasks: Iterable[Task], names: dict[int, str]) -> list[Answer]:
    """The answers in the tasks of one item: of each annotator the last one.

    Raises:
        InvalidData: an annotation that is not one choice.
    """
    last: dict[str, tuple[str, Answer]] = {}
    for task in tasks:
        for annotation in task.annotations:
            if label := choice(annotation):
                who = annotation.get("completed_by")
                name = names.get(who, f"user {who}") if isinstance(who, int) else str(who or "")
                when = str(annotation.get("updated_at", ""))
                if when >= last.get(name, ("", None))[0]:
                    last[name] = (when, Answer(task.id, label, name, task.hash))
    return [answer for _, answer in last.values()]


def choice(annotation: dict[str, Any]) -> str:
    """The class that an annotation chose; empty when it was skipped or left empty.

    Raises:
        InvalidData: more than one choice.
    """
    if annotation.get("was_cancelled"):
        return ""
    results = annotation.get("result") or []
    chosen = [name for result in results for name in classes(result.get("value", {}))]
    if len(chosen) > 1:
        raise InvalidData(
            f"annotation {annotation.get('id')} of task {annotation.get('task')} chose {len(chosen)} classes "
            f"({', '.join(chosen)}): a label is one class; correct it in Label Studio"
        )
    return str(chosen[0]) if chosen else ""


def classes(value: dict[str, Any]) -> list[str]:
    """The classes in the value of a result: choices, or the whole paths of a taxonomy ("animal / cat")."""
    paths = value.get("taxonomy") or []
    return [*(value.get("choices") or []), *(" / ".join(path) for path in paths)]


def _earlier(time: str | None) -> str | None:
    if not time:
        return None
    earlier = datetime.fromisoformat(time).astimezone(UTC) - _OVERLAP
    return earlier.strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # the only form that Label Studio's filters read


def _read_state(path: Path) -> _State | None:
    if not path.exists():
        return None
    try:
        return _State.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise ArtifactError(
            f"{path} is damaged: remove it and the labels beside it, and pull again: {error}"
        ) from None
