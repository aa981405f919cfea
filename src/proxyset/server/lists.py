"""What operators look through: long lists of the state, a page at a time, by a search, with what stands beside each row."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from proxyset.page.part import ROWS, Part, pages_of
from proxyset.server.records import Act, Campaign, Client, Operator, ReleaseRecord, Token, now
from proxyset.server.rows import (
    RELEASE,
    RELEASES,
    campaign_of,
    client_of,
    maybe_time,
    operator_of,
    release_of,
    text_of,
    time_of,
)
from proxyset.wire.aggregation import Verdict

if TYPE_CHECKING:
    from proxyset.server.database import Database

Row = TypeVar("Row")
ID_DIGITS = 12  # of a token's hash, by which it is named


@dataclass(frozen=True)
class Listed:
    """A client beside what it has sent: how many answers, what they cost it (ρ, by its own statements), their bytes."""

    client: Client
    answers: int
    rho: float
    bytes: int


@dataclass(frozen=True)
class ReportSent:
    """A report for a sum of two parties: by whom, when it came, its bytes; what the two found, or None before they have looked."""

    client: str
    name: str
    received: datetime
    size: int
    verdict: Verdict | None


@dataclass(frozen=True)
class Asked:
    """A campaign beside how many answers it has, and their bytes."""

    campaign: Campaign
    answers: int
    bytes: int


@dataclass(frozen=True)
class Arrived:
    """How many answers came to a campaign, or to all; their bytes, and when the last one came."""

    answers: int
    bytes: int
    last: datetime | None


class Lists:
    """The lists of one state. Nothing here writes. Every list is newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def clients(self, wanted: str = "", page: int = 1) -> Part[Listed]:
        """Clients, revoked ones too; searched by name and by the first digits of the key."""
        of = "FROM releases WHERE client = c.key"
        return self._part(
            "c.key, c.name, c.enrolled, c.revoked, "
            f"(SELECT count(*) {of}), (SELECT sum(rho) {of}), (SELECT sum(length(data)) {of})",
            "clients c",
            ("c.name", "c.key"),
            "c.enrolled DESC, c.key",
            lambda row: Listed(client_of(row[:4]), row[4], float(row[5] or 0), int(row[6] or 0)),
            wanted,
            page,
        )

    def answers(
        self, campaign: str, wanted: str = "", page: int = 1, size: int = ROWS
    ) -> Part[ReleaseRecord]:
        """The releases of a campaign; searched by the client's name and the first digits of its key."""
        return self._part(
            RELEASE,
            RELEASES,
            ("c.name", "c.key"),
            "r.received DESC, r.fingerprint",
            release_of,
            wanted,
            page,
            ("r.campaign = ?", [campaign]),
            size,
        )

    def reports(self, campaign: str, wanted: str = "", page: int = 1, size: int = ROWS) -> Part[ReportSent]:
        """The reports of a campaign of two parties; searched by the client's name and the first digits of its key."""
        return self._part(
            "r.client, c.name, r.received, r.size, r.verdict",
            "sum_reports r JOIN clients c ON c.key = r.client",
            ("c.name", "c.key"),
            "r.received DESC, r.client",
            _report,
            wanted,
            page,
            ("r.campaign = ?", [campaign]),
            size,
        )

    def arrived_reports(self, campaign: str) -> Arrived:
        """How many reports came to a campaign of two parties."""
        query = "SELECT count(*), sum(size), max(received) FROM sum_reports WHERE campaign = ?"
        return _arrived(*self._database.rows(query, campaign))

    def campaigns(self, wanted: str = "", page: int = 1, among: Collection[str] | None = None) -> Part[Asked]:
        """Campaigns, or some of them; searched by name and purpose."""
        marks = ", ".join("?" * len(among or ()))
        only = ("", []) if among is None else (f"c.id IN ({marks})", list[object](among))
        of = "FROM releases WHERE campaign = c.id"
        return self._part(
            f"(SELECT count(*) {of}), (SELECT sum(length(data)) {of}), c.*",
            "campaigns c",
            ("c.id", "c.purpose"),
            "c.created DESC, c.id",
            lambda row: Asked(campaign_of(row[2:]), row[0], int(row[1] or 0)),
            wanted,
            page,
            only,
            size=20,
        )

    def invitations(self, wanted: str = "", page: int = 1) -> Part[Token]:
        """Enrolment tokens that can still be used; searched by name."""
        return self._part(
            "t.hash, t.name, t.created, t.expires",
            "tokens t",
            ("t.name",),
            "t.created DESC, t.hash",
            lambda row: Token(row[0][:ID_DIGITS], row[1], time_of(row[2]), time_of(row[3]), None),
            wanted,
            page,
            ("t.client IS NULL AND t.expires > ?", [text_of(now())]),
        )

    def operators(self, wanted: str = "", page: int = 1) -> Part[Operator]:
        """Operators, revoked ones too; searched by name."""
        return self._part(
            "o.name, o.scopes, o.created, o.revoked, o.until",
            "operators o",
            ("o.name",),
            "o.created DESC, o.name",
            operator_of,
            wanted,
            page,
        )

    def acts(self, wanted: str = "", page: int = 1) -> Part[Act]:
        """What operators did; searched by who, what, and to what."""
        return self._part(
            "a.at, a.who, a.way, a.act, a.object",
            "acts a",
            ("a.who", "a.act", "a.object"),
            "a.id DESC",
            lambda row: Act(time_of(row[0]), *row[1:]),
            wanted,
            page,
        )

    def arrived(self, campaign: str) -> Arrived:
        """How much has come to a campaign."""
        query = "SELECT count(*), sum(length(data)), max(received) FROM releases WHERE campaign = ?"
        return _arrived(*self._database.rows(query, campaign))

    def arrived_in_all(self) -> Arrived:
        """How much has come to all campaigns, answers and reports."""
        queries = (
            "SELECT count(*), sum(length(data)), max(received) FROM releases",
            "SELECT count(*), sum(size), max(received) FROM sum_reports",
        )
        return _arrived(*(self._database.rows(query)[0] for query in queries))

    def enrolled(self) -> int:
        """How many clients there are that were not revoked."""
        ((count,),) = self._database.rows("SELECT count(*) FROM clients WHERE revoked IS NULL")
        return int(count)

    def open_campaigns(self) -> int:
        """How many campaigns were not closed."""
        ((count,),) = self._database.rows("SELECT count(*) FROM campaigns WHERE closed IS NULL")
        return int(count)

    def _part(
        self,
        columns: str,
        source: str,
        searched: tuple[str, ...],
        order: str,
        make: Callable[[Any], Row],
        wanted: str,
        page: int,
        only: tuple[str, list[object]] = ("", []),
        size: int = ROWS,
    ) -> Part[Row]:
        """A page of what a search finds. A page beyond the last is the last."""
        wheres, values = [only[0]] if only[0] else [], list(only[1])
        if wanted:
            wheres.append(
                "(" + " OR ".join(f"lower({name}) LIKE lower(?) ESCAPE '!'" for name in searched) + ")"
            )
            values += [f"%{_literal(wanted)}%"] * len(searched)
        found = f"FROM {source}" + (" WHERE " + " AND ".join(wheres) if wheres else "")
        ((total,),) = self._database.rows(f"SELECT count(*) {found}", *values)
        page = min(max(1, page), pages_of(total, size))
        rows = self._database.rows(
            f"SELECT {columns} {found} ORDER BY {order} LIMIT ? OFFSET ?", *values, size, (page - 1) * size
        )
        return Part([make(row) for row in rows], int(total), page, wanted, size)


def _report(row: tuple[Any, ...]) -> ReportSent:
    client, name, received, size, verdict = row
    return ReportSent(client, name, time_of(received), size, None if verdict is None else Verdict(verdict))


def _arrived(*rows: tuple[Any, ...]) -> Arrived:
    """Rows of number, bytes and last, together."""
    last = max((str(row[2]) for row in rows if row[2]), default=None)
    return Arrived(sum(row[0] for row in rows), sum(int(row[1] or 0) for row in rows), maybe_time(last))


def _literal(wanted: str) -> str:
    """A text as LIKE takes it literally."""
    for sign in "!%_":
        wanted = wanted.replace(sign, "!" + sign)
    return wanted
