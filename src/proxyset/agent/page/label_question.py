"""Questions about labels as their owner sees them: what they would cost, what to expect, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

from proxyset.agent.history import Sent, history
from proxyset.agent.inbox import Ask
from proxyset.agent.needs import Needs, needs_of
from proxyset.agent.page.question import (
    GUESSES,
    Check,
    Share,
    State,
    encoder_check,
    refusal,
    shares_of,
    state_of,
)
from proxyset.agent.page.settings import Settings
from proxyset.client.chain import Entry
from proxyset.client.decisions import decision
from proxyset.client.label_plan import LabelPlan
from proxyset.client.label_privacy import whole_cost
from proxyset.client.ledger import Ledger
from proxyset.client.policy import in_force
from proxyset.client.private_data import matching_encoder
from proxyset.wire.questions import LabelStatement, Questions
from proxyset.wire.server_name import recorded_name

NO_LABELS = (
    "Where the labels of your records are was not said: start this page with --labels FILE, --label-column NAME or "
    "--folder-names."
)


@dataclass(frozen=True)
class LabelQuestion:
    """All that the page of such an ask shows.

    Attributes:
        needs: what the records must be for it.
        plans: what to expect with about so many labeled records.
        stored: whether the answer under exactly these settings is in the ledger, and would be given again at no cost.
    """

    ask: Ask
    asked: Questions
    needs: Needs
    cost: LabelStatement
    state: State
    decision: Entry | None
    shares: list[Share]
    plans: list[tuple[int, LabelPlan]]
    checks: list[Check]
    answers: list[Sent]
    stored: bool


def examine_labels(
    ledger: Ledger,
    ask: Ask,
    asked: Questions,
    settings: Settings,
    epsilon: float,
    records: int | None,
    honest: str = "",
) -> LabelQuestion:
    """Work out the page of an ask at this ε, for about so many labeled records.

    Reads the ledger and the questions, and no private item.

    Args:
        honest: what is wrong with the items that the questions show, or "".

    Raises:
        InvalidInput: an impossible ε. LedgerError: the ledger cannot be trusted.
    """
    cost = settings.voting.statement(len(asked), settings.at(epsilon))
    stored = ledger.stored_labels(ask.probe, settings.dataset_name, cost) is not None
    return LabelQuestion(
        ask=ask,
        asked=asked,
        needs=needs_of(asked.encoder),
        cost=cost,
        state=state_of(ledger, ask),
        decision=decision(ledger, ask.probe, ask.server),
        shares=shares_of(ledger, ask.server, cost.rho),
        plans=[
            (number, settings.label_plan(number, len(asked), len(asked.classes), epsilon))
            for number in (GUESSES if records is None else (records,))
        ],
        checks=_checks(ledger, ask, asked, settings, cost, stored, honest),
        answers=[
            sent
            for sent in history(ledger)
            if (sent.entry.probe, sent.entry.who) == (ask.probe, recorded_name(ask.server))
        ],
        stored=stored,
    )


def _checks(
    ledger: Ledger,
    ask: Ask,
    asked: Questions,
    settings: Settings,
    cost: LabelStatement,
    stored: bool,
    honest: str,
) -> list[Check]:
    policy, _ = in_force(ledger)
    checks = []
    if (
        policy is None
    ):  # counts need none; labels say more, so on this page they need its word as well as the owner's
        words = (
            "No policy is in force, and labels leave only where one allows them: set most_questions in a policy, then "
            f"proxyset client ledger policy POLICY {ledger.path.name}."
        )
        checks.append(Check("bad", words))
    elif refused := refusal(lambda: policy.check_questions(asked, cost, ask.server, approved=True)):
        checks.append(Check("bad", refused))
    else:
        words = f"Your policy allows this: labels of up to {policy.most_questions:,} public items at once."
        checks += [Check("good", words), encoder_check(policy, asked.encoder)]
        if policy.approve_above is not None and cost.epsilon > policy.approve_above:
            words = f"Your policy wants a person’s approval above ε = {policy.approve_above:g}: yours, here."
            checks.append(Check("ask", words))
    if settings.labels is None:
        checks.append(Check("bad", NO_LABELS))
    if missing := refusal(
        lambda: matching_encoder(settings.terms.encoder, asked.encoder, "set of questions")
    ):
        checks.append(Check("bad", f"Your records cannot be compared with these items: {missing}"))
    elif honest:
        checks.append(Check("bad", honest))
    over = "" if stored else refusal(lambda: ledger.check(whole_cost(cost), ask.server))
    checks.append(Check("bad", over) if over else Check("good", "It fits into what is left of your budget."))
    return checks
