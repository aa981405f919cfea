"""Fetching the encoder that a probe was made with: verified, shown, and kept under its fingerprint if the owner agrees.

What comes are data, and nothing of it is run before it is agreed to: a network with standard operators, and configuration that the
known encoders read. Kept, it is tried on this machine's fixed item first, so that what lies in the folder has the fingerprint.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from proxyset import atomic
from proxyset.agent.models import check_signer, maker, pulled
from proxyset.client.ledger import Ledger
from proxyset.client.pins import check_key, pin_key
from proxyset.client.policy import Policy
from proxyset.encoders import encoder_for
from proxyset.encoders.kept import named, place_of
from proxyset.encoders.onnx_file import operators
from proxyset.errors import ArtifactError, EncoderMismatch, InvalidData, Refused
from proxyset.printable import printable, shortened
from proxyset.wire.encoder_package import EncoderPackage

Agreed = Callable[[EncoderPackage], bool]


@dataclass(frozen=True)
class Kept:
    """An encoder on the owner's machine.

    Attributes:
        folder: its files.
        package: what was verified.
        new_key: whether its key was pinned just now: the owner should compare it with what the cloud says.
    """

    folder: Path
    package: EncoderPackage
    new_key: bool


def fetch_encoder(
    origin: str | os.PathLike[str],
    *,
    ledger: Ledger,
    agreed: Agreed,
    server: str | None = None,
    key: str | None = None,
    campaign: str | None = None,
    timeout: float = 30.0,
) -> Kept:
    """Fetch a signed encoder, verify it, ask its owner, and keep it where `encoder_for` finds it.

    Args:
        origin: URL of the cloud's server, or a file that was carried here.
        ledger: where the server's key is pinned.
        agreed: shown the verified package; whether to keep it.
        server, key, campaign, timeout: as `fetch_model` takes them.

    Sensitivity:
        None: no private item is read, and a request says no more than that somebody lacks the encoder.
    Unit:
        None.
    Guarantee:
        What is kept is signed by the key named or pinned, whole, data alone, and computes what its fingerprint says.
    Assumes:
        The key is that of the cloud meant. Whether these features are good for anything, no signature says.

    Raises:
        InvalidInput: `key` is not a key, or a campaign is named of a server without enrolment.
        TransportError: it cannot be had. ArtifactError: it is damaged, wrongly signed, or not accepted.
        Refused: another key has signed it, the policy does not allow this one, or the owner does not agree.
        EncoderMismatch, InvalidData, MissingExtra: it does not compute here what it should, or nothing here can run it.
        LedgerError: the pin cannot be read or written.
    """
    server = maker(origin, server, key)
    package = EncoderPackage.from_bytes(pulled(origin, "encoder", ledger, campaign, timeout))
    check_signer(ledger, package.key, server, key)
    if not agreed(package):
        raise Refused("the encoder was not kept: you did not agree to it")
    return keep(package, ledger, server, key)


def fetch_unattended(data: bytes, fingerprint: str, ledger: Ledger, server: str, policy: Policy) -> Kept:
    """Keep an encoder for the agent, where the policy allows that without a person's look.

    Args:
        data: as received.
        fingerprint: of the encoder that is lacking.

    Raises:
        As `fetch_encoder`; Refused where the policy leaves it to a person.
    """
    package = EncoderPackage.from_bytes(data)
    spec = package.card.encoder
    if spec.fingerprint != fingerprint:
        raise ArtifactError(
            f"the probe needs the encoder {fingerprint[:12]}, the server sends {spec.fingerprint[:12]}: nothing was kept"
        )
    policy.check_unattended(spec, server, package.key, not check_key(ledger, package.key, server, None))
    return keep(package, ledger, server, None)


def keep(package: EncoderPackage, ledger: Ledger, server: str, key: str | None) -> Kept:
    """Put a package that was agreed to into the owner's folder of encoders; one that is there stays, unless it was changed."""
    spec = package.card.encoder
    place = place_of(spec)
    try:
        if place.is_dir():
            encoder_for(spec, local=named(spec, place))
    except (EncoderMismatch, InvalidData):
        shutil.rmtree(place)
    if not place.is_dir():
        with atomic.new_folder(place, atomic.SECRET) as folder:
            package.save(folder)
            encoder_for(spec, local=named(spec, folder))
    return Kept(place, package, pin_key(ledger, package.key, server, key))


def words(package: EncoderPackage) -> str:
    """What an encoder is, for the owner who decides about it."""
    card = package.card
    name, licence, origin = (
        shortened(printable(text), 300) for text in (card.name, card.licence, card.origin)
    )
    runs = printable(", ".join(operators(package.files[card.network.path], Path(card.network.path))))
    lines = [
        f"{name}: an encoder {card.encoder.name!r} with {card.encoder.dim:,} features, fingerprint {card.encoder.fingerprint}",
        f"  {card.bytes:,} bytes in {len(card.files)} files: {', '.join(file.path for file in card.files)}",
        f"  licence: {licence or 'none stated'}; from: {origin or 'not said'}",
        f"  signed by {package.key}",
        f"  what runs: {card.network.path}, by ONNX Runtime, on this machine; no program comes with it",
        f"  its operators, all of the ONNX standard: {runs}",
    ]
    return "\n".join(lines)
