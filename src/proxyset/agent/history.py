"""What left the machine: every answer, with its cost, its receipt and its literal bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from proxyset.client.chain import Entry
from proxyset.client.ledger import Ledger
from proxyset.client.policy import Policy
from proxyset.client.receipts import kept
from proxyset.wire.questions import LabelRelease, LabelStatement
from proxyset.wire.release import PrivacyStatement, Release
from proxyset.wire.report import Report

Answer = Release | LabelRelease | Report


@dataclass(frozen=True)
class Sent:
    """One answer: counts, labels, or a report for a sum of two parties.

    Attributes:
        entry: what the ledger says of it: when, to whom, from which data, for which probe.
        release: what it was, with the receipt that the ledger keeps for it, if any.
        left: False when no policy that was in force since it was drawn lets it go: it was paid for and withheld. True means
            that it was handed over to be sent; the ledger cannot know whether it arrived. No policy withholds labels or reports.
    """

    entry: Entry
    release: Answer
    left: bool

    @property
    def cost(self) -> PrivacyStatement | LabelStatement:
        """What was paid for."""
        return cost_of(self.release)

    @property
    def drawn(self) -> PrivacyStatement:
        """Unit, adjacency and noise: of the counts, or of the votes behind labels."""
        return self.cost.voting if isinstance(self.cost, LabelStatement) else self.cost

    @property
    def what(self) -> str:
        """What it was, in a few words."""
        return what_of(self.release)

    @property
    def values(self) -> list[int]:
        """Every number that left and can be read; the halves of a report are random by themselves."""
        if isinstance(self.release, Report):
            return []
        found = self.release.counts if isinstance(self.release, Release) else self.release.labels
        return [int(number) for number in found]

    @property
    def data(self) -> bytes:
        """The bytes that left. (Before the ledger had a key, the same without the receipt.)"""
        return self.release.to_bytes()


def history(ledger: Ledger) -> list[Sent]:
    """Every answer that was drawn, in order.

    Raises:
        LedgerError: the ledger or a policy in it is damaged.
    """
    policies = [(entry.seq, Policy.from_toml(text).fewest_records) for entry, text in ledger.texts("policy")]
    found: list[tuple[Entry, Answer]] = [*ledger.releases(), *ledger.label_releases(), *ledger.reports()]
    return [
        Sent(entry, replace(answer, receipt=kept(ledger, entry)), _left(entry, answer, policies))
        for entry, answer in sorted(found, key=lambda one: one[0].seq)
    ]


def cost_of(answer: Answer) -> PrivacyStatement | LabelStatement:
    """What an answer cost; a report the one opening of the sum, as long as one of the two parties is honest."""
    return answer.task.privacy if isinstance(answer, Report) else answer.privacy


def size_of(answer: Answer) -> int:
    """How many counts or labels an answer has."""
    if isinstance(answer, Report):
        return answer.task.clusters
    return len(answer.counts if isinstance(answer, Release) else answer.labels)


def what_of(answer: Answer) -> str:
    """An answer in a few words."""
    if isinstance(answer, Report):
        return f"{size_of(answer):,} exact counts in two halves"
    return f"{size_of(answer):,} noisy {'counts' if isinstance(answer, Release) else 'labels'}"


def hex_dump(data: bytes) -> list[str]:
    """Lines of 16 bytes: position, hexadecimal, and what is printable."""

    def shown(byte: int) -> str:
        return chr(byte) if 32 <= byte < 127 else "."

    rows = [(at, data[at : at + 16]) for at in range(0, len(data), 16)]
    return [f"{at:08x}  {row.hex(' '):<47}  {''.join(map(shown, row))}" for at, row in rows]


def _left(entry: Entry, answer: Answer, policies: list[tuple[int, int]]) -> bool:
    """Whether the policy in force when it was drawn, or a later one, let it go; a replay asks the later ones."""
    before = [fewest for seq, fewest in policies if seq < entry.seq]
    bounds = (before[-1:] or [0]) + [fewest for seq, fewest in policies if seq > entry.seq]
    return not isinstance(answer, Release) or 0 in bounds or answer.adds_up_to(min(bounds))
