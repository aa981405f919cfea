"""One ask as its owner sees it: what it would cost, what it would be worth, and what stands in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from proxyset.agent.history import Sent, history
from proxyset.agent.inbox import Ask
from proxyset.agent.needs import Needs, needs_of
from proxyset.agent.page.settings import Settings
from proxyset.client.chain import ANSWERS, Entry
from proxyset.client.decisions import decision, is_spent
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.pins import check_pin
from proxyset.client.plan import SPREAD, captured
from proxyset.client.policy import Policy, in_force
from proxyset.client.private_data import matching_encoder
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ProxysetError, Refused
from proxyset.page.words import percent
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement
from proxyset.wire.server_name import recorded_name

State = Literal["waiting", "approved", "answered", "refused"]
_NO_POLICY = (
    "No policy is in force, and exact counts leave only where one says that you accept a sum of two parties: put "
    'aggregation = "two-party" and the helper\'s key into one (proxyset client ledger policy).'
)
GUESSES = (100, 300, 1_000, 3_000, 10_000)


@dataclass(frozen=True)
class Standing:
    """Where the budget stands, in all or for one server, without what takes long to compute (`ledger.Account`).

    Attributes:
        server: "" for all.
        cap: as (ε, δ), or None.
        left: share of the cap that is left, 0 to 1; 1 without a cap.
        spent_epsilon: what was spent, as ε at the cap's δ.
        remaining_rho: what can still be debited for this server, all caps considered.
        answers: how many were paid for.
    """

    server: str
    cap: Cap | None
    left: float
    spent_epsilon: float
    remaining_rho: float
    answers: int


@dataclass(frozen=True)
class Check:
    """One thing that must hold before an answer is given.

    Attributes:
        verdict: "good", "bad", or "ask" when the owner's word settles it.
        words: what was found.
    """

    verdict: Literal["good", "bad", "ask"]
    words: str


@dataclass(frozen=True)
class Share:
    """What an answer would take of one cap, all in ρ.

    Attributes:
        name: "" for the cap of all answers, else the server's.
        cap, spent, cost: of the cap, before the answer, and of the answer.
    """

    name: str
    cap: float
    spent: float
    cost: float

    def left(self, spent: float) -> float:
        """The share of the cap that is left when so much is spent."""
        return max(0.0, 1 - spent / self.cap)

    @property
    def fits(self) -> bool:
        return self.spent + self.cost <= self.cap


@dataclass(frozen=True)
class Worth:
    """What is to be expected with about so many records: see `plan.Plan`."""

    records: int
    captured: float
    without: float


@dataclass(frozen=True)
class Question:
    """All that the page of an ask shows.

    Attributes:
        needs: what the records must be for it.
        stored: the answer that is in the ledger for these settings, which would be sent again at no cost.
        new_index: whether answering means to accept another index from this server.
    """

    ask: Ask
    probe: Probe
    needs: Needs
    cost: PrivacyStatement
    state: State
    decision: Entry | None
    shares: list[Share]
    worth: list[Worth]
    checks: list[Check]
    answers: list[Sent]
    stored: bool
    new_index: bool


def standing(ledger: Ledger, server: str = "") -> Standing:
    """Where the budget stands."""
    cap, spent = ledger.cap(server), ledger.spent(server)
    return Standing(
        server=server,
        cap=cap,
        left=max(0.0, 1 - spent / cap.rho) if cap else 1.0,
        spent_epsilon=zcdp_epsilon(spent, cap.delta if cap else Cap().delta),
        remaining_rho=ledger.remaining(server),
        answers=sum(e.kind == "debit" and recorded_name(server) in ("", e.who) for e in ledger.entries()),
    )


def state_of(ledger: Ledger, ask: Ask) -> State:
    """What became of an ask, by the ledger."""
    decided = decision(ledger, ask.probe, ask.server)
    if decided is not None and decided.kind == "refusal":
        return "refused"
    if any(
        e.kind in ANSWERS and (e.probe, e.who) == (ask.probe, recorded_name(ask.server))
        for e in ledger.entries()
    ):
        return "answered"
    return "waiting" if decided is None or is_spent(ledger, decided) else "approved"


def examine(
    ledger: Ledger, ask: Ask, probe: Probe, settings: Settings, epsilon: float, records: int | None
) -> Question:
    """Work out the page of an ask at this ε, for about so many records.

    Reads the ledger and the probe, and no private item.

    Raises:
        InvalidInput: an impossible ε. LedgerError: the ledger cannot be trusted.
    """
    cost = settings.at(epsilon).statement() if ask.task is None else ask.task.privacy
    name = settings.dataset_name
    stored = (
        ledger.stored(ask.probe, name, cost) if ask.task is None else ledger.stored_report(ask.task, name)
    )
    new_index = _changes_index(ledger, probe, ask.server)
    return Question(
        ask=ask,
        probe=probe,
        needs=needs_of(probe.encoder),
        cost=cost,
        state=state_of(ledger, ask),
        decision=decision(ledger, ask.probe, ask.server),
        shares=shares_of(ledger, ask.server, cost.rho),
        worth=_worth(probe.clusters, cost.noise, records) if ask.task is None else [],
        checks=_checks(ledger, ask, probe, settings, cost, new_index),
        answers=[
            sent
            for sent in history(ledger)
            if (sent.entry.probe, sent.entry.who) == (ask.probe, recorded_name(ask.server))
        ],
        stored=stored is not None,
        new_index=new_index,
    )


def shares_of(ledger: Ledger, server: str, rho: float) -> list[Share]:
    """What an answer that costs `rho` would take of each cap that holds for `server`."""
    caps = ((name, ledger.cap_rho(name)) for name in dict.fromkeys(("", server)))
    return [Share(name, cap, ledger.spent(name), rho) for name, cap in caps if cap is not None]


def spending(shares: list[Share]) -> list[str]:
    """What an answer takes of each cap, in words for whoever is about to say yes."""
    return [
        f"It takes {percent(each.cost / each.cap)} of {'the budget for ' + each.name if each.name else 'your whole budget'}: "
        f"{percent(each.left(each.spent))} are left now, {percent(each.left(each.spent + each.cost))} then. That cannot be taken "
        "back, also if the answer never arrives."
        for each in shares
    ]


def encoder_check(policy: Policy, encoder: EncoderSpec) -> Check:
    """Whether a policy that allows this encoder names it, or allows any."""
    if encoder.fingerprint in policy.encoders:
        return Check("good", "Your policy names this encoder, which decides what is read of a record.")
    words = (
        "Your policy names no encoders, so it allows every one, and an encoder decides what is read of a record. What this one "
        f'reads is listed above; to allow it alone: encoders = ["{encoder.fingerprint}"].'
    )
    return Check("ask", words)


def refusal(check: Callable[[], object]) -> str:
    """What a check raises, in words; "" when it passes."""
    try:
        check()
    except ProxysetError as error:
        return str(error)
    return ""


def _worth(clusters: int, sigma: float, records: int | None) -> list[Worth]:
    numbers = GUESSES if records is None else (records,)
    without = max(1, round(SPREAD * clusters)) / clusters
    return [Worth(number, captured(number, clusters, sigma), without) for number in numbers]


def _changes_index(ledger: Ledger, probe: Probe, server: str) -> bool:
    try:
        check_pin(ledger, probe, server, new_index=False)
    except Refused:
        return True
    return False


def _checks(
    ledger: Ledger,
    ask: Ask,
    probe: Probe,
    settings: Settings,
    cost: PrivacyStatement,
    new_index: bool,
) -> list[Check]:
    policy, _ = in_force(ledger)
    checks = []
    if policy is None and ask.task is not None:
        checks.append(Check("bad", _NO_POLICY))
    elif policy is None:
        checks.append(Check("good", "No policy is in force: only the cap of the budget and you decide."))
    else:
        task = ask.task
        refused = refusal(
            lambda: (
                policy.check(probe, cost, ask.server, approved=True)
                if task is None
                else policy.check_task(probe, task, ask.server, approved=True)
            )
        )
        checks.append(Check("bad", refused) if refused else Check("good", "Your policy allows this answer."))
        if not refused:
            checks.append(encoder_check(policy, probe.encoder))
        if not refused and policy.approve_above is not None and cost.epsilon > policy.approve_above:
            words = f"Your policy wants a person’s approval above ε = {policy.approve_above:g}: yours, here."
            checks.append(Check("ask", words))
    if missing := refusal(lambda: matching_encoder(settings.terms.encoder, probe.encoder, "probe")):
        checks.append(Check("bad", f"Your records cannot be compared with these reference points: {missing}"))
    over = refusal(lambda: ledger.check(cost, ask.server))
    checks.append(Check("bad", over) if over else Check("good", "It fits into what is left of your budget."))
    if new_index:
        words = "This server asks about another collection than before. Say below whether you expect that."
        checks.append(Check("ask", words))
    return checks
