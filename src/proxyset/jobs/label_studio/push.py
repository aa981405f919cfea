"""A proxy set as a project of Label Studio, best items first; run again, it goes on where it stopped."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from proxyset.cloud.label_tasks import ID, check_showable, label_tasks
from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import InvalidInput, TransportError
from proxyset.jobs.label_studio.server import Server, Task, Unsure
from proxyset.jobs.labels import check_classes

_ATTEMPTS = 4
_CHUNK_BYTES = 8 << 20
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        project: its number on the server.
        sent: tasks that were sent now.
        present: tasks that were there already.
        duplicates: tasks that were twice on the server and were removed.
    """

    project: int
    sent: int
    present: int
    duplicates: int


def push(
    proxy: ProxySet,
    server: Server,
    title: str,
    classes: Sequence[str],
    *,
    first: int | None = None,
    annotators: int | None = None,
    chunk: int = 50,
    progress: Progress = lambda stage, done, total: None,
) -> Pushed:
    """Send the items of a proxy set to a project, which is made if it is not there.

    An item is known by its id and its SHA-256, so nothing is sent twice: not after a kill, not when the server stored a chunk
    and its answer was lost. Two tasks for one item, which a race can still leave, become one as long as only one of them has
    annotations.

    Args:
        proxy: images or texts.
        title: of the project, 3 to 50 characters.
        classes: what an annotator may choose.
        first: only the first that many items in order of rank; a later push sends the rest.
        annotators: how many people are to label each item; None leaves it as it is (1 for a new project).
        chunk: most tasks in one request.

    Raises:
        InvalidInput: items that cannot be shown, an impossible option, or a project that is something else.
        TransportError: the server cannot be reached or refuses; what was stored stays, run the same push again.
    """
    names = check_classes(classes)
    check_showable(proxy)
    for option, value in (("first", first), ("annotators", annotators), ("chunk", chunk)):
        if value is not None and value < 1:
            raise InvalidInput(f"{option} must be at least 1, not {value}")
    hashes = proxy.by_id("hash")
    wanted = list(islice(hashes, first))
    project = server.find_project(title)
    if project is None:
        project = server.make_project(title, names, proxy.card.kind, annotators)
    else:
        server.check_project(project, names, proxy.card.kind, annotators)
    before = list(server.tasks(project))
    _refuse_foreign(before, proxy, hashes, title)
    duplicates = _remove_duplicates(server, project, before)
    there = {task.id for task in before}
    missing = {item for item in wanted if item not in there}
    sent = 0
    progress("tasks", len(wanted) - len(missing), len(wanted))
    for part in _chunks(label_tasks(proxy, missing), chunk):
        _send(server, project, part)
        sent += len(part)
        progress("tasks", len(wanted) - len(missing) + sent, len(wanted))
    if server.count(project) != len(there) + sent:
        after = list(server.tasks(project))
        duplicates += _remove_duplicates(server, project, after)
        if lost := set(wanted) - {task.id for task in after}:
            raise TransportError(f"{len(lost)} of {len(wanted)} tasks are not on {server.url}: push again")
    return Pushed(project, sent, len(wanted) - len(missing), duplicates)


def _refuse_foreign(tasks: Iterable[Task], proxy: ProxySet, hashes: dict[str, str], title: str) -> None:
    """A project holds items of one pool and nothing else."""
    unknown = [task.number for task in tasks if not task.id]
    other = [
        task.id
        for task in tasks
        if task.id and (task.hash, task.index) != (hashes.get(task.id, task.hash), proxy.card.index)
    ]
    if unknown or other:
        what = (
            f"{len(unknown)} tasks that proxyset did not make"
            if unknown
            else f"{len(other)} items of another index"
        )
        raise InvalidInput(f"the project {title!r} holds {what}: choose another name (project)")


def _chunks(tasks: Iterable[dict[str, Any]], most: int) -> Iterable[list[dict[str, Any]]]:
    """Lists of at most `most` tasks and about 8 MiB."""
    part: list[dict[str, Any]] = []
    size = 0
    for task in tasks:
        shown = sum(len(value) for value in task["data"].values())
        if part and (len(part) == most or size + shown > _CHUNK_BYTES):
            yield part
            part, size = [], 0
        part.append(task)
        size += shown
    if part:
        yield part


def _send(server: Server, project: int, part: list[dict[str, Any]]) -> None:
    """Send a chunk; when the answer is lost, look what is there and send the rest."""
    for attempt in range(_ATTEMPTS):
        try:
            if attempt:
                there = {task.id for task in server.tasks(project)}
                part = [task for task in part if task["data"][ID] not in there]
            if part:
                server.send(project, part)
        except Unsure:
            if attempt + 1 == _ATTEMPTS:
                raise
            time.sleep(2**attempt)
        else:
            return


def _remove_duplicates(server: Server, project: int, tasks: Iterable[Task]) -> int:
    """Keep one task an item: the annotated one, else the first. Tasks with annotations are never removed."""
    by_item = defaultdict(list)
    for task in tasks:
        by_item[task.id].append(task.number)
    twice = {number for numbers in by_item.values() if len(numbers) > 1 for number in numbers}
    if not twice:
        return 0
    annotated = {task.number for task in server.tasks(project, annotations=True)}
    removed = 0
    for numbers in by_item.values():
        kept = [number for number in numbers if number in annotated] or numbers[:1]
        for number in set(numbers) - set(kept):
            server.delete(number)
            removed += 1
    return removed
