"""Beginning a campaign of two parties: its task, agreed with the helper before any client is asked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset.cloud.index import Index
from proxyset.errors import InvalidInput, StateError, TransportError, UnknownName, first_problem
from proxyset.server import campaigns
from proxyset.server.records import Campaign
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of
from proxyset.transport.request import ANSWER_LIMIT, request
from proxyset.wire.campaign import Ask
from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement
from proxyset.wire.signing import public_half
from proxyset.wire.task import Task


class About(BaseModel):
    """What a helper says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    minimum: int = Field(ge=2)


@dataclass(frozen=True)
class Agreement:
    """What leader and helper agree on.

    Attributes:
        url, ca: of the helper; its authority's PEM file, or None for those that the system trusts.
        key: the helper's, as its operator told; "" takes what the helper says over TLS.
        minimum: the fewest reports of the sum.
        most: the most votes of a report.
        privacy: what one aggregator's noise gives.
        floor: ε of one vote against both together; 0 for none.
    """

    url: str
    ca: Path | None
    key: str
    minimum: int
    most: int
    privacy: PrivacyStatement
    floor: float = 0


def about(url: str, ca: Path | None = None) -> About:
    """What the helper at a URL says of itself. Raises TransportError."""
    answer = request("GET", url.rstrip("/") + "/v1/helper", most=ANSWER_LIMIT, ca=ca)
    try:
        return About.model_validate_json(answer.accepted(f"{url} is asked for its key"))
    except ValidationError as error:
        raise TransportError(f"{url} is no helper: {error.errors()[0]['msg']}") from None


def create(state: State, id: str, index: Index, ask: Ask, agreed: Agreement, **options: Any) -> Campaign:
    """Begin a campaign whose clients send reports.

    Args:
        options: as `campaigns.create` takes them.

    Raises:
        InvalidInput: the helper has another key or a larger minimum, or the numbers do not go together.
        StateError: the name is taken. TransportError: the helper cannot be reached.
    """
    try:
        state.campaign(id)
    except UnknownName:
        pass
    else:
        raise StateError(f"there is a campaign {id!r} already: choose another name")
    said, sums = about(agreed.url, agreed.ca), sums_of(state)
    if agreed.key and said.key != agreed.key:
        raise InvalidInput(f"the helper at {agreed.url} has the key {said.key}, not {agreed.key}")
    if said.minimum > agreed.minimum:
        raise InvalidInput(
            f"this helper opens sums of {said.minimum} reports or more: the minimum must be {said.minimum}, not {agreed.minimum}"
        )

    def before(probe: Probe) -> None:
        try:
            task = Task(
                campaign=id,
                probe=probe.fingerprint,
                index=probe.index,
                clusters=probe.clusters,
                most=agreed.most,
                privacy=agreed.privacy,
                minimum=agreed.minimum,
                floor=agreed.floor,
                leader=public_half(sums.key()),
                helper=said.key,
                nonce=secrets.token_hex(32),
            )
        except ValidationError as error:
            raise InvalidInput(first_problem(error, "task")) from None
        if task.privacy.unit == "record" and not task.per_cluster:
            raise InvalidInput(
                f"a report of at most {task.most} votes has none for each of {task.clusters} clusters: allow "
                f"{16 * task.clusters} or more; fewer are for clients who are one person (unit person)"
            )
        from proxyset.server.two_party.store import Sum

        sums.add(Sum(task, agreed.url, agreed.ca and agreed.ca.absolute()))

    return campaigns.create(state, id, index, ask, before=before, **options)
