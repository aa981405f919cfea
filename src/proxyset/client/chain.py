"""The entries of a ledger, and the hash chain that makes a changed, missing or reordered one visible.

The hash of an entry leaves the machine inside a receipt, so it must tell nothing of what it is the hash of: every entry holds
`NONCE_BYTES` random bytes that are hashed with the rest. Without them a data set's path and the milliseconds of two answers were
found again in seconds, by trial. Entries of before (schema 1) have none and keep their hash; it stays at home.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from proxyset.client.calibration import Adjacency, Unit, moved_cells
from proxyset.errors import LedgerError
from proxyset.fingerprint import fingerprint
from proxyset.wire.release import PrivacyStatement, l2_sensitivity
from proxyset.wire.server_name import recorded_name

Kind = Literal[
    "cap", "debit", "release", "labels", "report", "policy", "pin", "key", "approval", "refusal", "schema"
]
ANSWERS = ("release", "labels", "report")
GENESIS = "0" * 64
NONCE_BYTES = 32


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. Fields that a kind has no use for are None or "".

    Attributes:
        seq: 1, 2, 3 …
        time: UTC, ISO 8601.
        kind: "cap" sets a cap (rho, epsilon, delta; for `server`, or for all when that is ""); "debit" pays
            for one draw; "release" (counts), "labels" and "report" (exact counts in shares) say that what debit `ref` paid
            for was stored, with its SHA-256 in `digest`; "policy" puts the policy `digest` in force; "pin" holds `server` to
            the index whose commitment has the SHA-256 `digest`; "key" holds it to the key, of that SHA-256, that signs its
            models; "approval" and "refusal" are what the owner decided about a probe, an approval up to (epsilon, delta);
            "schema" says that the entries from here on have a nonce.
        server: who asked. Compare `who`: it was not always written in one form.
        dataset: the owner's name of the private data that was answered from.
        probe: fingerprint of the probe.
        rho, epsilon, delta, sigma, unit, adjacency, max_records: the privacy statement of a debit, or a cap.
        grid: of a debit for persons on a grid, its grid; None elsewhere, and in entries of before there were grids.
        ref: seq of another entry.
        digest: SHA-256 of what is stored beside the entry; beside a debit for a report, its task.
        note: the owner's words.
        policy: SHA-256 of the policy in force, or "".
        nonce: random, hexadecimal; "" in entries of schema 1.
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
    grid: int | None = None
    ref: int | None = None
    digest: str = ""
    note: str = ""
    policy: str = ""
    nonce: str = ""
    prev: str = GENESIS
    hash: str = ""

    def sealed(self) -> Entry:
        """This entry with its hash: SHA-256 of the canonical JSON of all other fields, less a nonce or a grid that is not there."""
        fields = asdict(self)
        del fields["hash"]
        if not self.nonce:
            del fields["nonce"]
        if self.grid is None:
            del fields["grid"]
        return replace(self, hash=fingerprint(fields))

    @property
    def who(self) -> str:
        """The server, in the one form of its name."""
        return recorded_name(self.server)

    @property
    def statement(self) -> PrivacyStatement:
        """What a debit paid for."""
        most, grid = self.max_records or 1, self.grid or 1
        moved = moved_cells(self.rho or 0, self.sigma or 0, l2_sensitivity(most, grid, 1))
        return PrivacyStatement.model_validate(
            {
                name: getattr(self, name)
                for name in ("unit", "adjacency", "max_records", "sigma", "rho", "epsilon", "delta")
            }
            | {"l2_sensitivity": l2_sensitivity(most, grid, moved), "grid": grid}
        )


def check_links(entries: Iterable[Entry], after: Sequence[Entry] = ()) -> None:
    """Check that `entries` continue the chain that ends with `after`.

    Raises:
        LedgerError: an entry was changed, removed or put elsewhere.
    """
    seq, prev, nonce = (after[-1].seq, after[-1].hash, after[-1].nonce) if after else (0, GENESIS, "")
    for entry in entries:
        if (
            (nonce and not entry.nonce)
            or entry.seq != seq + 1
            or entry.prev != prev
            or entry.sealed().hash != entry.hash
        ):
            raise LedgerError(
                f"ledger entry {entry.seq} does not follow from entry {seq}: the ledger was changed outside "
                "proxyset; restore the newest copy, and count what was released since as spent"
            )
        seq, prev, nonce = entry.seq, entry.hash, entry.nonce
