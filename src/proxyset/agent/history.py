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


@dataclass(frozen=True)
class Sent:
    """One answer.

    Attributes:
        entry: what the ledger says of it: when, to whom, from which data, for which probe.
        release: what it was, with the receipt that the ledger keeps for it, if any.
        left: False when no policy that was in force since it was drawn lets it go: it was paid for and withheld. True means
            that it was handed over to be sent; the ledger cannot know whether it arrived.
    """

    entry: Entry
    release: Release
    left: bool

    @property
    def cost(self) -> PrivacyStatement:
        """What was paid for."""
        return self.release.privacy

    @property
    def what(self) -> str:
        """What it was, in a few words."""
        return f"{len(self.release.counts):,} noisy counts"

    @property
    def data(self) -> bytes:
        """The bytes that left. (Before the ledger had a key, the same without the receipt.)"""
        return self.release.to_bytes()


def history(ledger: Ledger) -> list[Sent]:
    """Every answer of counts that was drawn, in order; `label_history` has the labels.

    Raises:
        LedgerError: the ledger or a policy in it is damaged.
    """
    policies = [(entry.seq, Policy.from_toml(text).fewest_records) for entry, text in ledger.texts("policy")]
    return [
        Sent(entry, replace(release, receipt=kept(ledger, entry)), _left(entry, release, policies))
        for entry, release in ledger.releases()
    ]


@dataclass(frozen=True)
class SentLabels:
    """One set of labels, as `Sent`. No policy withholds labels, so they left."""

    entry: Entry
    release: LabelRelease
    left: bool = True

    @property
    def cost(self) -> LabelStatement:
        """What was paid for."""
        return self.release.privacy

    @property
    def what(self) -> str:
        """What it was, in a few words."""
        return f"{len(self.release.labels):,} noisy labels"

    @property
    def data(self) -> bytes:
        """The bytes that left."""
        return self.release.to_bytes()


@dataclass(frozen=True)
class SentReport:
    """One report for a sum of two parties, as `Sent`: exact counts in two halves, each of them random by itself. So there are no
    numbers in it that anybody could show."""

    entry: Entry
    release: Report
    left: bool = True

    @property
    def cost(self) -> PrivacyStatement:
        """What was paid for: the one opening of the sum, as long as one of the two parties is honest."""
        return self.release.task.privacy

    @property
    def what(self) -> str:
        """What it was, in a few words."""
        return f"{self.release.task.clusters:,} exact counts in two halves"

    @property
    def data(self) -> bytes:
        """The bytes that left."""
        return self.release.to_bytes()


Anything = Sent | SentLabels | SentReport


def everything(ledger: Ledger) -> list[Anything]:
    """All that was drawn, whatever it is, in order.

    Raises:
        LedgerError: the ledger or a policy in it is damaged.
    """
    found: list[Anything] = [*history(ledger), *label_history(ledger), *report_history(ledger)]
    return sorted(found, key=lambda sent: sent.entry.seq)


def report_history(ledger: Ledger) -> list[SentReport]:
    """Every report for a sum of two parties that was made, in order.

    Raises:
        LedgerError: the ledger is damaged.
    """
    return [
        SentReport(entry, replace(report, receipt=kept(ledger, entry))) for entry, report in ledger.reports()
    ]


def label_history(ledger: Ledger) -> list[SentLabels]:
    """Every set of labels that was drawn, in order.

    Raises:
        LedgerError: the ledger is damaged.
    """
    return [
        SentLabels(entry, replace(labels, receipt=kept(ledger, entry)))
        for entry, labels in ledger.label_releases()
    ]


def hex_dump(data: bytes) -> list[str]:
    """Lines of 16 bytes: position, hexadecimal, and what is printable."""

    def shown(byte: int) -> str:
        return chr(byte) if 32 <= byte < 127 else "."

    rows = [(at, data[at : at + 16]) for at in range(0, len(data), 16)]
    return [f"{at:08x}  {row.hex(' '):<47}  {''.join(map(shown, row))}" for at, row in rows]


def _left(entry: Entry, release: Release, policies: list[tuple[int, int]]) -> bool:
    """Whether the policy in force when it was drawn, or a later one, let it go; a replay asks the later ones."""
    before = [fewest for seq, fewest in policies if seq < entry.seq]
    bounds = (before[-1:] or [0]) + [fewest for seq, fewest in policies if seq > entry.seq]
    return 0 in bounds or release.adds_up_to(min(bounds))
