"""The views of questions about labels, on the owner's page."""

from __future__ import annotations

from threading import Lock

import numpy as np
from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxyset.agent import inbox
from proxyset.agent.inbox import Ask
from proxyset.agent.page.charts import cost_bar
from proxyset.agent.page.items import SHOWN, digest, items_of, kind_of
from proxyset.agent.page.label_question import NO_LABELS, LabelQuestion, examine_labels
from proxyset.agent.page.question import spending
from proxyset.agent.page.settings import Settings
from proxyset.client.decisions import approve
from proxyset.client.gate import Gate
from proxyset.client.label_privacy import whole_cost
from proxyset.client.labeling import label_items
from proxyset.client.ledger import Ledger
from proxyset.client.look import check_questions
from proxyset.client.private_data import matching_encoder
from proxyset.errors import InvalidInput, ProxysetError
from proxyset.page.pictures import picture
from proxyset.page.site import Confirmation, Site, Visit
from proxyset.page.work import Work
from proxyset.wire.questions import ABSTAINED, Questions


class LabelViews:
    """What an owner sees and does about questions.

    Args:
        site, ledger, settings: as `views.Owner` has them.
        work: where answers are made.
        checking: held while items are encoded.
    """

    def __init__(self, site: Site, ledger: Ledger, settings: Settings, work: Work, checking: Lock) -> None:
        self._site, self._ledger, self._settings, self._work = site, ledger, settings, work
        self._opened: tuple[str, Questions] | None = None  # the last: a page of pictures asks again and again
        self._checked: set[str] = set()
        self._checking = checking

    def ask(self, visit: Visit) -> Response:
        ask, asked = self._asked(visit)
        records = visit.whole("records", self._settings.records or 0)
        question = self._examined(visit, ask, asked, records or None)
        state, words = self._work.state(ask.name)
        kind = kind_of(asked.encoder, self._settings.terms.encoder)
        return self._site.render(
            visit,
            "label.html.j2",
            q=question,
            ask=ask,
            asked=asked,
            place=f"/questions/{ask.name}",
            records=records or "",
            bars=[(share, cost_bar(share)) for share in question.shares],
            items=items_of(asked.ids[:SHOWN], asked.contents, kind, f"/asked/{ask.probe}"),
            amount=len(asked),
            honest=self._honest(ask, asked),
            settings=self._settings,
            work=state,
            words=words,
        )

    def picture(self, visit: Visit) -> Response:
        asked, number = self._open(digest(visit.part("questions"))), int(visit.part("number"))
        if asked is None or asked.contents is None or number >= len(asked):
            raise HTTPException(404, "there is no such picture")
        return picture(asked.contents[number])

    def ask_approve(self, visit: Visit) -> Response:
        ask, asked, question = self._agreed(visit)
        told = [
            f"Your records vote on {len(asked):,} public items, and the labels are yours to carry.",
            *spending(question.shares),
        ]
        place = f"/questions/{ask.name}"
        fields = {"epsilon": visit.text("epsilon")}
        title = f"Answer {ask.server or 'these questions'}?"
        return self._site.confirm(
            visit, Confirmation(title, told, "Answer it", f"{place}/approve", f"{place}#decide", fields)
        )

    def approve(self, visit: Visit) -> Response:
        """Write the approval of exactly these questions, then answer as far as it and the policy reach."""
        ask, asked, question = self._agreed(visit)
        cost = whole_cost(question.cost)
        approve(self._ledger, asked.fingerprint, ask.server, cost, visit.text("note"))
        self._work.start(ask.name, lambda _: self._answer(ask, asked, cost.epsilon))
        return self._site.redirect(f"/questions/{ask.name}")

    def _answer(self, ask: Ask, asked: Questions, epsilon: float) -> str:
        before = self._ledger.spent()
        settings, gate = self._settings, Gate(self._ledger, ask.server)
        if settings.labels is None:
            raise InvalidInput(NO_LABELS)
        release = label_items(
            asked,
            settings.data,
            settings.labels,
            settings.at(epsilon),
            settings.voting,
            gate,
            settings.dataset,
        )
        cost = self._ledger.spent() - before
        paid = f"ρ = {cost:.4g} was debited" if cost else "the stored answer, so nothing was debited"
        labelled = int(np.count_nonzero(release.labels != ABSTAINED))
        return (
            f"Answered: {labelled:,} of {len(asked):,} items got a label, the others none; {paid}. Save the answer below and "
            "carry it to whoever asked."
        )

    def _agreed(self, visit: Visit) -> tuple[Ask, Questions, LabelQuestion]:
        """What can be approved. Raises HTTPException 409 when it cannot."""
        ask, asked = self._asked(visit)
        question = self._examined(visit, ask, asked, None)
        for check in question.checks:
            if check.verdict == "bad":
                raise HTTPException(409, check.words)
        return ask, asked, question

    def _asked(self, visit: Visit) -> tuple[Ask, Questions]:
        ask = inbox.find(self._ledger, visit.part("name"))
        asked = self._open(ask.probe) if ask and ask.kind == "questions" else None
        if ask is None or asked is None:
            raise HTTPException(404, "nobody asked this, or it was removed")
        return ask, asked

    def _open(self, fingerprint: str) -> Questions | None:
        last = self._opened
        if last is None or last[0] != fingerprint:
            asked = inbox.message_of(self._ledger, fingerprint)
            last = self._opened = (fingerprint, asked) if isinstance(asked, Questions) else None
        return last[1] if last else None

    def _examined(self, visit: Visit, ask: Ask, asked: Questions, records: int | None) -> LabelQuestion:
        epsilon = visit.number("epsilon", self._settings.terms.epsilon)
        return examine_labels(
            self._ledger, ask, asked, self._settings, epsilon, records, self._honest(ask, asked)
        )

    def _honest(self, ask: Ask, asked: Questions) -> str:
        """ "" when the items on the page are what they claim, by the owner's own encoder; else what is wrong. Before an answer
        all are checked."""
        with self._checking:
            if asked.contents is not None and ask.probe not in self._checked:
                try:
                    encoder = matching_encoder(
                        self._settings.terms.encoder, asked.encoder, "set of questions"
                    )
                    check_questions(asked, encoder, SHOWN)
                    self._checked.add(ask.probe)
                except ProxysetError as error:
                    return str(error)
        return ""
