"""Records as the rows of a server's state, and back. Times are ISO 8601 to the millisecond."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from proxyset.server.records import Campaign, Client, Operator, ReleaseRecord
from proxyset.wire.campaign import Ask

Row = tuple[Any, ...]


def campaign_row(campaign: Campaign) -> Row:
    """As `campaign_of` reads it."""
    return (
        campaign.id,
        campaign.index,
        campaign.probe,
        campaign.purpose,
        campaign.ask.model_dump_json(),
        campaign.budget,
        campaign.strategy,
        text_of(campaign.deadline),
        text_of(campaign.created),
        text_of(campaign.closed),
    )


def campaign_of(row: Row) -> Campaign:
    """From all columns of `campaigns`."""
    id, index, probe, purpose, ask, budget, strategy, deadline, created, closed = row
    times = (maybe_time(deadline), time_of(created), maybe_time(closed))
    return Campaign(id, index, probe, purpose, _ask(ask), budget, strategy, *times)


def client_of(row: Row) -> Client:
    """From key, name, enrolled, revoked."""
    key, name, enrolled, revoked = row
    return Client(key, name, time_of(enrolled), maybe_time(revoked))


def operator_of(row: Row) -> Operator:
    """From name, scopes, created, revoked, until."""
    name, scopes, created, revoked, until = row
    held = frozenset(filter(None, scopes.split(",")))
    return Operator(name, held, time_of(created), maybe_time(revoked), maybe_time(until))


RELEASE = "r.campaign, r.client, c.name, r.fingerprint, r.epsilon, r.delta, r.sigma, r.rho, r.received, length(r.data)"
RELEASES = "releases r JOIN clients c ON c.key = r.client"


def release_of(row: Row) -> ReleaseRecord:
    """From `RELEASE` of `RELEASES`."""
    campaign, client, name, fingerprint, epsilon, delta, sigma, rho, at, size = row
    return ReleaseRecord(campaign, client, name, fingerprint, epsilon, delta, sigma, rho, time_of(at), size)


def text_of(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def maybe_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@lru_cache(maxsize=1000)
def _ask(text: str) -> Ask:
    return Ask.model_validate_json(text)
