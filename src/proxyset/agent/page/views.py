"""The views of the owner's page. Each reads the ledger anew: it is the truth, and other processes write to it too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from proxyset.agent import inbox
from proxyset.agent.history import Sent, hex_dump, history
from proxyset.agent.inbox import Ask
from proxyset.agent.page.charts import burn_down, cost_bar, counts_chart
from proxyset.agent.page.items import SHOWN, Item, contents_of, digest, items_of, kind_of
from proxyset.agent.page.question import Question, examine, spending, standing, state_of
from proxyset.agent.page.settings import Settings
from proxyset.agent.report import render as render_report
from proxyset.client.answer import answer_probe
from proxyset.client.chain import Entry
from proxyset.client.decisions import approve, refuse
from proxyset.client.gate import Gate
from proxyset.client.labeling import label_items
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.look import check_items, check_questions
from proxyset.client.policy import in_force
from proxyset.client.private_data import matching_encoder
from proxyset.client.receipts import check_not_rolled_back, check_receipt, public_key
from proxyset.client.recount import true_counts
from proxyset.errors import InvalidInput, ProxysetError
from proxyset.fingerprint import fingerprint
from proxyset.page.pictures import picture
from proxyset.page.sessions import OneTimeToken
from proxyset.page.site import Confirmation, Site, Visit
from proxyset.page.work import Work
from proxyset.transport.http import Http
from proxyset.wire.probe import Probe
from proxyset.wire.questions import ABSTAINED, LabelRelease, Questions
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import Release
from proxyset.wire.report import Report
from proxyset.wire.server_name import origin_of, server_name

_HEX_BYTES = 4096


class Owner:
    """The owner's views.

    Args:
        site: where they are shown.
        ledger: whose.
        settings: how answers are given.
        token: what opens a session; told to nobody but the owner.
        used: called after a token was used, when there is a new one.
    """

    def __init__(
        self, site: Site, ledger: Ledger, settings: Settings, token: OneTimeToken, used: Callable[[], None]
    ) -> None:
        self._site, self._ledger, self._settings = site, ledger, settings
        self._token, self._used = token, used
        self._checked: set[str] = set()
        self._checking = Lock()  # one at a time: a message may bring many large pictures
        self._shown: tuple[str, Probe | Questions | None] = (
            "",
            None,
        )  # the last whose pictures were asked for
        self.work = Work()

    # Logging in

    def login(self, visit: Visit) -> Response:
        if visit.session:
            return self._site.redirect("/")
        if offered := visit.text("token"):
            if not self._token.take(offered):
                raise HTTPException(403, "this link was used before: take the newest from the terminal")
            self._used()
            return self._site.log_in(visit, "owner")
        return self._site.render(visit, "login.html.j2")

    def logout(self, visit: Visit) -> Response:
        return self._site.log_out(visit)

    # Looking

    def home(self, visit: Visit) -> Response:
        ledger, entries = self._ledger, self._ledger.entries()
        servers = sorted({entry.who for entry in entries if entry.kind == "debit" and entry.server})
        whole = standing(ledger)
        cap = whole.cap or Cap()  # every ledger began with one
        asks = [(ask, state_of(ledger, ask)) for ask in inbox.asks(ledger)]
        sent = history(ledger)
        policy, policy_hash = in_force(ledger)
        return self._site.render(
            visit,
            "home.html.j2",
            whole=whole,
            cap=cap,
            servers=[standing(ledger, server) for server in servers],
            chart=burn_down(entries, cap.rho),
            debits=_debits(entries, cap.rho),
            waiting=[ask for ask, state in asks if state in ("waiting", "approved")],
            refused=[ask for ask, state in asks if state == "refused"],
            sent=sorted(sent, key=lambda one: -one.entry.seq),
            bytes=sum(len(one.data) for one in sent if one.left),
            policy=policy,
            policy_hash=policy_hash,
            key=public_key(ledger),
            ledger=str(ledger.path),
            settings=self._settings,
        )

    def ask(self, visit: Visit) -> Response:
        ask, asked = self._asked(visit)
        records = visit.whole("records", self._settings.records or 0)
        state, words = self.work.state(
            ask.name
        )  # first: what ends from here on is asked for again, and shown then
        question = self._examined(visit, ask, asked, records or None)
        return self._site.render(
            visit,
            "ask.html.j2" if isinstance(asked, Probe) else "label.html.j2",
            q=question,
            ask=ask,
            asked=asked,
            records=records or "",
            bars=[(share, cost_bar(share)) for share in question.shares],
            place=f"/asks/{ask.name}",
            items=self._items(asked, SHOWN),
            amount=asked.clusters if isinstance(asked, Probe) else len(asked),
            honest=self._honest(asked),
            work=state,
            words=words,
        )

    def progress(self, visit: Visit) -> Response:
        return self._site.working(self.work, visit.part("name"), "progress.html.j2")

    def picture(self, visit: Visit) -> Response:
        name, number = digest(visit.part("probe")), int(visit.part("number"))
        if self._shown[0] != name:  # a page of pictures asks again and again
            self._shown = (name, inbox.message_of(self._ledger, name))
        message = self._shown[1]
        contents = contents_of(message)[1] if message else None
        if not contents or number >= len(contents):
            raise HTTPException(404, "there is no such picture")
        return picture(contents[number])

    def sent(self, visit: Visit) -> Response:
        return self._show_sent(visit, None)

    def counts(self, visit: Visit) -> Response:
        """The true counts, computed anew from the data, shown in this one response and kept nowhere."""
        found = self._found(visit).release
        if not isinstance(found, Release):
            raise HTTPException(404, f"entry {visit.part('seq')} of the ledger is not about noisy counts")
        probe = inbox.message_of(self._ledger, found.probe)
        if not isinstance(probe, Probe):
            raise InvalidInput(
                "the probe of this answer is not in the inbox, so its records cannot be counted again"
            )
        privacy = found.privacy
        terms = replace(
            self._settings.at(privacy.epsilon), unit=privacy.unit, max_records=privacy.max_records
        )
        true, _ = true_counts(probe, self._settings.data, terms)
        return self._show_sent(visit, true)

    def release(self, visit: Visit) -> Response:
        found = self._found(visit)
        if not found.left:
            raise HTTPException(409, "your policy withholds this answer")
        name = f"{found.entry.kind}-{found.entry.seq}.safetensors"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(found.data, media_type="application/octet-stream", headers=headers)

    def report(self, visit: Visit) -> Response:
        """The report, complete in itself: it brings its own style and pictures, and its own policy that allows nothing else."""
        page = render_report(self._ledger)
        headers = {"content-security-policy": page.security + "; frame-ancestors 'none'"}
        return HTMLResponse(page.html, headers=headers)

    # Acting

    def pull(self, visit: Visit) -> Response:
        url = origin_of(server_name(visit.text("url")))
        # and no questions: what answers them is their owner's to carry
        probe = Probe.from_bytes(Http(url).pull())
        ask = inbox.put(self._ledger, probe.data, server=url, url=url)
        return self._site.redirect(f"/asks/{ask.name}")

    def file(self, visit: Visit) -> Response:
        uploaded = visit.form.get("probe")
        if not isinstance(uploaded, UploadFile):
            raise InvalidInput("choose the file of a probe, or of questions, first")
        ask = inbox.put(self._ledger, uploaded.file.read(), server=visit.text("server"))
        return self._site.redirect(f"/asks/{ask.name}")

    def ask_approve(self, visit: Visit) -> Response:
        ask, asked, question = self._agreed(visit)
        told = spending(question.shares)
        if isinstance(asked, Questions):
            leaves = f"Your records vote on {len(asked):,} public items, and the labels are yours to carry."
        else:
            what = f"{asked.clusters:,} {'exact counts, in two halves,' if ask.task else 'noisy counts'}"
            goes = f"go to {ask.url}" if ask.url else "are yours to carry"
            leaves = f"Your records are counted, and {what} {goes}."
            if ask.agent:
                leaves = f"Your agent sends {what} when it next looks. Until then you can still refuse."
        if ask.task:
            told.append(
                "Server and helper together could open your exact counts. You accept that they are strangers to each other."
            )
        fields = {"epsilon": visit.text("epsilon"), "new_index": visit.text("new_index")}
        place, title = f"/asks/{ask.name}", f"Answer {ask.server or 'this question'}?"
        return self._site.confirm(
            visit,
            Confirmation(title, [leaves, *told], "Answer it", f"{place}/approve", f"{place}#decide", fields),
        )

    def approve(self, visit: Visit) -> Response:
        """Write the approval of exactly this question, then answer as far as it and the policy reach."""
        ask, asked, question = self._agreed(visit)
        new_index, epsilon = bool(visit.text("new_index")), question.cost.epsilon
        approve(self._ledger, ask.probe, ask.server, question.whole, visit.text("note"))
        if ask.agent:
            visit.say("Approved. Your agent answers when it next looks.")
        else:
            self.work.start(ask.name, lambda _: self._answer(ask, asked, epsilon, new_index))
        return self._site.redirect(f"/asks/{ask.name}")

    def refuse(self, visit: Visit) -> Response:
        ask = self._known(visit)
        refuse(self._ledger, ask.probe, ask.server, visit.text("note"))
        visit.say("Refused. It stays refused until you approve it; nothing was sent.")
        return self._site.redirect("/")

    def ask_remove(self, visit: Visit) -> Response:
        ask = self._known(visit)
        told = (
            "Its bytes are deleted here: it cannot be looked at any more, and an answer to it cannot be counted again.",
            "What the ledger says of it stays: the decision, the cost, and what left. A report says its fingerprint alone.",
        )
        place = f"/asks/{ask.name}"
        asked = Confirmation("Remove this question?", told, "Remove it", f"{place}/remove", place)
        return self._site.confirm(visit, asked)

    def remove(self, visit: Visit) -> Response:
        ask = self._known(visit)
        inbox.remove(self._ledger, ask)
        self._shown = ("", None)
        visit.say("Removed from this list. What the ledger says of it stays.")
        return self._site.redirect("/")

    def verify(self, visit: Visit) -> Response:
        last = self._ledger.verify()
        receipts = check_not_rolled_back(self._ledger)
        visit.say(
            f"All {last.seq} entries of the ledger follow from one another, every stored answer has its debit, no cap was "
            f"passed, and every receipt ({receipts}) is genuine and in the ledger. The last entry is {last.hash}."
        )
        return self._site.redirect("/")

    def verify_sent(self, visit: Visit) -> Response:
        found = self._found(visit)
        receipt = Receipt.of(found.release, public_key(self._ledger) or None)
        if receipt is None:
            visit.say(
                "This answer has no receipt: the ledger had no key when it was given (proxyset client init)."
            )
        else:
            check_receipt(self._ledger, receipt)
            visit.say(
                f"The receipt is genuine: signed by your key {receipt.claim.key[:12]}…, for exactly these bytes, and the "
                f"ledger has the entry {receipt.claim.head[:12]}… that it names."
            )
        return self._site.redirect(f"/sent/{found.entry.seq}")

    # Parts

    def _answer(self, ask: Ask, asked: Probe | Questions, epsilon: float, new_index: bool) -> str:
        settings, before = self._settings, self._ledger.spent()
        terms, gate = settings.at(epsilon), Gate(self._ledger, ask.server, new_index=new_index)
        said, release = "Answered", b""
        if isinstance(asked, Probe):
            release = answer_probe(asked, settings.data, terms, gate, settings.dataset).to_bytes()
        else:
            assert settings.labels is not None  # else nothing is approved
            labels = label_items(
                asked, settings.data, settings.labels, terms, settings.voting, gate, settings.dataset
            ).labels
            got = int(np.count_nonzero(labels != ABSTAINED))
            said += f": {got:,} of {len(asked):,} items got a label, the others none"
        cost = self._ledger.spent() - before
        paid = f"ρ = {cost:.4g} was debited" if cost else "the stored answer, so nothing was debited"
        if ask.url:
            Http(ask.url).push(release)
            return f"{said} and delivered to {ask.url}; {paid}."
        return f"{said}; {paid}. Save the answer below and carry it to whoever asked."

    def _agreed(self, visit: Visit) -> tuple[Ask, Probe | Questions, Question]:
        """What can be approved. Raises HTTPException 409 when it cannot."""
        ask, asked = self._asked(visit)
        question = self._examined(visit, ask, asked, None)
        for check in question.checks:
            if check.verdict == "bad":
                raise HTTPException(409, check.words)
        if question.new_index and not visit.text("new_index"):
            raise HTTPException(
                409, "this server asks about another collection than before: tick that you expect it"
            )
        return ask, asked, question

    def _known(self, visit: Visit) -> Ask:
        ask = inbox.find(self._ledger, visit.part("name"))
        if ask is None:
            raise HTTPException(404, "nobody asked this, or it was removed")
        return ask

    def _asked(self, visit: Visit) -> tuple[Ask, Probe | Questions]:
        ask = self._known(visit)
        message = inbox.message_of(self._ledger, ask.probe)
        if message is None:
            raise HTTPException(404, "this question was removed")
        return ask, message

    def _items(self, message: Probe | Questions, most: int | None = None) -> list[Item]:
        """The first items that a message shows; none for centroids."""
        ids, contents = contents_of(message)
        kind = kind_of(message.encoder, self._settings.terms.encoder) if ids else ""
        return items_of(ids[:most], contents, kind, f"/probes/{message.fingerprint}")

    def _examined(self, visit: Visit, ask: Ask, asked: Probe | Questions, records: int | None) -> Question:
        epsilon = visit.number("epsilon", self._settings.terms.epsilon)
        return examine(self._ledger, ask, asked, self._settings, epsilon, records, self._honest(asked))

    def _found(self, visit: Visit) -> Sent:
        number = int(visit.part("seq"))
        for sent in history(self._ledger):
            if sent.entry.seq == number:
                return sent
        raise HTTPException(404, f"entry {number} of the ledger is not an answer")

    def _show_sent(self, visit: Visit, true: NDArray[np.float64] | None) -> Response:
        found = self._found(visit)
        receipt = Receipt.of(found.release)
        values: dict[str, Any] = {"labels": False}
        if isinstance(found.release, LabelRelease):
            values = self._labels(found.release)
        elif isinstance(found.release, Release):
            values = self._counts(found.release, true)
        return self._site.render(
            visit,
            "sent.html.j2",
            sent=found,
            left=found.left,
            entry=found.entry,
            release=found.release,
            ask=inbox.find(self._ledger, fingerprint([found.entry.probe, found.entry.server])),
            receipt=receipt,
            text=json.dumps(_literal(found, receipt), indent=1, ensure_ascii=False),
            dump="\n".join(hex_dump(found.data[:_HEX_BYTES])),
            dumped=min(_HEX_BYTES, len(found.data)),
            **values,
        )

    def _counts(self, release: Release, true: NDArray[np.float64] | None) -> dict[str, Any]:
        counts, probe = release.records, inbox.message_of(self._ledger, release.probe)
        return {
            "labels": False,
            "amount": len(counts),
            "probe": probe,
            "chart": counts_chart(counts, true),
            "rows": _rows(counts, true, self._items(probe) if probe else []),
            "counted": true is not None,
        }

    def _labels(self, release: LabelRelease) -> dict[str, Any]:
        labels, asked = release.labels, inbox.message_of(self._ledger, release.probe)
        items = self._items(asked, SHOWN) if asked else []
        return {
            "labels": True,
            "amount": len(labels),
            "abstained": int(np.count_nonzero(labels == ABSTAINED)),
            "tally": [(_class(number, asked), times) for number, times in _tally(labels)],
            "given": [(item, _class(int(labels[item.number]), asked)) for item in items],
        }

    def _honest(self, message: Probe | Questions) -> str:
        """ "" when the items on the page are what they claim, by the owner's own encoder; else what is wrong. Before an answer
        all are checked."""
        with self._checking:
            if contents_of(message)[1] is not None and message.fingerprint not in self._checked:
                try:
                    encoder = matching_encoder(self._settings.terms.encoder, message.encoder, "question")
                    if isinstance(message, Probe):
                        check_items(message, encoder)
                    else:
                        check_questions(message, encoder, SHOWN)
                    self._checked.add(message.fingerprint)
                except ProxysetError as error:
                    return str(error)
        return ""


def _debits(entries: list[Entry], cap: float) -> list[dict[str, Any]]:
    left, found = cap, []
    for entry in entries:
        if entry.kind == "debit":
            left -= entry.rho or 0.0
            found.append({"entry": entry, "left": max(0.0, left) / cap})
    return found[::-1]


def _rows(
    noisy: NDArray[np.float64], true: NDArray[np.float64] | None, items: list[Item]
) -> list[dict[str, Any]]:
    """One row a reference point, the largest noisy count first."""
    return [
        {
            "number": int(j),
            "item": items[j] if items else None,
            "noisy": float(noisy[j]),
            "true": None if true is None else float(true[j]),
        }
        for j in np.argsort(-noisy, kind="stable")
    ]


def _tally(labels: NDArray[np.int16]) -> list[tuple[int, int]]:
    """How often each class was given, by its number; `ABSTAINED` for none."""
    values, numbers = np.unique(labels, return_counts=True)
    return list(zip(values.tolist(), numbers.tolist(), strict=True))


def _class(number: int, asked: Probe | Questions | None) -> str:
    """The name of a class, or "" for none; its number when the questions are not here any more."""
    if number == ABSTAINED:
        return ""
    return asked.classes[number] if isinstance(asked, Questions) else f"class no. {number}"


def _literal(sent: Sent, receipt: Receipt | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"privacy": sent.cost.model_dump(mode="json")}
    if isinstance(report := sent.release, Report):
        parts = {"public": report.public, "server": report.leader, "helper, sealed": report.helper}
        fields |= {"task": report.task.model_dump(mode="json"), "id": report.id.hex()}
        fields |= {name: f"{part[:64].hex()}… ({len(part):,} bytes)" for name, part in parts.items()}
    else:
        asked, given = ("probe", "counts") if isinstance(report, Release) else ("questions", "labels")
        fields |= {asked: report.probe, "index": report.index, given: sent.values}
    if receipt:
        fields["receipt"] = {"claim": receipt.claim.model_dump(mode="json"), "signature": receipt.signature}
    return fields
