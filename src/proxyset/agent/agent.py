"""The agent as a service: look for open campaigns, check each against the owner's policy, answer, and again.

    offers → terms → probe → policy → (approval) → debit, draw, store ┄ silence until the hold is over ┄ send → acknowledged

What it did is in the ledger, what it has asked for and not answered is among its errands, and what the server has is on the
server. Killed at any moment and started again, it goes on: an answer that was drawn is sent again, not drawn again. An offer
that was refused, or waits for its owner, is looked at again when the ledger changes (a policy, a decision, a cap).

These are all its requests, and what decides about them:

    GET offers      at moments of a schedule that was fixed when the agent began; never while an errand is open
    GET probe       in the same round, where the owner's terms are what the offer asks for; again only when an answer failed,
                    or the ledger has changed since the owner or the policy said no
    GET encoder     with the probe, where it is not on this machine and the policy lets the agent fetch it (fetch_encoders)
    POST release    or report, where a two-party sum is asked for: a whole multiple of the hold after that round began, for all
                    errands of it together, in the order of their names: campaigns that the terms, the policy and the owner
                    allow. Its size follows from the probe and the terms

Offers, probes, terms, policy, decisions and earlier answers decide; all of them are public, the owner's, or paid for. How long
the work on the data took decides only the multiple, and is loudly told to the owner where it is not 1.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from proxyset.agent import errands, inbox
from proxyset.agent.encoders import fetch_unattended
from proxyset.agent.errands import Errand
from proxyset.agent.moments import due, rounds, wait_until
from proxyset.client.answer import answer_probe
from proxyset.client.gate import Gate
from proxyset.client.ledger import Ledger
from proxyset.client.policy import in_force
from proxyset.client.private_data import Data, Tally
from proxyset.client.shares import objection, share_votes
from proxyset.client.terms import Terms
from proxyset.encoders.kept import TRAVELLING, kept
from proxyset.errors import (
    ApprovalNeeded,
    ArtifactError,
    EncoderMissing,
    InvalidInput,
    LedgerError,
    MissingExtra,
    ProxysetError,
    Refused,
    Rejected,
    TransportError,
)
from proxyset.transport.service import Service
from proxyset.wire.campaign import Offer
from proxyset.wire.probe import PROBE_LIMIT, Probe
from proxyset.wire.release import Release
from proxyset.wire.report import Report as Shared

Report = Callable[[str, dict[str, object]], None]
HOLD = 900.0  # seconds: ordinary data are read and encoded in less
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0


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
        and sends nothing. Nothing that a server sends chooses ε or another term: an offer that asks for others is refused.
        What it asks for, and when, depends on nothing private; when it sends depends on the data through the number of holds
        that the work took, alone (`moments.due`).
    Assumes:
        As `answer`: whether it returns a release depends on no record. The work takes less than the hold. Nobody but the
        server, and who sees the network, watches: a process of another user on this machine sees it work.

    Attributes:
        service: the server.
        ledger: bound by a policy.
        terms: what the owner gives. It goes as it is, or not at all.
        data: the private data.
        report: told what happens, as (event, facts); for the owner's eyes.
        dataset: the owner's name for the data.
        hold: public; seconds from a probe to its answer.
    """

    service: Service
    ledger: Ledger
    terms: Terms
    data: Data
    report: Report
    dataset: str | None = None
    hold: float = HOLD
    _settled: dict[tuple[str, str], tuple[str, Fate]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.hold <= 0:
            raise InvalidInput(f"a hold of {self.hold} s: it is greater than 0")
        if in_force(self.ledger)[0] is None:
            raise InvalidInput(
                f"no policy is in force in {self.ledger.path}, and nobody looks at what a service answers: write one "
                "(proxyset client init) and adopt it (proxyset client ledger policy)"
            )

    def round(self, stop: threading.Event | None = None) -> dict[str, Fate]:
        """Consider every open campaign once, or finish what an earlier round left; what became of each, those answered
        earlier left out.

        Args:
            stop: set when the agent should end. With it, the round ends when the hold is over even if there is nothing to
                send, so that the next request says nothing about the work; without it, it ends at once then.

        Raises:
            TransportError: the server cannot be reached, or wants to be asked later.
            LedgerError: the ledger cannot be trusted or written.
        """
        began, fates = time.time(), dict[str, Fate]()
        open_errands = errands.kept(self.ledger, self.service.url) or self._asked(began, fates)
        drawn = {}
        for errand in open_errands:
            if (release := self._drawn(errand, fates)) is None:
                errands.done(self.ledger, errand)
            else:
                drawn[errand] = release
        if not drawn and (stop is None or not open_errands):
            return fates
        asked, now = max(errand.asked for errand in open_errands), time.time()
        moment = due(asked, self.hold, now)
        self._tell_of(moment, began, now)
        if wait_until(moment, stop):
            for errand, release in drawn.items():
                self._send(errand, release, fates)
        return fates

    def run(self, every: float, stop: threading.Event) -> None:
        """Rounds, about `every` seconds apart, until `stop` is set. After a failure the waits grow from 1 s to 5 minutes.

        Raises:
            LedgerError: the ledger cannot be trusted or written; nothing is answered from it.
        """
        failures, moments = 0, rounds(time.time(), every)
        next(moments)
        while not stop.is_set():
            try:
                self.round(stop)
                failures, now = 0, time.time()
                moment = next(moment for moment in moments if moment > now)
            except TransportError as error:
                failures += 1
                wait = max(backoff(failures), error.retry_after)
                moment = time.time() + wait
                self.report(
                    "unreachable", {"error": str(error), "failures": failures, "wait": round(wait, 1)}
                )
            wait_until(moment, stop)

    def _asked(self, began: float, fates: dict[str, Fate]) -> list[Errand]:
        """The probes of the offers that may be answered, as errands; the fates of the others. All that is asked of the server
        before the hold, and no look at the data."""
        room, head = PROBE_LIMIT, self.ledger.entries()[-1].hash
        privacy = self.terms.statement()
        for offer in self.service.offers():
            if offer.answered:
                continue
            settled_at, fate = self._settled.get((offer.campaign, offer.probe), ("", Fate.failed))
            if settled_at == head:
                fates[offer.campaign] = fate
                continue
            objected = (
                offer.ask.objection(privacy) if offer.task is None else objection(offer.task, self.terms)
            )
            if objected:
                why = f"campaign {offer.campaign!r} {objected}; nothing but the owner's own terms is given"
                self._settle(offer, Fate.refused, fates, {"why": why})
                continue
            room -= offer.probe_bytes
            if room < 0:
                break  # the rest in the next round
            data = self.service.campaign(offer.campaign).pull()
            self._fetch_lacking(offer.campaign, data)
            errand = Errand(
                server=self.service.url,
                campaign=offer.campaign,
                probe=offer.probe,
                asked=began,
                task=offer.task,
            )
            errands.put(self.ledger, errand, data)
        return errands.kept(self.ledger, self.service.url)

    def _fetch_lacking(self, campaign: str, data: bytes) -> None:
        """Fetch the encoder of a probe, where it is lacking and the policy lets the agent do that."""
        policy, _ = in_force(self.ledger)
        if policy is None or not policy.fetch_encoders or self.terms.encoder is not None:
            return
        try:
            spec = Probe.from_bytes(data).encoder
            if spec.name not in TRAVELLING or kept(spec):
                return
            package = self.service.encoder(campaign)
            found = fetch_unattended(package, spec.fingerprint, self.ledger, self.service.url, policy)
            facts = {"fetched": spec.fingerprint[:12], "folder": str(found.folder), "key": found.package.key}
        except (Rejected, Refused, ArtifactError, InvalidInput, MissingExtra) as error:
            facts = {"why": str(error)}
        self.report("encoder", {"campaign": campaign, **facts})

    def _drawn(self, errand: Errand, fates: dict[str, Fate]) -> Release | Shared | None:
        """The answer to an errand, drawn now or earlier; None, and its fate, when there is none."""
        begin, facts = time.monotonic(), dict[str, object]()
        try:
            return self._answer(errand)
        except ApprovalNeeded as error:
            fate, facts["why"] = Fate.waiting, str(error)
        except Refused as error:
            fate, facts["why"] = Fate.refused, str(error)
        except LedgerError:
            raise
        except EncoderMissing as error:
            fate, facts["why"] = (
                Fate.failed,
                f"{error}. Here: proxyset client fetch-encoder {errand.server} --campaign {errand.campaign}",
            )
        except ProxysetError as error:  # data or a probe that cannot be read
            fate, facts["why"] = Fate.failed, str(error)
        self._settle(errand, fate, fates, facts | {"seconds": round(time.monotonic() - begin, 2)})
        return None

    def _answer(self, errand: Errand) -> Release | Shared:
        terms, data = self.terms, errands.probe_of(self.ledger, errand)
        probe = Probe.from_bytes(data)
        if probe.fingerprint != errand.probe:
            raise ArtifactError(
                f"the server offers the probe {errand.probe[:12]} and sends {probe.fingerprint[:12]}: nothing was answered"
            )
        try:
            gate = Gate(self.ledger, self.service.url, confirm=self._tell_of_records)
            if errand.task is None:
                return answer_probe(probe, self.data, terms, gate, self.dataset)
            return share_votes(probe, errand.task, self.data, terms, gate, self.dataset)
        except ApprovalNeeded:
            inbox.put(self.ledger, data, self.service.url, agent=True, task=errand.task)
            raise

    def _send(self, errand: Errand, release: Release | Shared, fates: dict[str, Fate]) -> None:
        try:
            campaign = self.service.campaign(errand.campaign)
            if isinstance(release, Shared):
                campaign.report(release)
            else:
                campaign.push(release.to_bytes())
            fate, facts = Fate.answered, {"release": release.fingerprint[:12]}
        except Rejected as error:
            fate, facts = Fate.rejected, {"why": str(error)}
        errands.done(self.ledger, errand)
        self._settle(errand, fate, fates, facts)

    def _settle(
        self,
        of: Offer | Errand,
        fate: Fate,
        fates: dict[str, Fate],
        facts: dict[str, object] | dict[str, str],
    ) -> None:
        fates[of.campaign] = fate
        self.report(fate.value, {"campaign": of.campaign, "probe": of.probe[:12], **facts})
        if fate is not Fate.failed:
            self._settled[of.campaign, of.probe] = (self.ledger.entries()[-1].hash, fate)

    def _tell_of_records(self, tally: Tally) -> bool:
        """The owner learns of records without a vote; the answer leaves all the same."""
        if not tally.whole:
            self.report(
                "records", {"total": tally.total, "votes": tally.votes, "no_vote": dict(tally.no_vote)}
            )
        return True

    def _tell_of(self, moment: float, began: float, now: float) -> None:
        """The owner learns when the answers go and, loudly, when the work did not fit."""
        took = now - began
        facts: dict[str, object] = {
            "seconds": round(took, 2),
            "hold": self.hold,
            "sends_in": round(moment - now, 2),
        }
        if moment > began + self.hold * 1.001:
            advice = math.ceil(2 * took)
            facts["warning"] = (
                f"the work took {took:.0f} s, longer than the hold of {self.hold:g} s, so the moment of the answers tells the "
                f"server how many holds it took: start the agent with --hold {advice} or more"
            )
        self.report("late" if "warning" in facts else "holding", facts)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: twice as long each time, up to 5 minutes, the half of it chance."""
    return random.uniform(0.5, 1.0) * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (min(failures, 30) - 1))
