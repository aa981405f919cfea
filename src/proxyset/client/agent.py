"""The owner's agent: pull a probe, answer it, push the release."""

from __future__ import annotations

from typing import Any

from proxyset.client.answer import answer
from proxyset.wire.probe import Probe
from proxyset.wire.release import Release
from proxyset.wire.transport import Transport


def exchange(transport: Transport, data: Any, *, epsilon: float, **options: Any) -> tuple[Probe, Release]:
    """One exchange from the owner's side.

    When the push fails, the release is already in the ledger: calling this again sends the same bytes at no further cost.

    Args:
        transport: how the messages travel.
        data, epsilon, options: as `answer` takes them.

    Raises:
        TransportError: the other side cannot be reached or does not accept.
        ArtifactError, InvalidInput, Refused, LedgerError: as `answer` does; nothing was sent.
    """
    probe = Probe.from_bytes(transport.pull())
    release = answer(probe, data, epsilon=epsilon, **options)
    transport.push(release.to_bytes())
    return probe, release
