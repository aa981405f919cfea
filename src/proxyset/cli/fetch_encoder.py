"""proxyset client fetch-encoder: what a probe was made with comes to the owner, who looks at it and decides."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from proxyset.agent import encoders
from proxyset.cli import options
from proxyset.cli.output import emit, note
from proxyset.client.ledger import Ledger
from proxyset.wire.encoder_package import EncoderPackage


def fetch_encoder(
    origin: options.Origin,
    campaign: Annotated[
        str | None, typer.Option(help="Whose encoder, of a server you are enrolled with.", show_default=False)
    ] = None,
    key: options.SignerKey = None,
    server: options.Maker = None,
    yes: Annotated[bool, typer.Option("--yes", help="Keep it without asking.")] = False,
    ledger: options.LedgerFile = None,
    timeout: options.Timeout = 30.0,
    json: options.Json = False,
) -> None:
    """Fetch the encoder that a probe was made with, verify it, show what it is, and keep it if you agree.

    It is data: a network that ONNX Runtime runs, and its configuration. It lies in PROXYSET_ENCODERS, or beside the user's own
    ledger, under its fingerprint, and answers find it there. The first key of a server is pinned.

    Example: proxyset client fetch-encoder https://cloud.example --campaign lung-ct
    """

    def agreed(package: EncoderPackage) -> bool:
        note(encoders.words(package))
        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            note("nobody can be asked here: look at it, and say --yes to keep it")
            return False
        return typer.confirm("Keep it, and use it on your data?", default=False, err=True)

    found = encoders.fetch_encoder(
        origin,
        ledger=Ledger.open(ledger),
        agreed=agreed,
        server=server,
        key=key,
        campaign=campaign,
        timeout=timeout,
    )
    card = found.package.card
    facts = {
        "folder": str(found.folder),
        "fingerprint": card.encoder.fingerprint,
        "key": found.package.key,
        "new_key": found.new_key,
        "card": card.model_dump(mode="json"),
    }
    emit(facts, f"{found.folder}: verified and kept; answers to its probes find it there", json)
    if found.new_key and key is None:
        note(
            f"its key is pinned from now on: {found.package.key}. Compare it with what the cloud tells you on another way"
        )
