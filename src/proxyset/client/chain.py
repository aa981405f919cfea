"""The entries of a ledger, and the hash chain that makes a changed, missing or reordered one visible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from proxyset.client.calibration import Adjacency, Unit, moved_cells
from proxyset.errors import LedgerError
from proxyset.fingerprint import fingerprint
from proxyset.wire.release import PrivacyStatement

Kind = Literal["cap", "debit", "release", "labels", "policy", "pin", "key", "approval", "refusal"]
GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. Fields that a kind has no use for are None or "".

    Attributes:
        seq: 1, 2, 3 …
        time: UTC, ISO 8601.
        kind: "cap" sets a cap (rho, epsilon, delta; for `server`, or for all when that is ""); "debit" pays
            for one draw; "release" (counts) and "labels" say that the draw of debit `ref` was stored, with
            its SHA-256 in `digest`; "policy" puts the policy `digest` in force; "pin" holds `server` to the index whose
            commitment has the SHA-256 `digest`; "key" holds it to the key, of that SHA-256, that signs its models;
            "approval" and "refusal" are what the owner decided about a probe, an approval up to (epsilon, delta).
        server: who asked.
        dataset: the owner's name of the private data that was answered from.
        probe: fingerprint of the probe.
        rho, epsilon, delta, sigma, unit, adjacency, max_records: the privacy statement of a debit, or a cap.
        ref: seq of another entry.
        digest: SHA-256 of what is stored beside the entry.
        note: the owner's words.
        policy: SHA-256 of the policy in force, or "".
        prev, hash: SHA-256 of the previous entry and of this one.
    """

    seq: int
    time: str
    kind: Kind
    server: str = ""
    dataset: str = ""
    probe: str = ""
    rho: float | None = None
    epsilon: float | None = None
    delta: float | None = None
    sigma: float | None = None
    unit: Unit | None = None
    adjacency: Adjacency | None = None
    max_records: int | None = None
    ref: int | None = None
    digest: str = ""
    note: str = ""
    policy: str = ""
    prev: str = GENESIS
    hash: str = ""

    def sealed(self) -> Entry:
        """This entry with its hash: SHA-256 of the canonical JSON of all other fields."""
        fields = asdict(self)
        del fields["hash"]
        return replace(self, hash=fingerprint(fields))

    @property
    def statement(self) -> PrivacyStatement:
        """What a debit paid for."""
        step = self.max_records or 1
        sensitivity = math.sqrt(moved_cells(self.rho or 0, self.sigma or 0, step)) * step
        return PrivacyStatement.model_validate(
            {
                name: getattr(self, name)
                for name in ("unit", "adjacency", "max_records", "sigma", "rho", "epsilon", "delta")
            }
            | {"l2_sensitivity": sensitivity}
        )


def check_links(entries: Iterable[Entry], after: Sequence[Entry] = ()) -> None:
    """Check that `entries` continue the chain that ends with `after`.

    Raises:
        LedgerError: an entry was changed, removed or put elsewhere.
    """
    seq, prev = (after[-1].seq, after[-1].hash) if after else (0, GENESIS)
    for entry in entries:
        if entry.seq != seq + 1 or entry.prev != prev or entry.sealed().hash != entry.hash:
            raise LedgerError(
                f"ledger entry {entry.seq} does not follow from entry {seq}: the ledger was changed outside "
                "proxyset; restore the newest copy, and count what was released since as spent"
            )
        seq, prev = entry.seq, entry.hash
