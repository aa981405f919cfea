"""The gate between private data and the wire. Everything that leaves passes here, in an order that no failure can turn round.

    1 validate   ledger, policy, decisions, pins, the question itself: public things alone
    2 recall     the same question, data set and terms again: the stored answer, bit for bit, at no cost
    3 vote       read, encode and count ALL private data; no record can make this fail
    4 ask        a person, if one is there, whether to go on
    5 debit      durably
    6 draw       the noise, once; it takes the debit, so there is none without
    7 store      the answer, durably, and sign its receipt if the ledger has a key
    8 return     it

An error in 1 to 4 debits nothing. An error or a crash in 6 or 7 keeps the debit and sends nothing.

Counts, labels and shares of counts are three kinds of question (`answer.Counts`, `labeling.Labels`, `shares.Shares`). For shares,
6 makes them instead of noise: whoever opens the sum draws that. Nothing but this module reaches `noise` and `shards`, and
import-linter says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from proxyset.client.chain import Entry
from proxyset.client.decisions import is_approved, was_drawn_for
from proxyset.client.ledger import Ledger
from proxyset.client.noise import gaussian
from proxyset.client.pins import check_pin, pin
from proxyset.client.policy import Policy, in_force
from proxyset.client.private_data import PrivateData, Tally
from proxyset.client.receipts import check_not_rolled_back, issue
from proxyset.client.shards import sharing
from proxyset.errors import Refused
from proxyset.wire.probe import Probe
from proxyset.wire.questions import LabelRelease, Questions
from proxyset.wire.release import PrivacyStatement, Release
from proxyset.wire.report import Report
from proxyset.wire.server_name import server_name
from proxyset.wire.task import Task

Votes = NDArray[np.int64]
Confirm = Callable[[Tally], bool]
Answer = TypeVar("Answer", Release, LabelRelease, Report)
Answered = TypeVar("Answered", Release, LabelRelease, Report, covariant=True)


class Draw(Protocol):
    """What leaves the gate: each call debits first."""

    def __call__(self, values: Votes, privacy: PrivacyStatement, note: str = "") -> Votes:
        """Integers with noise."""
        ...

    def share(self, votes: Votes, task: Task) -> Report:
        """Exact votes in two shares."""
        ...


class Question(Protocol[Answered]):
    """What is asked of private data, and how its answer is made."""

    @property
    def asked(self) -> Probe | Questions: ...

    @property
    def cost(self) -> PrivacyStatement:
        """All its draws as one statement: what a cap must have room for, and what an owner approves."""
        ...

    def permit(self, policy: Policy | None, server: str, approved: bool) -> None:
        """Raise Refused where the policy, or having none, says no. Sees nothing private."""
        ...

    def verify(self) -> None:
        """Raise Refused when the items it carries are not what they claim. Sees nothing private."""
        ...

    def stored(self, ledger: Ledger, dataset: str) -> Answered | None:
        """The newest answer to it that the ledger keeps for this data set."""
        ...

    def votes(self, private: PrivateData) -> Votes:
        """The exact counts. A total function: it fails for no record's sake."""
        ...

    def answer(self, votes: Votes, draw: Draw) -> Answered:
        """Its answer, out of what `draw` makes of the votes; what is not drawn must not depend on them."""
        ...


@dataclass(frozen=True)
class Gate:
    """Whose ledger pays, who asks, and what a person has agreed to.

    Attributes:
        ledger: pays; its policy, decisions and pins bind every answer.
        server: who asked; a cap can be set for each.
        fresh: draw, and debit, a new answer even if one is stored.
        approved: a person looked at this question and agrees; the policy in force may demand it. So does an approval in the
            ledger (`decisions.approve`), which is spent by one draw; a refusal there stands against both.
        new_index: the owner agrees that the server asks about another index than it committed to before.
        confirm: called before the debit with how the records were read; False stops, with `Refused`. That an answer stays
            out then depends on the data, and is the decision of a person who was told so. None, as for everything that runs
            unattended, asks nobody.
    """

    ledger: Ledger
    server: str = ""
    fresh: bool = False
    approved: bool = False
    new_index: bool = False
    confirm: Confirm | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", server_name(self.server))  # one server, one name

    def answer(self, question: Question[Answer], private: PrivateData) -> Answer:
        """The answer to a question, paid for.

        Sensitivity:
            That of each statement the question draws under; its module shows that it bounds the votes.
        Unit:
            That of the statement.
        Guarantee:
            What is returned is (ε, δ)-DP and ρ-zCDP as it states, for any question, any encoder and any records. Whether
            something is returned, and which error is raised instead, depends on public things, earlier noisy answers and
            the person behind `confirm` alone: it is the same for this data set and for every other of the same name. How
            long it takes is not covered (`agent` says what sends at times of its own).
        Assumes:
            One ledger for all answers about the same people. The disk has room, and the machine memory, for every data set.

        Raises:
            BudgetExceeded: the debit would pass a cap. Refused: the owner or the policy says no, the server is pinned to
                another index, or the question's items are not what they claim. (After a debit only for
                `Policy.fewest_records`, which sees the noisy counts.)
            LedgerError: the ledger cannot be trusted or written. TransportError, OSError: the data cannot be read at all.
        """
        ledger, name = self.ledger, private.name
        check_not_rolled_back(ledger)
        policy, policy_hash = in_force(ledger)
        stored = self._recalled(question, name)
        self._permit(question, policy, stored)
        question.verify()
        if stored is not None:
            self._pin(question)
            return self._sendable(stored, policy)
        ledger.check(question.cost, self.server)
        votes = question.votes(private)
        if self.confirm is not None and not self.confirm(private.tally):
            raise Refused("you chose not to answer: nothing was debited, nothing sent")

        with ledger.exclusive():
            stored = self._recalled(question, name)
            self._permit(question, policy, stored)  # another process may have spent the approval meanwhile
            self._pin(question)
            if stored is not None:
                return self._sendable(stored, policy)
            ledger.check(question.cost, self.server)  # has room for all draws, before the first
            till = _Till(ledger, question.asked.fingerprint, name, self.server, policy_hash)
            answer = question.answer(votes, till)
            ledger.store(till.debits[-1], answer)
            return self._sendable(answer, policy)

    def _permit(
        self, question: Question[Any], policy: Policy | None, stored: Release | LabelRelease | Report | None
    ) -> None:
        asked = question.asked
        agreed = is_approved(self.ledger, asked.fingerprint, self.server, question.cost) or self.approved
        if stored is not None and not agreed:  # what was agreed to when it was drawn needs no second yes
            agreed = was_drawn_for(self.ledger, stored, self.server)
        question.permit(policy, self.server, agreed)
        if isinstance(asked, Probe):
            check_pin(self.ledger, asked, self.server, self.new_index)

    def _pin(self, question: Question[Any]) -> None:
        if isinstance(question.asked, Probe):
            pin(self.ledger, question.asked, self.server, self.new_index)

    def _recalled(self, question: Question[Answer], dataset: str) -> Answer | None:
        return None if self.fresh else question.stored(self.ledger, dataset)

    def _sendable(self, answer: Answer, policy: Policy | None) -> Answer:
        if policy and isinstance(answer, Release):
            policy.withhold(answer)
        receipt = issue(self.ledger, answer)
        return replace(answer, receipt=receipt.to_bytes()) if receipt else answer


@dataclass(frozen=True)
class _Till:
    """A `Draw` that pays from a ledger. Whatever can fail does so before the debit."""

    ledger: Ledger
    probe: str
    dataset: str
    server: str
    policy: str
    debits: list[Entry] = field(default_factory=list)

    def __call__(self, values: Votes, privacy: PrivacyStatement, note: str = "") -> Votes:
        add_noise = gaussian(values.size, privacy)
        return add_noise(values, self._pay(privacy, note))

    def share(self, votes: Votes, task: Task) -> Report:
        if any(report.task == task for _, report in self.ledger.reports()):
            raise Refused(
                f"this ledger has a report for campaign {task.campaign} already. In one sum the same people count once: a second "
                "report, of the same data or of others, would double what the sum tells of them, and cost four times as much"
            )
        make_shares = sharing(task)
        return make_shares(votes, self._pay(task.privacy, task.words(), task))

    def _pay(self, privacy: PrivacyStatement, note: str, task: Task | None = None) -> Entry:
        paid = self.ledger.debit(
            privacy,
            probe=self.probe,
            dataset=self.dataset,
            server=self.server,
            policy=self.policy,
            note=note,
            task=task,
        )
        self.debits.append(paid)
        return paid
