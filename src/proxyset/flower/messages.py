"""What travels inside Flower's messages: the bytes of a probe, the bytes of a release, and nothing else."""

from __future__ import annotations

from proxyset.errors import ArtifactError, MissingExtra

try:
    from flwr.app import ConfigRecord, MessageType, RecordDict
except ImportError:
    raise MissingExtra("flwr", "flower", "Flower's apps") from None

ACTION = "answer"
MESSAGE_TYPE = f"{MessageType.QUERY}.{ACTION}"
_PROBE, _RELEASE, _BYTES = "proxyset.probe", "proxyset.release", "bytes"


def question(probe: bytes) -> RecordDict:
    """The content of the server's message."""
    return RecordDict({_PROBE: ConfigRecord({_BYTES: probe})})


def probe_of(content: RecordDict) -> bytes:
    """The probe in a message. Raises ArtifactError when there is none."""
    found = _bytes(content, _PROBE)
    if found is None:
        raise ArtifactError("the message carries no probe of proxyset")
    return found


def reply(release: bytes) -> RecordDict:
    """The content of a node's message."""
    return RecordDict({_RELEASE: ConfigRecord({_BYTES: release})})


def no_reply() -> RecordDict:
    """What a node sends that does not answer: always the same, whatever the reason was."""
    return reply(b"")


def release_of(content: RecordDict) -> bytes:
    """The release in a message, empty when the node does not answer."""
    return _bytes(content, _RELEASE) or b""


def _bytes(content: RecordDict, name: str) -> bytes | None:
    record = content.config_records.get(name)
    found = None if record is None else record.get(_BYTES)
    return found if isinstance(found, bytes) else None
