"""The encoders that clients may fetch: DIR/encoders/FINGERPRINT, signed packages, for all campaigns that ask with them."""

from __future__ import annotations

from pathlib import Path

from proxyset import atomic
from proxyset.errors import InvalidInput
from proxyset.server.state import State
from proxyset.wire.encoder_package import EncoderPackage
from proxyset.wire.probe import Probe

FOLDER = "encoders"


def publish_encoder(state: State, campaign: str, package: EncoderPackage) -> Path:
    """Offer a campaign's encoder to its clients; it replaces the package before.

    Raises:
        UnknownName: no such campaign. InvalidInput: its probe was made with another encoder.
    """
    offered = package.card.encoder.fingerprint
    asked = Probe.from_bytes(state.probe(state.campaign(campaign).probe)).encoder.fingerprint
    if asked != offered:
        raise InvalidInput(
            f"campaign {campaign!r} asks with the encoder {asked}, this package holds {offered}: pack that of its index"
        )
    path = state.folder / FOLDER / offered
    atomic.write_bytes(path, package.to_bytes())
    state.note("publish encoder", f"{campaign} {offered}")
    return path


def encoder_file(state: State, fingerprint: str) -> Path | None:
    """Where the package of an encoder lies, or None."""
    path = state.folder / FOLDER / fingerprint
    return path if path.is_file() else None
