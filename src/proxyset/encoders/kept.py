"""Encoders that the owner has fetched: a folder of them, each under its fingerprint, where a probe's encoder is found unnamed."""

from __future__ import annotations

import os
from pathlib import Path

from proxyset.encoders.encoder import EncoderSpec

TRAVELLING = ("onnx", "hf")  # the kinds that are files


def home() -> Path:
    """PROXYSET_ENCODERS, else `proxyset/encoders` in the user's state folder (XDG_STATE_HOME), beside the ledger."""
    if chosen := os.environ.get("PROXYSET_ENCODERS"):
        return Path(chosen)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "proxyset" / "encoders"


def place_of(spec: EncoderSpec) -> Path:
    """Where the encoder of a specification lies once it is fetched."""
    return home() / spec.fingerprint


def kept(spec: EncoderSpec) -> str | None:
    """The fetched encoder of a specification, as `load_encoder` takes it; None where there is none."""
    folder = place_of(spec)
    return named(spec, folder) if spec.name in TRAVELLING and folder.is_dir() else None


def named(spec: EncoderSpec, folder: Path) -> str:
    """The name of an encoder whose files lie in a folder: that, or, of a hub's, its one network."""
    networks = sorted(folder.rglob("*.onnx")) if spec.name == "hf" else []
    return f"{spec.name}:{networks[0] if networks else folder}"
