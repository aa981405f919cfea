"""An encoder on its way to the data owner: its files, a card that says what it is, and the signature of whoever offers it.

A signed package (`sealed`) as models are. Only data travel: one ONNX network without external data and with standard operators
alone, and the configuration files that `encoders.onnx` and `encoders.hub` read, each known by its name. A name is no path of
anybody's choice: it has no "..", no root and no link, so that a package can write nowhere but into its own folder.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from pydantic import Field, model_validator

from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.hub_files import CONFIGURATION
from proxyset.encoders.kept import TRAVELLING
from proxyset.encoders.onnx_recipe import MODEL, RECIPE
from proxyset.errors import ArtifactError
from proxyset.fingerprint import canonical_json
from proxyset.wire.container import Sha256, Strict
from proxyset.wire.model import MODEL_LIMIT, check_onnx
from proxyset.wire.sealed import Seal, check_whole, header_bytes, read_header
from proxyset.wire.signing import public_half, sign, verify

if TYPE_CHECKING:
    from nacl.signing import SigningKey

PACKAGE_LIMIT = MODEL_LIMIT
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
_NETWORK = re.compile(rf"(?:onnx/)?{_NAME}\.onnx")
_MODULE = re.compile(r"[0-9]{1,2}_[A-Za-z]{1,40}/config\.json")


class PackedFile(Strict):
    """One file: where it lies in the encoder's folder, and what it is."""

    path: str = Field(max_length=220)
    sha256: Sha256
    bytes: int = Field(ge=1, le=PACKAGE_LIMIT)


class EncoderCard(Strict):
    """What an encoder is.

    Attributes:
        name: for people.
        encoder: what it computes; its fingerprint is the probe's.
        files: in the order in which they travel; one of them is the network.
        licence: terms of the weights, as whoever packed it says.
        origin: where it is from; for people.
    """

    schema_version: Literal["proxyset.encoder/1"] = "proxyset.encoder/1"
    name: str = Field(max_length=200)
    encoder: EncoderSpec
    files: list[PackedFile] = Field(min_length=2, max_length=32)
    licence: str = Field(default="", max_length=2000)
    origin: str = Field(default="", max_length=10_000)

    @model_validator(mode="after")
    def _only_what_is_read(self) -> EncoderCard:
        paths = [file.path for file in self.files]
        if self.encoder.name not in TRAVELLING:
            raise ValueError(f"encoders of the kind {self.encoder.name!r} have no files that travel")
        if unknown := [path for path in paths if not may_travel(self.encoder.name, path)]:
            raise ValueError(f"the file {unknown[0]!r} is none that an encoder {self.encoder.name!r} reads")
        if len({path.casefold() for path in paths}) < len(paths):
            raise ValueError("two files have one name")
        if sum(path.endswith(".onnx") for path in paths) != 1:
            raise ValueError("an encoder has one network")
        if self.network.sha256 != self.encoder.params.get("weights_sha256"):
            raise ValueError("the network is not the one whose weights the encoder's fingerprint names")
        if self.bytes > PACKAGE_LIMIT:
            raise ValueError(f"{self.bytes} bytes, more than the {PACKAGE_LIMIT} accepted")
        return self

    @property
    def network(self) -> PackedFile:
        """The ONNX file."""
        return next(file for file in self.files if file.path.endswith(".onnx"))

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)


class _Header(Seal):
    card: EncoderCard


@dataclass(frozen=True)
class EncoderPackage:
    """A signed encoder. `from_bytes` and `read` have verified it.

    Attributes:
        card: what it is.
        files: path → content.
        key: the public key that signed it, hexadecimal. Whether that is the right one is the reader's affair.
        signature: Ed25519, of the card.
    """

    card: EncoderCard
    files: Mapping[str, bytes] = field(repr=False)
    key: str
    signature: str

    @classmethod
    def sign(cls, card: EncoderCard, files: Mapping[str, bytes], key: SigningKey) -> EncoderPackage:
        """Sign an encoder.

        Raises:
            ArtifactError: the card is of other files, or the network would be refused by whoever gets it.
        """
        return _checked(cls(card, files, public_half(key), sign(key, _message(card))))

    def to_bytes(self) -> bytes:
        """The package as one file. The same encoder gives the same bytes."""
        header = header_bytes(self.card, {"key": self.key, "signature": self.signature})
        return header + b"".join(self.files[file.path] for file in self.card.files)

    @classmethod
    def from_bytes(cls, data: bytes) -> EncoderPackage:
        """Decode and verify. Raises ArtifactError as `read`."""
        return cls.read(io.BytesIO(data))

    @classmethod
    def read(cls, file: BinaryIO) -> EncoderPackage:
        """Decode and verify what an open file holds from where it stands.

        Raises:
            ArtifactError: not an encoder, cut off, damaged, of another version, wrongly signed, with a file that no encoder reads,
                or with a network that reads other files or runs more than standard operators.
        """
        header = read_header(file, _Header, "encoder")
        files = {each.path: file.read(each.bytes) for each in header.card.files}
        if file.read(1):
            raise ArtifactError("this encoder was added to: more bytes than its card says; fetch it again")
        return _checked(cls(header.card, files, header.key, header.signature))

    def save(self, folder: Path) -> None:
        """Write the encoder's files into an existing, empty folder."""
        for path, content in self.files.items():
            target = folder / path
            target.parent.mkdir(mode=0o700, exist_ok=True)
            target.touch(0o600, exist_ok=False)
            target.write_bytes(content)


def may_travel(kind: str, path: str) -> bool:
    """Whether an encoder of a kind reads a file of that name, and it is data."""
    if kind == "onnx":
        return path in (MODEL, RECIPE)
    return bool(path in CONFIGURATION or _MODULE.fullmatch(path) or _NETWORK.fullmatch(path))


def _message(card: EncoderCard) -> bytes:
    return b"proxyset encoder\n" + canonical_json(card.model_dump(mode="json"))


def _checked(package: EncoderPackage) -> EncoderPackage:
    verify(package.key, package.signature, _message(package.card), "encoder")
    if set(package.files) != {file.path for file in package.card.files}:
        raise ArtifactError("this encoder has other files than its card says")
    for file in package.card.files:
        check_whole(package.files[file.path], file.bytes, file.sha256, f"encoder's file {file.path}")
    check_onnx(package.files[package.card.network.path], "encoder")
    return package
