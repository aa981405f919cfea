"""Receipts of a ledger: made after a release is stored, kept beside the ledger, and a guard against old copies of it.

A ledger with a key (`make_key`) signs a receipt for every release. The receipts lie in `LEDGER.receipts/`; each names the
hash of the entry that stored its release, or, where that one has no nonce, of the next that has (`chain`). A ledger in which
such an entry is missing is older than the receipt: somebody restored a backup, and answering from it would forget what was
spent. It is refused. To notice this after the receipts were rolled back too, give a copy of one to `check_receipt`: the server
has them, and should.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxyset import atomic
from proxyset.client.chain import ANSWERS, Entry
from proxyset.client.ledger import Ledger
from proxyset.errors import ArtifactError, LedgerError
from proxyset.wire.files import read_message
from proxyset.wire.questions import LabelRelease
from proxyset.wire.receipt import Claim, Receipt, commitment
from proxyset.wire.release import RECEIPT_LIMIT, Release
from proxyset.wire.report import Report
from proxyset.wire.signing import public_half

if TYPE_CHECKING:
    from nacl.signing import SigningKey


def make_key(ledger: Ledger) -> str:
    """Give the ledger an Ed25519 key, unless it has one, and return the public half in hexadecimal.

    Raises:
        LedgerError: it cannot be written or read.
    """
    with ledger.exclusive():
        if not _key_file(ledger).exists():
            from nacl.signing import SigningKey

            try:
                atomic.write_bytes(_key_file(ledger), bytes(SigningKey.generate()), atomic.SECRET)
            except OSError as error:
                raise LedgerError(f"the key of {ledger.path} cannot be written: {error}") from error
    return public_key(ledger)


def public_key(ledger: Ledger) -> str:
    """The public half of the ledger's key, or "" without one."""
    key = _key(ledger)
    return public_half(key) if key else ""


def signing_key(ledger: Ledger) -> SigningKey:
    """The ledger's key; it signs receipts, and the agent's requests to servers it enrolled with.

    Raises:
        LedgerError: there is none, or it cannot be read.
    """
    if (key := _key(ledger)) is None:
        raise LedgerError(f"the ledger {ledger.path} has no key: proxyset client init {ledger.path}")
    return key


def issue(ledger: Ledger, release: Release | LabelRelease | Report) -> Receipt | None:
    """The receipt of a stored release, kept beside the ledger; None when the ledger has no key.

    Asked again, it gives the same bytes: a crash before it was kept loses nothing.

    Raises:
        LedgerError: the release is not in the ledger, or the receipt cannot be kept.
    """
    if (key := _key(ledger)) is None:
        return None
    entry = _entry_of(ledger, release)
    named = _hiding(ledger, entry)
    claim = Claim(
        release=release.fingerprint,
        probe=release.probe,
        index=release.index,
        server=entry.who,
        privacy=release.privacy,
        policy=commitment(named.nonce, entry.policy),
        head=named.hash,
        key=public_half(key),
    )
    receipt = Receipt.sign(claim, key)
    try:
        atomic.write_bytes(_file(ledger, entry), receipt.to_bytes(), atomic.SECRET)
    except OSError as error:
        raise LedgerError(f"the receipt of entry {entry.seq} cannot be kept: {error}") from error
    return receipt


def kept(ledger: Ledger, entry: Entry) -> bytes:
    """The receipt that is kept for the release stored by `entry`, or b"".

    Raises:
        LedgerError: it cannot be read.
    """
    file = _file(ledger, entry)
    try:
        return file.read_bytes() if file.exists() else b""
    except OSError as error:
        raise LedgerError(f"the receipt {file} cannot be read: {error}") from error


def check_not_rolled_back(ledger: Ledger) -> int:
    """Check that every receipt beside the ledger is still in it, and return how many there are.

    Raises:
        LedgerError: the ledger is older than a receipt, or a receipt is damaged or signed by another key.
    """
    files = sorted(_folder(ledger).glob("*.json")) if _folder(ledger).is_dir() else []
    hashes = {entry.hash for entry in ledger.entries()} if files else set()
    key = public_key(ledger)
    for file in files:
        try:
            receipt = Receipt.from_bytes(read_message(file, "receipt", RECEIPT_LIMIT), key or None)
        except ArtifactError as error:
            raise LedgerError(f"the receipt {file} cannot be trusted: {error}") from error
        _refuse_older(ledger, receipt, hashes)
    return len(files)


def check_receipt(ledger: Ledger, receipt: Receipt) -> str:
    """Check that a receipt, from wherever it was kept, is in the ledger, and return which policy it commits to.

    Returns:
        SHA-256 of the text of the policy that was in force, or "" without one.

    Raises:
        LedgerError: the ledger is older than the receipt, or not the one that made it.
    """
    entries, claim = ledger.entries(), receipt.claim
    _refuse_older(ledger, receipt, {entry.hash for entry in entries})
    if claim.schema_version == "proxyset.receipt/1":
        return claim.policy
    nonce = next(entry.nonce for entry in entries if entry.hash == claim.head)
    for policy in {entry.policy for entry in entries}:
        if commitment(nonce, policy) == claim.policy:
            return policy
    raise LedgerError(f"the receipt commits to a policy that was never in force in {ledger.path}")


def _refuse_older(ledger: Ledger, receipt: Receipt, hashes: set[str]) -> None:
    if receipt.claim.head not in hashes:
        raise LedgerError(
            f"the ledger {ledger.path} lacks the entry {receipt.claim.head[:12]} that a receipt for probe "
            f"{receipt.claim.probe[:12]} names: it is an old copy. Restore the newest; if it is lost, begin a new ledger "
            "with the cap lowered by all that the receipts say was spent"
        )


def _entry_of(ledger: Ledger, release: Release | LabelRelease | Report) -> Entry:
    for entry in reversed(ledger.entries()):
        if entry.kind in ANSWERS and entry.digest == release.fingerprint:
            return entry
    raise LedgerError(f"the release {release.fingerprint[:12]} is not in the ledger {ledger.path}")


def _hiding(ledger: Ledger, entry: Entry) -> Entry:
    """The first entry from this one on whose hash tells nothing; every hash covers all entries before."""
    for later in ledger.entries()[entry.seq - 1 :]:
        if later.nonce:
            return later
    return ledger.add_nonces()


def _key(ledger: Ledger) -> SigningKey | None:
    if not _key_file(ledger).exists():
        return None
    from nacl.signing import SigningKey

    try:
        return SigningKey(_key_file(ledger).read_bytes())
    except (OSError, ValueError) as error:
        raise LedgerError(f"the key of {ledger.path} cannot be read: {error}") from error


def _key_file(ledger: Ledger) -> Path:
    return ledger.path.with_name(ledger.path.name + ".key")


def _file(ledger: Ledger, entry: Entry) -> Path:
    return _folder(ledger) / f"{entry.seq:08d}.json"


def _folder(ledger: Ledger) -> Path:
    return ledger.path.with_name(ledger.path.name + ".receipts")
