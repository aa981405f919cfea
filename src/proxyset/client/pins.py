"""Pins: a server is held to the index that it committed to before its first answer, and to the key of its first model.

Probes of medoids carry the root of a hash tree over the whole index. The first one that is answered pins that root to the
server, as an entry of the ledger. A later probe of the same server with another root, or with none, could be made of items
that were put in after the first answer was seen; it is refused until the owner agrees to a new index, which is one more
entry.

The key that signed the first model or encoder taken from a server is pinned in the same way, as an entry of its own.
"""

from __future__ import annotations

from proxyset.client.ledger import Ledger
from proxyset.errors import Refused
from proxyset.wire.probe import Probe


def check_pin(ledger: Ledger, probe: Probe, server: str, new_index: bool) -> bool:
    """Whether answering this probe needs a new pin.

    Sensitivity:
        None: it looks at the probe and the ledger.
    Unit:
        None.
    Guarantee:
        All probes answered for `server` between two agreements of the owner are made of items of one index, fixed
        before the first of these answers.
    Assumes:
        SHA-256 has no collisions. What the index was committed to before the first probe came, the server chose freely.

    Raises:
        Refused: the server is pinned to another index, and the owner has not agreed to a new one.
    """
    commitment = _commitment(probe)
    pins = ledger.texts("pin", server)
    pinned = pins[-1][1].decode() if pins else ""
    if commitment == pinned:
        return False
    if pins and not new_index:
        now = f"of one with commitment {commitment[:12]}" if commitment else "without a commitment"
        raise Refused(
            f"the server {server!r} is pinned to the index with commitment {pinned[:12]}; this probe is {now}. It may be "
            "made after what earlier answers told. If you expect a new index, say so (new_index); it is logged"
        )
    return True


def pin(ledger: Ledger, probe: Probe, server: str, new_index: bool) -> None:
    """Check as `check_pin` does, and add the pin where a new one is needed. Called before an answer is handed over.

    Raises:
        Refused: as `check_pin`. LedgerError: it could not be written.
    """
    if check_pin(ledger, probe, server, new_index):
        ledger.add_pin(server, _commitment(probe))


def check_key(ledger: Ledger, key: str, server: str, expected: str | None) -> bool:
    """Whether taking a model or an encoder signed by `key` needs a new pin.

    Args:
        key: the public key that signed it, hexadecimal.
        server: where it comes from.
        expected: the key that the owner named; it stands above the pinned one.

    Sensitivity:
        None: it looks at keys and the ledger.
    Unit:
        None.
    Guarantee:
        All models and encoders taken from `server` between two agreements of the owner are signed by one key.
    Assumes:
        The first one came from the server meant, unless the owner named its key.

    Raises:
        Refused: it is signed by another key than the one named or, when none is named, the one pinned.
    """
    pins = ledger.texts("key", server)
    pinned = pins[-1][1].decode() if pins else ""
    wanted = expected or pinned
    if wanted and key != wanted:
        why = "you expect" if expected else f"the server {server!r} is pinned to"
        raise Refused(
            f"this is signed by the key {key}; {why} {wanted}. Take nothing of it until its maker says, on another way, that "
            "the key is theirs; then name it (key)"
        )
    return key != pinned


def pin_key(ledger: Ledger, key: str, server: str, expected: str | None) -> bool:
    """Check as `check_key` does, add the pin where a new one is needed, and say whether it was.

    Raises:
        Refused: as `check_key`. LedgerError: it could not be written.
    """
    needed = check_key(ledger, key, server, expected)
    if needed:
        ledger.add_key(server, key)
    return needed


def _commitment(probe: Probe) -> str:
    return probe.medoids.commitment if probe.medoids else ""
