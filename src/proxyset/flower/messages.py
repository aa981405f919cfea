"""What travels inside Flower's messages: a probe, a two-party sum's task, a release or report, as bytes; nothing else."""

from __future__ import annotations

from pydantic import ValidationError

from proxyset.errors import ArtifactError, MissingExtra
from proxyset.wire.task import Task

try:
    from flwr.app import ConfigRecord, MessageType, RecordDict
except ImportError:
    raise MissingExtra("flwr", "flower", "Flower's apps") from None

ACTION = "answer"
MESSAGE_TYPE = f"{MessageType.QUERY}.{ACTION}"
_PROBE, _TASK, _RELEASE, _BYTES = "proxyset.probe", "proxyset.task", "proxyset.release", "bytes"


def question(probe: bytes, task: Task | None = None) -> RecordDict:
    """The content of the server's message; with a task it asks for a report to two parties."""
    content = {_PROBE: ConfigRecord({_BYTES: probe})}
    if task is not None:
        content[_TASK] = ConfigRecord({_BYTES: task.model_dump_json().encode()})
    return RecordDict({**content})


def probe_of(content: RecordDict) -> bytes:
    """The probe in a message. Raises ArtifactError when there is none."""
    found = _bytes(content, _PROBE)
    if found is None:
        raise ArtifactError("the message carries no probe of proxyset")
    return found


def task_of(content: RecordDict) -> Task | None:
    """The task in a message, None where a release is asked for. Raises ArtifactError when it is none."""
    if _TASK not in content:
        return None
    try:
        return Task.model_validate_json(_bytes(content, _TASK) or b"")
    except ValidationError as error:
        raise ArtifactError(f"the message's task is none: {error.errors()[0]['msg']}") from None


def reply(release: bytes) -> RecordDict:
    """The content of a node's message."""
    return RecordDict({_RELEASE: ConfigRecord({_BYTES: release})})


def no_reply() -> RecordDict:
    """What a node sends that does not answer: always the same, whatever the reason was."""
    return reply(b"")


def release_of(content: RecordDict) -> bytes:
    """The release or report in a message, empty when the node does not answer."""
    return _bytes(content, _RELEASE) or b""


def _bytes(content: RecordDict, name: str) -> bytes | None:
    record = content.config_records.get(name)
    found = None if record is None else record.get(_BYTES)
    return found if isinstance(found, bytes) else None
