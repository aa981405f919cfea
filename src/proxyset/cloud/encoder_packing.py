"""Packing an encoder's files for the data owners who have none: what travels, from a folder to a signed package."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from proxyset.encoders import encoder_for, load_encoder
from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.hub import HubParams
from proxyset.encoders.hub_files import network_file
from proxyset.encoders.kept import TRAVELLING, named
from proxyset.encoders.onnx_recipe import read
from proxyset.errors import InvalidData, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.wire.encoder_package import (
    PACKAGE_LIMIT,
    EncoderCard,
    EncoderPackage,
    PackedFile,
    may_travel,
)

if TYPE_CHECKING:
    from nacl.signing import SigningKey


def pack_encoder(
    local: str,
    key: SigningKey,
    *,
    asked: EncoderSpec | None = None,
    name: str = "",
    licence: str = "",
    origin: str = "",
) -> EncoderPackage:
    """The package of an encoder of files, tried out as whoever fetches it will use it.

    Args:
        local: "onnx:FOLDER", "hf:FOLDER", or "hf:FOLDER/onnx/FILE.onnx".
        key: signs it.
        asked: the encoder that an index was built with; None takes what this machine computes. The features that travel in a hub
            encoder's specification differ between machines in their last digits, and its fingerprint with them.
        name: for people; the folder's name.

    Raises:
        InvalidInput: another kind of encoder, or no such folder. EncoderMismatch: it is not the one asked for.
        InvalidData: a file is a link, missing or damaged. ArtifactError: the network would be refused by whoever gets it.
    """
    kind, _, rest = local.partition(":")
    if kind not in TRAVELLING or not rest:
        raise InvalidInput(f"{local!r} is no encoder of files: name it as onnx:FOLDER or hf:FOLDER")
    spec = asked or load_encoder(local).spec
    encoder_for(spec, local=local)
    root = Path(rest).expanduser()
    network = None
    if kind == "hf":
        root, network = network_file(root, HubParams.model_validate(spec.params).takes)
    files = _files(root, kind, network)
    listed = [
        PackedFile(path=path, sha256=fingerprint(data), bytes=len(data)) for path, data in files.items()
    ]
    card = EncoderCard(
        name=name or root.absolute().name, encoder=spec, files=listed, licence=licence, origin=origin
    )
    package = EncoderPackage.sign(card, files, key)
    with tempfile.TemporaryDirectory() as folder:
        package.save(Path(folder))
        encoder_for(spec, local=named(spec, Path(folder)))
    return package


def _files(root: Path, kind: str, network: Path | None) -> dict[str, bytes]:
    """What an encoder reads of its folder, by name; of a hub's networks the one that is meant."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if (
            not may_travel(kind, name)
            or path.is_dir()
            or (name.endswith(".onnx") and network not in (None, path))
        ):
            continue
        if path.is_symlink() or root.resolve() not in path.resolve().parents:
            raise InvalidData(
                f"{path} is a link; what travels must lie in the folder itself: copy the folder with its links followed (cp -rL)"
            )
        found[name] = read(path, PACKAGE_LIMIT)
    return found
