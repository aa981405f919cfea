"""Which releases a server's state takes in.

From a client that is pinned and not revoked, one release a campaign, while the campaign accepts; no release twice under two
names. The first stands. What was stored once is `known` for ever, also after the campaign has closed: an acknowledgement
that was lost can be asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from proxyset.server.records import Outcome, Submission, now
from proxyset.server.rows import maybe_time, text_of

if TYPE_CHECKING:
    from proxyset.server.database import Session

_ROWS = 1000  # of nine values each in one statement; SQLite takes 32,766 values


def accept(db: Session, batch: Sequence[Submission]) -> list[Outcome]:
    """Judge submissions as if they came one after another, and store those that are new.

    A few statements for the whole batch: each gives other threads the chance to hold this one up.

    Args:
        db: inside a transaction that its caller commits; nothing may be acknowledged before.
        batch: what came in.
    """
    campaigns = db.execute("SELECT id, deadline, closed FROM campaigns").fetchall()
    until = {id: maybe_time(deadline) for id, deadline, closed in campaigns if not closed}
    at = now()
    names, clients = {new.campaign for new in batch}, {new.client for new in batch}
    welcome = {
        key for (key,) in _among(db, "SELECT key FROM clients WHERE revoked IS NULL AND key IN", clients)
    }
    releases = "SELECT campaign, client, fingerprint FROM releases WHERE"
    stands = {
        (campaign, client): fingerprint
        for campaign, client, fingerprint in _among(db, f"{releases} client IN", clients)
    }
    taken = {
        (campaign, fingerprint): client
        for name in names
        for campaign, client, fingerprint in _among(
            db, f"{releases} campaign = ? AND fingerprint IN", {new.fingerprint for new in batch}, name
        )
    }
    outcomes, rows = [], []
    for new in batch:
        outcome = _judge(new, new.client in welcome, stands, taken, until, at)
        outcomes.append(outcome)
        if outcome is Outcome.stored:
            stands[new.campaign, new.client] = new.fingerprint
            taken[new.campaign, new.fingerprint] = new.client
            statement = (new.epsilon, new.delta, new.sigma, new.rho)
            rows.append((new.campaign, new.client, new.fingerprint, *statement, text_of(at), new.data))
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS]
        marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?)"] * len(block))
        db.execute(f"INSERT INTO releases VALUES {marks}", [value for row in block for value in row])
    return outcomes


def _among(db: Session, query: str, wanted: Collection[str], *values: object) -> Iterator[Any]:
    """The rows of a query that ends in IN, for any number of values."""
    listed = sorted(wanted)
    for start in range(0, len(listed), _ROWS):
        block = listed[start : start + _ROWS]
        yield from db.execute(f"{query} ({', '.join('?' * len(block))})", [*values, *block])


def _judge(
    new: Submission,
    welcome: bool,
    stands: Mapping[tuple[str, str], str],
    taken: Mapping[tuple[str, str], str],
    until: Mapping[str, datetime | None],
    at: datetime,
) -> Outcome:
    if not welcome:
        return Outcome.revoked
    if first := stands.get((new.campaign, new.client)):
        return Outcome.known if first == new.fingerprint else Outcome.answered
    deadline = until.get(new.campaign, at)
    if deadline is not None and deadline <= at:
        return Outcome.closed
    return Outcome.taken if (new.campaign, new.fingerprint) in taken else Outcome.stored
