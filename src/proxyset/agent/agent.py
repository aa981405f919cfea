"""The agent as a service: look for open campaigns, check each against the owner's policy, answer, and again.

    offers → policy → (approval) → answer → send → acknowledged

What it did is in the ledger, and what the server has is on the server, so the agent keeps no state of its own: killed at any
moment and started again, it goes on, and an answer that was drawn is sent again, not drawn again. An offer that was refused,
or waits for its owner, is looked at again when the ledger changes (a policy, a decision, a cap).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from proxyset.agent import inbox
from proxyset.client.answer import answer
from proxyset.client.calibration import Adjacency, Unit, privacy_statement
from proxyset.client.ledger import Ledger
from proxyset.client.policy import in_force
from proxyset.client.private_data import Data
from proxyset.errors import (
    ApprovalNeeded,
    ArtifactError,
    InvalidInput,
    LedgerError,
    ProxysetError,
    Refused,
    Rejected,
    TransportError,
)
from proxyset.transport.service import Service
from proxyset.wire.campaign import Offer
from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement

Report = Callable[[str, dict[str, object]], None]
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0


@dataclass(frozen=True)
class Terms:
    """What the owner gives, as `answer` takes it; `epsilon` is the most for one answer."""

    data: Data
    epsilon: float
    delta: float = 1e-5
    unit: Unit = "record"
    max_records: int = 1
    person: str | None = None
    adjacency: Adjacency = "add-remove"
    dataset: str | None = None
    encoder: str | None = None

    def statement(self, offer: Offer) -> PrivacyStatement:
        """What an answer to this offer would guarantee: no more loss than asked for, and no more than given.

        Raises:
            Refused: the offer asks for what is not given.
        """
        epsilon = min(self.epsilon, offer.ask.epsilon_high)
        privacy = privacy_statement(epsilon, self.delta, self.unit, self.adjacency, self.max_records)
        if objection := offer.ask.objection(privacy):
            raise Refused(f"campaign {offer.campaign!r} {objection}")
        return privacy


class Fate(StrEnum):
    """What became of an offer."""

    answered = "answered"
    waiting = "waiting"  # for its owner
    refused = "refused"
    rejected = "rejected"  # the server did not take the answer
    failed = "failed"  # this time


@dataclass
class Agent:
    """Answers the campaigns of one server.

    Sensitivity:
        None of its own: what is sent is what `answer` returned.
    Unit:
        That of the terms.
    Guarantee:
        Every release sent was debited, and allowed by the policy and by the owner's decisions; a refused offer costs nothing
        and sends nothing. That and when it asks for offers and probes depends on nothing private.
    Assumes:
        As `answer`. When an answer arrives depends on how long the records took; start it at times of your own.

    Attributes:
        service: the server.
        ledger: bound by a policy.
        terms: what the owner gives.
        report: told what happens, as (event, facts); for the owner's eyes.
    """

    service: Service
    ledger: Ledger
    terms: Terms
    report: Report
    _settled: dict[tuple[str, str], tuple[str, Fate]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if in_force(self.ledger)[0] is None:
            raise InvalidInput(
                f"no policy is in force in {self.ledger.path}, and nobody looks at what a service answers: write one "
                "(proxyset client init) and adopt it (proxyset ledger policy)"
            )

    def round(self) -> dict[str, Fate]:
        """Consider every open campaign once; what became of each, those answered earlier left out.

        Raises:
            TransportError: the server cannot be reached, or wants to be asked later.
            LedgerError: the ledger cannot be trusted or written.
        """
        fates = {}
        for offer in self.service.offers():
            if not offer.answered:
                fates[offer.campaign] = self._consider(offer)
        return fates

    def run(self, every: float, stop: threading.Event) -> None:
        """Rounds, about `every` seconds apart, until `stop` is set. After a failure the waits grow from 1 s to 5 minutes.

        Raises:
            LedgerError: the ledger cannot be trusted or written; nothing is answered from it.
        """
        failures = 0
        while not stop.is_set():
            wait = every * random.uniform(0.8, 1.2)  # so that a fleet does not ask in step
            try:
                self.round()
                failures = 0
            except TransportError as error:
                failures += 1
                wait = max(backoff(failures), error.retry_after)
                self.report(
                    "unreachable", {"error": str(error), "failures": failures, "wait": round(wait, 1)}
                )
            stop.wait(wait)

    def _consider(self, offer: Offer) -> Fate:
        at, head = (offer.campaign, offer.probe), self.ledger.entries()[-1].hash
        if at in self._settled and self._settled[at][0] == head:
            return self._settled[at][1]
        begin, facts = time.monotonic(), {"campaign": offer.campaign, "probe": offer.probe[:12]}
        try:
            facts |= self._answer(offer)
            fate = Fate.answered
        except ApprovalNeeded as error:
            fate, facts["why"] = Fate.waiting, str(error)
        except Refused as error:
            fate, facts["why"] = Fate.refused, str(error)
        except Rejected as error:
            fate, facts["why"] = Fate.rejected, str(error)
        except (TransportError, LedgerError):
            raise
        except ProxysetError as error:  # data or a probe that cannot be read
            fate, facts["why"] = Fate.failed, str(error)
        self.report(fate.value, {**facts, "seconds": round(time.monotonic() - begin, 2)})
        if fate is not Fate.failed:
            self._settled[at] = (self.ledger.entries()[-1].hash, fate)
        return fate

    def _answer(self, offer: Offer) -> dict[str, str]:
        terms, privacy = self.terms, self.terms.statement(offer)
        data = self.service.probe(offer.campaign)
        probe = Probe.from_bytes(data)
        if probe.fingerprint != offer.probe:
            raise ArtifactError(
                f"the server offers the probe {offer.probe[:12]} and sends {probe.fingerprint[:12]}: nothing was answered"
            )
        try:
            release = answer(
                probe,
                terms.data,
                epsilon=privacy.epsilon,
                delta=privacy.delta,
                unit=terms.unit,
                max_records=terms.max_records,
                person=terms.person,
                adjacency=terms.adjacency,
                ledger=self.ledger,
                server=self.service.url,
                dataset=terms.dataset,
                encoder=terms.encoder,
            )
        except ApprovalNeeded:
            inbox.put(self.ledger, data, self.service.url, agent=True)
            raise
        acknowledged = self.service.send(offer.campaign, release.to_bytes())
        if acknowledged != release.fingerprint:
            raise ArtifactError(
                f"the server acknowledges {acknowledged[:12]}, sent was {release.fingerprint[:12]}"
            )
        return {"release": release.fingerprint[:12]}


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: twice as long each time, up to 5 minutes, the half of it chance."""
    return random.uniform(0.5, 1.0) * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (min(failures, 30) - 1))
