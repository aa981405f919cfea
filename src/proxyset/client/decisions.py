"""Decisions: what the owner said to a probe. They are entries of the ledger, so they outlive every process and say when.

The newest decision holds. A refusal holds for its probe whoever sends it, until the owner approves that probe after all; not
even `answer(…, approved=True)` passes it, so an agent that was told to approve everything respects it. An approval holds for
one probe of one server and for answers that cost no more than was agreed to; it spends nothing by itself.

A probe is its bytes: the same question in other words is another probe, and nothing was decided about it.
"""

from __future__ import annotations

from proxyset.client.chain import Entry
from proxyset.client.ledger import Ledger
from proxyset.errors import Refused
from proxyset.wire.release import PrivacyStatement


def approve(ledger: Ledger, probe: str, server: str, privacy: PrivacyStatement, note: str = "") -> Entry:
    """Agree to answers to `probe` for `server` that cost at most what `privacy` states.

    Args:
        probe: fingerprint of the probe.
        server: who asks, as it will be named to `answer`.
        privacy: what is agreed to.
        note: the owner's words.

    Raises:
        LedgerError: it could not be written.
    """
    return ledger.add_decision(probe, server, privacy, note)


def refuse(ledger: Ledger, probe: str, server: str, note: str = "") -> Entry:
    """Refuse `probe`, now and later.

    Raises:
        LedgerError: it could not be written.
    """
    return ledger.add_decision(probe, server, None, note)


def decision(ledger: Ledger, probe: str, server: str) -> Entry | None:
    """The newest decision about `probe` that holds for `server`: an entry of kind "approval" or "refusal", or None.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    for entry in reversed(ledger.entries()):
        if entry.probe == probe and (
            entry.kind == "refusal" or (entry.kind == "approval" and entry.server == server)
        ):
            return entry
    return None


def is_approved(ledger: Ledger, probe: str, server: str, privacy: PrivacyStatement) -> bool:
    """Whether the owner agreed to this answer beforehand; False when nothing was decided, or less was agreed to.

    Sensitivity:
        None: it looks at the probe's name, the settings and the ledger.
    Unit:
        The approval's; it covers no other.
    Guarantee:
        A refused probe is not answered before the owner approves it.
    Assumes:
        SHA-256 has no collisions.

    Raises:
        Refused: the owner refused this probe.
    """
    found = decision(ledger, probe, server)
    if found is None:
        return False
    if found.kind == "refusal":
        raise Refused(
            f"the owner refused the probe {probe[:12]} on {found.time[:10]} (entry {found.seq} of the ledger); nothing was "
            "read or sent. To answer it after all, approve it first"
        )
    same = (found.unit, found.adjacency, found.max_records)
    return (
        same == (privacy.unit, privacy.adjacency, privacy.max_records)
        and privacy.epsilon <= (found.epsilon or 0)
        and privacy.delta <= (found.delta or 0)
    )
