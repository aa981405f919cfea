"""Fetching the model that the cloud made: verified as a whole before anything of it lies under its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxyset import atomic
from proxyset.agent import enrolment
from proxyset.client.ledger import Ledger
from proxyset.client.pins import check_key, pin_key
from proxyset.client.policy import in_force
from proxyset.errors import InvalidInput
from proxyset.sources.remote import is_url
from proxyset.transport.http import Http
from proxyset.wire.files import read_message
from proxyset.wire.model import MODEL_LIMIT, Model


@dataclass(frozen=True)
class Fetched:
    """A model on the owner's machine.

    Attributes:
        folder: model.onnx, card.json and signature.json.
        model: what was verified.
        new_key: whether its key was pinned just now: the owner should compare it with what the cloud says.
    """

    folder: Path
    model: Model
    new_key: bool


def fetch_model(
    origin: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    ledger: Ledger,
    server: str | None = None,
    key: str | None = None,
    campaign: str | None = None,
    timeout: float = 30.0,
) -> Fetched:
    """Fetch a signed model, verify it, and keep it in a new folder.

    Args:
        origin: URL of the cloud's server, or a file that was carried here.
        out: the folder; it must not exist, or be empty.
        ledger: where the server's key is pinned.
        server: the owner's name for whoever made it; the URL, or "" for a file.
        key: the public key that must have signed it, hexadecimal; None takes the pinned one, or pins the first.
        campaign: whose model, where `origin` is a server that this ledger is enrolled with.
        timeout: seconds for each step of a request.

    Sensitivity:
        None: no private item is read, and a request says no more than that somebody wants the model.
    Unit:
        None.
    Guarantee:
        What lies in `out` is signed by the key named or pinned, whole, and reads no other file.
    Assumes:
        The key is that of the cloud meant. That the model is good, or newer than another one, no signature says.

    Raises:
        InvalidInput: `key` is not a key, `out` is taken, or a campaign is named of a server without enrolment.
        TransportError: it cannot be had. ArtifactError: it is damaged, wrongly signed, or not accepted.
        Refused: another key has signed it, or the policy does not allow this one. LedgerError: the pin cannot be read or written.
    """
    server = maker(origin, server, key)
    model = Model.from_bytes(pulled(origin, "model", ledger, campaign, timeout))
    check_signer(ledger, model.key, server, key)
    try:
        with atomic.new_folder(out, atomic.SECRET) as folder:
            model.save(folder)
            new = pin_key(ledger, model.key, server, key)
    except FileExistsError as error:
        raise InvalidInput(str(error)) from None
    return Fetched(Path(out), model, new)


def maker(origin: str | os.PathLike[str], server: str | None, key: str | None) -> str:
    """The owner's name for whoever made what is fetched: the one given, or the URL, or "" for a file.

    Raises:
        InvalidInput: the key that must have signed it is no key.
    """
    if key is not None and (len(key) != 64 or set(key) - set("0123456789abcdef")):
        raise InvalidInput(f"{key!r} is not a public key: it has 64 hexadecimal digits")
    return server if server is not None else str(origin) if is_url(origin) else ""


def pulled(
    origin: str | os.PathLike[str],
    what: Literal["model", "encoder"],
    ledger: Ledger,
    campaign: str | None,
    timeout: float,
) -> bytes:
    """A signed package as it comes from a campaign's server, from an open server, or out of a file.

    Raises:
        InvalidInput: a campaign is named of a server without enrolment. TransportError: it cannot be had.
    """
    if campaign is not None:
        service = enrolment.service(ledger, str(origin), timeout)
        return service.model(campaign) if what == "model" else service.encoder(campaign)
    if is_url(origin):
        http = Http(str(origin), timeout)
        return http.pull_model() if what == "model" else http.pull_encoder()
    return read_message(Path(origin), what, MODEL_LIMIT)


def check_signer(ledger: Ledger, signer: str, server: str, expected: str | None) -> None:
    """Raise Refused when the policy in force, or the key that the owner named or pinned, does not allow this one."""
    policy, _ = in_force(ledger)
    if policy:
        policy.check_model(signer)
    check_key(ledger, signer, server, expected)
