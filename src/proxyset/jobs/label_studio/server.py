"""A project on a Label Studio server, through its SDK: found or made, listed, written to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from proxyset.cloud.label_tasks import ID
from proxyset.errors import InvalidInput, TransportError, needing
from proxyset.sources.source import Kind

_PAGE = 100
_TITLE = range(3, 51)  # characters that Label Studio allows
_ERROR_TEXT = 300
_TAGS = {"image": "Image", "text": "Text"}


class Unsure(TransportError):
    """The server did not answer, or failed: it may or may not have done what was asked."""


@dataclass(frozen=True)
class Task:
    """A task on the server, without what an annotator sees.

    Attributes:
        number: the server's own.
        id, hash: of our item; both empty when proxyset did not make the task.
        index: fingerprint of the index that it came from.
        updated: when the task or its annotations changed last, by the server's clock, ISO 8601.
        annotations: as the server sends them.
    """

    number: int
    id: str
    hash: str
    index: str
    updated: str
    annotations: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Server:
    """A Label Studio server; used in a `with` statement, which closes its connections.

    Attributes:
        url: as a browser opens it.
        token: an access token from its "Account & Settings" page; in no message and no repr.
        timeout: seconds for one request.
    """

    url: str
    token: str = field(repr=False)
    timeout: float = 120.0

    @cached_property
    def _client(self) -> Any:
        if not self.url.startswith(("http://", "https://")):
            raise InvalidInput(f"the address {self.url!r} does not begin with http:// or https://")
        with self._speaking():
            import label_studio_sdk

            make: Any = label_studio_sdk.LabelStudio
            return make(base_url=self.url.rstrip("/"), api_key=self.token, httpx_client=self._connections)

    @cached_property
    def _connections(self) -> Any:
        import httpx

        # a redirect would carry the token, which is in the body of a request, to wherever it points
        return httpx.Client(timeout=self.timeout, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        if "_connections" in self.__dict__:
            self._connections.close()

    def find_project(self, title: str) -> int | None:
        """The number of the project with this title, None if there is none.

        Raises:
            InvalidInput: a title that Label Studio does not allow, or that two projects have.
            TransportError: the server cannot be reached, or refuses the token.
        """
        if len(title) not in _TITLE:
            raise InvalidInput(
                f"the name of a project has {_TITLE[0]} to {_TITLE[-1]} characters; {title!r} has {len(title)}"
            )
        with self._speaking():
            found = [
                project.id for project in self._client.projects.list(title=title) if project.title == title
            ]
        if len(found) > 1:
            raise InvalidInput(
                f"{len(found)} projects on {self.url} are named {title!r} (numbers {', '.join(map(str, found))}): rename "
                "all but one, or choose another name"
            )
        return int(found[0]) if found else None

    def make_project(self, title: str, classes: Sequence[str], kind: Kind, annotators: int | None) -> int:
        """Make a project that asks for one of `classes`, in order of rank; returns its number."""
        with self._speaking():
            made = self._client.projects.create(
                title=title,
                label_config=labeling_config(classes, kind),
                sampling="Sequential sampling",
                maximum_annotations=annotators or 1,
                description="Items of a proxy set, best first. Made by proxyset.",
            )
        return int(made.id)

    def check_project(self, project: int, classes: Sequence[str], kind: Kind, annotators: int | None) -> None:
        """Check that a project asks for these classes about this kind of items; set how many annotators an item needs.

        Raises:
            InvalidInput: it asks for others.
        """
        with self._speaking():
            found = self._client.projects.get(project)
        own_classes, own_kind = read_config(found.label_config or "<View/>")
        if (set(own_classes), own_kind) != (set(classes), kind):
            raise InvalidInput(
                f"the project {found.title!r} asks for {', '.join(own_classes) or 'no class'} about {own_kind or 'other'} "
                f"items, not for {', '.join(classes)} about {kind} items: choose another name (project), or the "
                "same classes"
            )
        if annotators and annotators != found.maximum_annotations:
            with self._speaking():
                self._client.projects.update(project, maximum_annotations=annotators)

    def count(self, project: int) -> int:
        """How many tasks a project has."""
        with self._speaking():
            return int(self._client.projects.get(project).task_number)

    def tasks(self, project: int, *, since: str | None = None, annotations: bool = False) -> Iterator[Task]:
        """The tasks of a project, in the order they were made.

        Args:
            since: only those that changed after this time of the server, "2026-01-31T23:59:59.000000Z".
            annotations: only those with annotations (unless `since` is given: an annotation may have been taken back), and
                the annotations with them.
        """
        query: dict[str, Any] = {}
        if since:
            query["query"] = _filter("updated_at", "Datetime", since)
        elif annotations:
            query["query"] = _filter("total_annotations", "Number", 0)
        query["fields"] = "all" if annotations else "task_only"
        page, seen = 1, 0
        while True:
            with self._speaking():
                found = self._client.tasks.list(project=project, page=page, page_size=_PAGE, **query)
            items = found.items or []
            yield from map(_task, items)
            page, seen = page + 1, seen + len(items)
            if not items or seen >= found.response.total:
                return

    def send(self, project: int, tasks: Sequence[dict[str, Any]]) -> None:
        """Store tasks. Sent once: whoever gets `Unsure` looks at what is there before sending again.

        Raises:
            Unsure: no answer, or the server failed; the tasks may be there.
            TransportError: the server refused them; they are not there.
        """
        with self._speaking():
            self._client.projects.import_tasks(
                project, request=list(tasks), request_options={"max_retries": 0}
            )

    def delete(self, task: int) -> None:
        """Delete a task, with its annotations."""
        with self._speaking():
            self._client.tasks.delete(str(task))

    def annotators(self) -> dict[int, str]:
        """Number → e-mail address of the people on the server."""
        with self._speaking():
            return {int(user.id): str(user.email or user.username) for user in self._client.users.list()}

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn what the SDK raises into our errors, without its headers: they hold a session."""
        with needing("labels", "Label Studio projects"):
            import httpx
            from label_studio_sdk.core.api_error import ApiError
            from pydantic import ValidationError

        try:
            yield
        except ApiError as error:
            status = error.status_code or 0
            if status in (401, 403):
                raise TransportError(
                    f"Label Studio at {self.url} refuses this token ({status}): make a new one on its page Account & "
                    "Settings, and look at who may change the project"
                ) from None
            kind = Unsure if status >= 500 or status in (0, 408, 429) else TransportError
            raise kind(f"Label Studio at {self.url} answered {status}: {_detail(error.body)}") from None
        except httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise Unsure(f"Label Studio at {self.url} cannot be reached: {what}") from None
        except (json.JSONDecodeError, ValidationError, httpx.InvalidURL):
            raise TransportError(
                f"what answers at {self.url} is not Label Studio, or redirects to it: give its address as the browser ends up with"
            ) from None


def labeling_config(classes: Sequence[str], kind: Kind) -> str:
    """Label Studio's XML for one choice among `classes`; the key of a class of one letter or digit is that."""
    own_keys = len({name.lower() for name in classes if re.fullmatch("[0-9A-Za-z]", name)}) == len(classes)
    choices = "".join(
        f"<Choice value={quoteattr(name)}" + (f' hotkey="{name.lower()}"/>' if own_keys else "/>")
        for name in classes
    )
    return (
        f'<View><{_TAGS[kind]} name="item" value="${kind}"/><Choices name="label" toName="item" choice="single" '
        f'required="true" showInline="true">{choices}</Choices></View>'
    )


def read_config(config: str) -> tuple[list[str], str]:
    """(classes, kind of item) that a labeling configuration asks for; kind "" when it is none of ours."""
    try:
        view = ElementTree.fromstring(config)
    except ElementTree.ParseError:
        return [], ""
    classes = [str(choice.get("value")) for choice in view.iter("Choice")]
    kinds = [
        kind for kind, tag in _TAGS.items() for item in view.iter(tag) if item.get("value") == f"${kind}"
    ]
    return classes, kinds[0] if len(kinds) == 1 else ""


def _task(found: Any) -> Task:
    data, meta = found.data or {}, found.meta or {}
    return Task(
        number=int(found.id),
        id=str(data.get(ID, "")),
        hash=str(meta.get("hash", "")),
        index=str(meta.get("index", "")),
        updated=_iso(found.updated_at),
        annotations=tuple(found.annotations or ()),
    )


def _filter(column: str, kind: str, value: str | int) -> str:
    item = {"filter": f"filter:tasks:{column}", "operator": "greater", "type": kind, "value": value}
    return json.dumps({"filters": {"conjunction": "and", "items": [item]}})


def _iso(time: Any) -> str:
    return str(time.isoformat() if hasattr(time, "isoformat") else time).replace("Z", "+00:00")


def _detail(body: Any) -> str:
    if isinstance(body, dict):
        body = body.get("validation_errors") or body.get("detail") or body
    return str(body)[:_ERROR_TEXT]
