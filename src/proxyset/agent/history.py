"""What left the machine: every answer, with its cost, its receipt and its literal bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from proxyset.client.chain import Entry
from proxyset.client.ledger import Ledger
from proxyset.client.policy import Policy
from proxyset.client.receipts import kept
from proxyset.wire.questions import LabelRelease
from proxyset.wire.release import Release


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

    @property
    def data(self) -> bytes:
        """The bytes that left."""
        return self.release.to_bytes()


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
