"""One ask as its owner sees it: what it would cost, what it would be worth, and what stands in its way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from proxyset.agent.history import Sent, history
from proxyset.agent.inbox import Ask
from proxyset.agent.needs import Needs, needs_of
from proxyset.agent.page.settings import Settings
from proxyset.client.chain import ANSWERS, Entry
from proxyset.client.decisions import decision, is_spent
from proxyset.client.label_plan import LabelPlan, plan_labels
from proxyset.client.label_privacy import whole_cost
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
from proxyset.wire.questions import LabelStatement, Questions
from proxyset.wire.release import PrivacyStatement
from proxyset.wire.server_name import recorded_name

State = Literal["waiting", "approved", "answered", "refused"]
_NO_POLICY = (
    "No policy is in force, and exact counts leave only where one says that you accept a sum of two parties: put "
    'aggregation = "two-party" and the helper\'s key into one (proxyset client ledger policy).'
)
_NO_POLICY_FOR_LABELS = (
    "No policy is in force, and labels leave only where one allows them: set most_questions in a policy, then put it in force "
    "(proxyset client ledger policy)."
)
_NO_LABELS = (
    "Where the labels of your records are was not said: start this page with --labels FILE, --label-column NAME or "
    "--folder-names."
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
        asked: what is asked, a probe or questions about labels.
        needs: what the records must be for it.
        cost: what the answer would state; `whole`: all its draws as one, what a cap must have room for.
        worth: of noisy counts, what to expect with about so many records.
        plans: of labels, likewise.
        stored: whether the answer under exactly these settings is in the ledger, and would be given again at no cost.
        new_index: whether answering means to accept another index from this server.
    """

    ask: Ask
    asked: Probe | Questions
    needs: Needs
    cost: PrivacyStatement | LabelStatement
    whole: PrivacyStatement
    state: State
    decision: Entry | None
    shares: list[Share]
    worth: list[Worth]
    plans: list[tuple[int, LabelPlan]]
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
    ledger: Ledger,
    ask: Ask,
    asked: Probe | Questions,
    settings: Settings,
    epsilon: float,
    records: int | None,
    honest: str = "",
) -> Question:
    """Work out the page of an ask at this ε, for about so many records.

    Reads the ledger and what is asked, and no private item.

    Args:
        honest: what is wrong with the items that it shows, or "".

    Raises:
        InvalidInput: an impossible ε. LedgerError: the ledger cannot be trusted.
    """
    name, server, task = settings.dataset_name, ask.server, ask.task
    numbers = GUESSES if records is None else (records,)
    cost: PrivacyStatement | LabelStatement
    worth, plans, new_index = list[Worth](), list[tuple[int, LabelPlan]](), False
    if isinstance(asked, Questions):
        m, K, terms = len(asked), len(asked.classes), settings.at(epsilon)
        cost = labels = settings.voting.statement(m, terms)
        whole, stored = whole_cost(labels), ledger.stored_labels(ask.probe, name, labels) is not None
        plans = [(n, plan_labels(n, m, K, lambda k: settings.voting.statement(k, terms))) for n in numbers]

        def permit(policy: Policy) -> None:
            policy.check_questions(asked, labels, server, approved=True)
    else:
        cost = whole = settings.at(epsilon).statement() if task is None else task.privacy
        new_index = _changes_index(ledger, asked, server)
        if task is None:
            stored = ledger.stored(ask.probe, name, whole) is not None
            worth = _worth(asked.clusters, whole.noise, numbers)
        else:
            stored = ledger.stored_report(task, name) is not None

        def permit(policy: Policy) -> None:
            if task is None:
                policy.check(asked, whole, server, approved=True)
            else:
                policy.check_task(asked, task, server, approved=True)

    question = Question(
        ask=ask,
        asked=asked,
        needs=needs_of(asked.encoder),
        cost=cost,
        whole=whole,
        state=state_of(ledger, ask),
        decision=decision(ledger, ask.probe, server),
        shares=shares_of(ledger, server, cost.rho),
        worth=worth,
        plans=plans,
        checks=[],
        answers=[
            sent
            for sent in history(ledger)
            if (sent.entry.probe, sent.entry.who) == (ask.probe, recorded_name(server))
        ],
        stored=stored,
        new_index=new_index,
    )
    return replace(question, checks=_checks(ledger, question, settings, permit, honest))


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


def _encoder_check(policy: Policy, encoder: EncoderSpec) -> Check:
    """Whether a policy that allows this encoder names it, or allows any."""
    if encoder.fingerprint in policy.encoders:
        return Check("good", "Your policy names this encoder, which decides what is read of a record.")
    words = (
        "Your policy names no encoders, so it allows every one, and an encoder decides what is read of a record. What this one "
        f'reads is listed above; to allow it alone: encoders = ["{encoder.fingerprint}"].'
    )
    return Check("ask", words)


def _refusal(check: Callable[[], object]) -> str:
    """What a check raises, in words; "" when it passes."""
    try:
        check()
    except ProxysetError as error:
        return str(error)
    return ""


def _worth(clusters: int, sigma: float, numbers: Sequence[int]) -> list[Worth]:
    without = max(1, round(SPREAD * clusters)) / clusters
    return [Worth(number, captured(number, clusters, sigma), without) for number in numbers]


def _changes_index(ledger: Ledger, probe: Probe, server: str) -> bool:
    try:
        check_pin(ledger, probe, server, new_index=False)
    except Refused:
        return True
    return False


def _checks(
    ledger: Ledger, question: Question, settings: Settings, permit: Callable[[Policy], None], honest: str
) -> list[Check]:
    ask, asked, cost = question.ask, question.asked, question.whole
    policy, _ = in_force(ledger)
    labels, checks = isinstance(asked, Questions), []
    # labels and exact counts say more than noisy ones, so they need the word of a policy beside the owner's
    if policy is None and (labels or ask.task):
        checks.append(Check("bad", _NO_POLICY_FOR_LABELS if labels else _NO_POLICY))
    elif policy is None:
        checks.append(Check("good", "No policy is in force: only the cap of the budget and you decide."))
    elif refused := _refusal(lambda: permit(policy)):
        checks.append(Check("bad", refused))
    else:
        most = f": labels of up to {policy.most_questions:,} public items at once" if labels else " answer"
        checks += [Check("good", f"Your policy allows this{most}."), _encoder_check(policy, asked.encoder)]
        if policy.approve_above is not None and cost.epsilon > policy.approve_above:
            words = f"Your policy wants a person’s approval above ε = {policy.approve_above:g}: yours, here."
            checks.append(Check("ask", words))
    if labels and settings.labels is None:
        checks.append(Check("bad", _NO_LABELS))
    if missing := _refusal(lambda: matching_encoder(settings.terms.encoder, asked.encoder, "question")):
        what = "items" if labels else "reference points"
        checks.append(Check("bad", f"Your records cannot be compared with these {what}: {missing}"))
    elif honest:
        checks.append(Check("bad", honest))
    over = "" if question.stored else _refusal(lambda: ledger.check(cost, ask.server))
    checks.append(Check("bad", over) if over else Check("good", "It fits into what is left of your budget."))
    if question.new_index:
        words = "This server asks about another collection than before. Say below whether you expect that."
        checks.append(Check("ask", words))
    return checks
