"""Decisions: what the owner said to a probe. They are entries of the ledger, so they outlive every process and say when.

The newest decision holds. A refusal holds for its probe whoever sends it, until the owner approves that probe after all; not
even `answer(…, approved=True)` passes it, so an agent that was told to approve everything respects it. An approval holds for
one answer to one probe of one server that costs, all its draws together, no more than was agreed to. It costs nothing by itself.

One yes is one answer: the first debit for that probe and server spends the approval, whoever asked for it and whether or not
the answer got out after a crash. That follows from the order of the entries, so no second record can contradict it. What was
drawn is stored, and may be sent again at no cost; another draw needs another yes. An answer of labels may take two draws, each
debited on its own: it is approved as a whole before the first, and both belong to it.

A probe is its bytes: the same question in other words is another probe, and nothing was decided about it.
"""

from __future__ import annotations

from proxyset.client.chain import ANSWERS, Entry
from proxyset.client.ledger import Ledger
from proxyset.errors import Refused
from proxyset.wire.questions import LabelRelease
from proxyset.wire.release import PrivacyStatement, Release
from proxyset.wire.report import Report
from proxyset.wire.server_name import recorded_name


def approve(ledger: Ledger, probe: str, server: str, privacy: PrivacyStatement, note: str = "") -> Entry:
    """Agree to one answer to `probe` for `server` that costs at most what `privacy` states.

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
    """The newest decision about `probe` that holds for `server`, spent or not: an "approval", a "refusal", or None.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    server = recorded_name(server)
    for entry in reversed(ledger.entries()):
        if entry.probe == probe and (
            entry.kind == "refusal" or (entry.kind == "approval" and entry.who == server)
        ):
            return entry
    return None


def is_spent(ledger: Ledger, approval: Entry) -> bool:
    """Whether an answer was drawn, or begun to be, since this approval."""
    later = ledger.entries()[approval.seq :]
    return any(e.kind == "debit" and (e.probe, e.who) == (approval.probe, approval.who) for e in later)


def was_drawn_for(ledger: Ledger, release: Release | LabelRelease | Report, server: str) -> bool:
    """Whether a stored answer was drawn for this server: what was agreed to then needs no second yes to be sent again."""
    name = recorded_name(server)
    return any(
        e.kind in ANSWERS and (e.digest, e.who) == (release.fingerprint, name) for e in ledger.entries()
    )


def is_approved(ledger: Ledger, probe: str, server: str, privacy: PrivacyStatement) -> bool:
    """Whether the owner agreed to this draw beforehand; False when nothing was decided, less was agreed to, or it was drawn.

    Two processes may see one approval at once. The one that debits must ask within `Ledger.exclusive`, before its first debit.

    Args:
        probe, server: whose question.
        privacy: what the whole answer costs: of labels `label_privacy.whole_cost`.

    Sensitivity:
        None: it looks at the probe's name, the settings and the ledger.
    Unit:
        The approval's; it covers no other.
    Guarantee:
        A refused probe is not answered before the owner approves it, and one approval lets one answer be drawn.
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
        and not is_spent(ledger, found)
    )
