"""What a server and an agent say to each other about campaigns, beside the probe and the release."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from proxyset.wire.container import Sha256
from proxyset.wire.release import PrivacyStatement
from proxyset.wire.task import Task

CampaignId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
OFFERS_LIMIT = 1 << 20  # bytes of a list of offers


class Ask(BaseModel):
    """What a campaign wants of an answer. The owner gives that, less, or nothing.

    Attributes:
        epsilon_low, epsilon_high: ε of a release; one outside is of no use here.
        delta: the largest δ.
        unit, max_records, adjacency: what must be protected, as in a privacy statement.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon_low: float = Field(default=0.001, ge=0.001, le=100)
    epsilon_high: float = Field(default=1.0, ge=0.001, le=100)
    delta: float = Field(default=1e-5, gt=0, lt=0.5)
    unit: Literal["record", "person"] = "record"
    max_records: int = Field(default=1, ge=1, le=1_000_000)
    adjacency: Literal["add-remove", "replace-one"] = "add-remove"

    @model_validator(mode="after")
    def _in_order(self) -> Ask:
        if self.epsilon_low > self.epsilon_high:
            raise ValueError(f"the lowest ε, {self.epsilon_low}, is above the highest, {self.epsilon_high}")
        return self

    def objection(self, privacy: PrivacyStatement) -> str:
        """Why a release of this statement does not answer the campaign; "" when it does."""
        if not self.epsilon_low <= privacy.epsilon <= self.epsilon_high or privacy.delta > self.delta:
            return (
                f"asked for ε from {self.epsilon_low:g} to {self.epsilon_high:g} at δ up to {self.delta:g}, "
                f"this is ε = {privacy.epsilon:g} at δ = {privacy.delta:g}"
            )
        asked = (self.unit, self.max_records, self.adjacency)
        given = (privacy.unit, privacy.max_records, privacy.adjacency)
        if asked != given:
            return f"asked for unit, record bound and adjacency {asked}, this has {given}"
        return ""


class Offer(BaseModel):
    """An open campaign, as one client sees it.

    Attributes:
        campaign: its name.
        purpose: what the server says it wants the answers for; the probe repeats it.
        probe, probe_bytes, clusters: fingerprint and size of what would be answered.
        ask: what is wanted.
        deadline: until when, or None.
        answered: whether the server has this client's release.
        model: SHA-256 of a model to fetch, or "".
        task: what a report is made for, where a two-party sum is asked for; None where a release is.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer server may say more

    campaign: CampaignId
    purpose: str = Field(max_length=500)
    probe: Sha256
    probe_bytes: int = Field(ge=1)
    clusters: int = Field(ge=1)
    ask: Ask
    deadline: datetime | None = None
    answered: bool = False
    model: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    task: Task | None = None


class Offers(BaseModel):
    """The answer to GET /v1/campaigns."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    campaigns: list[Offer]


class Enrolment(BaseModel):
    """The body of POST /v1/enroll. The key to pin is the one that signs the request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str = Field(min_length=20, max_length=200)


class Enrolled(BaseModel):
    """The answer to an enrolment: the pinned key and the name that the operator gave the client."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    client: Sha256
    name: str = Field(max_length=200)


class Acknowledgement(BaseModel):
    """The answer to a release: it is on the server's disk."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    release: Sha256
