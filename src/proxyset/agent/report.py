"""The report: what an ethics board or a data protection officer gets. One HTML file that needs nothing else.

It is made of the ledger, of the receipts beside it and of the questions in its inbox. No private data is opened for it, and no
number in it is a true count.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

from proxyset.agent import inbox
from proxyset.agent.history import Sent, hex_dump, history
from proxyset.agent.needs import Needs, needs_of
from proxyset.agent.page.charts import burn_down
from proxyset.agent.page.items import contents_of
from proxyset.agent.page.question import standing
from proxyset.client.chain import Entry
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import in_force
from proxyset.client.receipts import check_not_rolled_back, public_key
from proxyset.encoders.drawn import drawn
from proxyset.fingerprint import fingerprint
from proxyset.page import words
from proxyset.page.document import Document, data_uri, document
from proxyset.wire.probe import Probe
from proxyset.wire.questions import ABSTAINED, LabelRelease, Questions
from proxyset.wire.receipt import Receipt
from proxyset.wire.report import Report
from proxyset.wire.server_name import recorded_name

_ITEMS = 60  # of a question that are shown
_SIDE = 96  # pixels of a picture
_TEXT = 300  # characters of a text
_VALUES = 5000  # numbers of an answer that are listed; the file beside them has all
_HEX = 4096  # bytes of an answer in hexadecimal; likewise


@dataclass(frozen=True)
class Shown:
    """A public item that a question came with: its name, and its picture as a data URI or the beginning of its text."""

    id: str
    picture: str
    text: str


@dataclass(frozen=True)
class Answer:
    """One answer that was paid for, as it left, or as the policy kept it back.

    Attributes:
        sent: what the ledger keeps of it.
        receipt: its receipt, verified; None when the ledger had no key.
    """

    sent: Sent
    receipt: Receipt | None

    @property
    def entry(self) -> Entry:
        return self.sent.entry

    @property
    def labels(self) -> bool:
        return isinstance(self.sent.release, LabelRelease)

    @property
    def halves(self) -> bool:
        """Whether it is exact counts in two halves, for a sum of two parties."""
        return isinstance(self.sent.release, Report)

    @property
    def digest(self) -> str:
        """SHA-256 of the literal bytes."""
        return fingerprint(self.sent.data)

    @property
    def file(self) -> str:
        """The name that `proxyset client history --out` gives the literal bytes."""
        return f"{self.entry.seq:08d}.safetensors"

    @property
    def uri(self) -> str:
        """The literal bytes, to be saved out of the report."""
        return "data:application/octet-stream;base64," + base64.b64encode(self.sent.data).decode()

    @property
    def dump(self) -> str:
        return "\n".join(hex_dump(self.sent.data[:_HEX]))


@dataclass(frozen=True)
class Asked:
    """One question of one sender, and what became of it.

    Attributes:
        server: who asked; "" for a file of unknown sender.
        digest: fingerprint of the question.
        message: the question itself, if it is still here.
        needs: what it reads of a record; None with `message`.
        items: the first of the public items that it showed.
        decisions: what the owner said to it, in order.
        debits, answers: what was paid, and what for.
    """

    server: str
    digest: str
    message: Probe | Questions | None
    needs: Needs | None
    items: list[Shown]
    decisions: list[Entry]
    debits: list[Entry]
    answers: list[Answer]

    @property
    def amount(self) -> int:
        """Items or reference points that it has."""
        message = self.message
        return 0 if message is None else message.clusters if isinstance(message, Probe) else len(message)


def render(ledger: Ledger, messages: Iterable[Probe | Questions] = ()) -> Document:
    """The report. The ledger is verified first: there is no report of one that was changed.

    Args:
        ledger: whose.
        messages: probes and questions that were answered and are not in the inbox, so that the report can say what they asked.

    Raises:
        LedgerError: the ledger, a receipt or the policy in it cannot be trusted. ArtifactError: a question in the inbox is
            damaged.
    """
    head, receipts = ledger.verify(), check_not_rolled_back(ledger)
    entries = ledger.entries()
    answers = _answers(ledger)
    whole, (policy, policy_hash) = standing(ledger), in_force(ledger)
    servers = sorted({entry.who for entry in entries if entry.kind == "debit" and entry.server})
    cap = whole.cap or Cap()
    policies = [(entry, text.decode(errors="replace")) for entry, text in ledger.texts("policy")]
    return document(
        "proxyset.agent.page",
        "report.html.j2",
        "report.css",
        {"surer": surer},
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("proxyset"),
        ledger=str(ledger.path),
        head=head,
        receipts=receipts,
        key=public_key(ledger),
        whole=whole,
        spent=ledger.spent(),
        cap=cap,
        servers=[standing(ledger, server) for server in servers],
        chart=burn_down(entries, cap.rho),
        debits=[entry for entry in entries if entry.kind == "debit"],
        caps=[entry for entry in entries if entry.kind == "cap"],
        units=sorted({(e.unit, e.adjacency, e.statement.protects) for e in entries if e.kind == "debit"}),
        asked=_asked(ledger, messages, answers),
        answers=answers,
        bytes=sum(len(answer.sent.data) for answer in answers if answer.sent.left),
        policy=policy,
        policy_hash=policy_hash,
        policies=policies,
        commands=commands(ledger, answers),
        most_values=_VALUES,
        most_bytes=_HEX,
        abstained=ABSTAINED,
    )


def commands(ledger: Ledger, answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """What anyone with proxyset and the ledger can run to check the report, each with what it shows."""
    book, key = shlex.quote(str(ledger.path)), public_key(ledger)
    found = [
        (
            f"proxyset client ledger verify {book}",
            "No entry was changed, removed or put elsewhere; no cap was passed.",
        ),
        (f"proxyset client history {book} --out answers", "The literal bytes of every answer, as files."),
    ]
    if answers:
        files = " ".join(f"answers/{answer.file}" for answer in answers[:3])
        found.append((f"sha256sum {files}", "The same digests as in this report."))
    signed = next((answer for answer in answers if answer.receipt), None)
    if signed and key:
        command = f"proxyset client verify answers/{signed.file} --key {key}"
        means = "The receipt is signed by the owner’s key, for exactly these bytes. For a file saved out of this report, too."
        found.append((command, means))
        found.append((f"{command} --ledger {book}", "And this ledger paid for it."))
    return found


def surer(epsilon: float) -> str:
    """What a suspicion of 1 in 100 can become at most, in percent."""
    odds = words.odds(epsilon) / 99
    return f"{100 * odds / (1 + odds):.3g}"


def _answers(ledger: Ledger) -> list[Answer]:
    key = public_key(ledger) or None
    return [Answer(sent, Receipt.of(sent.release, key)) for sent in history(ledger)]


def _asked(ledger: Ledger, messages: Iterable[Probe | Questions], answers: Sequence[Answer]) -> list[Asked]:
    """Every question that waits, or that the ledger speaks of, in the order in which it first appeared."""
    given = {message.fingerprint: message for message in messages}
    entries = [entry for entry in ledger.entries() if entry.kind in ("approval", "refusal", "debit")]
    waiting = [(ask.probe, recorded_name(ask.server)) for ask in reversed(inbox.asks(ledger))]
    found = []
    for digest, server in dict.fromkeys([*((e.probe, e.who) for e in entries), *waiting]):
        message = given.get(digest) or inbox.message_of(ledger, digest)
        own = [entry for entry in entries if (entry.probe, entry.who) == (digest, server)]
        one = Asked(
            server=server,
            digest=digest,
            message=message,
            needs=needs_of(message.encoder) if message else None,
            items=[],
            decisions=[entry for entry in own if entry.kind != "debit"],
            debits=[entry for entry in own if entry.kind == "debit"],
            answers=[a for a in answers if (a.entry.probe, a.entry.who) == (digest, server)],
        )
        found.append(replace(one, items=_items(message, one.needs.kind if one.needs else "")))
    return found


def _items(message: Probe | Questions | None, kind: str) -> list[Shown]:
    ids, contents = contents_of(message) if message else ((), None)
    return [
        _shown(name, contents[number] if contents else b"", kind) for number, name in enumerate(ids[:_ITEMS])
    ]


def _shown(name: str, content: bytes, kind: str) -> Shown:
    if kind == "image" and (png := drawn(content, _SIDE)):
        return Shown(name, data_uri(png), "")
    return Shown(name, "", content.decode(errors="replace")[:_TEXT] if kind == "text" else "")
