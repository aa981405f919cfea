"""A model on its way back to the data owner: ONNX, a card that says what it is, and the cloud's signature.

As one file (`to_bytes`): a signed package (`sealed`) of the card and the ONNX file. As a folder (`save`), ready for any program:
model.onnx, card.json, signature.json. The card holds the SHA-256 of the ONNX file and the signature covers the card, so it covers
everything. Whoever reads a model back has verified all of it, and has seen that the ONNX file reads no other file and runs nothing
but standard operators.

A model that has seen private data without a guarantee has no such form: it cannot be signed, and a signed one is not accepted, so
nothing that publishes models can publish it. One that its owner fitted at home is a folder without a signature (`at_home`).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

from pydantic import Field, model_validator

from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.onnx_file import refuse_external_data, refuse_foreign_operators
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.errors import ArtifactError, InvalidData
from proxyset.fingerprint import canonical_json
from proxyset.wire.container import Sha256, Strict
from proxyset.wire.files import Readable, read_message
from proxyset.wire.lineage import Lineage
from proxyset.wire.sealed import (
    HEADER_LIMIT,
    Seal,
    check_whole,
    header_bytes,
    parsed,
    read_header,
)
from proxyset.wire.signing import public_half, sign, verify

if TYPE_CHECKING:
    from nacl.signing import SigningKey

MODEL, CARD, SIGNATURE = "model.onnx", "card.json", "signature.json"
MODEL_LIMIT = 1 << 30


class Pictures(Strict):
    """The model takes image files, prepared as this says."""

    kind: Literal["image"] = "image"
    preprocessing: Preprocessing


class Features(Strict):
    """The model takes what an encoder makes of images, texts, rows of a table or ready embeddings."""

    kind: Literal["features"] = "features"
    encoder: EncoderSpec


class Mixture(Strict):
    """The classes that a model was trained on, and how far its scores can be believed: what an owner's own mixture is found with.

    Attributes:
        shares: of the K classes in the training set, by weight.
        temperature, biases: softmax(logits / temperature + biases) was right on labelled public items that the model had not seen,
            as often as it says; 1 and zeros where that was not measured.
    """

    shares: list[Annotated[float, Field(ge=0, le=1)]] = Field(min_length=2, max_length=100_000)
    temperature: float = Field(default=1.0, gt=0, le=1000)
    biases: list[Annotated[float, Field(ge=-50, le=50)]]

    @model_validator(mode="after")
    def _whole(self) -> Mixture:
        if len(self.biases) != len(self.shares):
            raise ValueError("as many biases as shares are needed")
        if abs(math.fsum(self.shares) - 1) > 1e-6:
            raise ValueError(f"class shares must add up to 1; these add up to {math.fsum(self.shares):.6g}")
        return self


class ModelCard(Strict):
    """What a model is.

    Attributes:
        name: for people.
        classes: the names of its K ≥ 2 outputs (logits, (n, K) float32), in order.
        input: what it takes.
        lineage: what it has seen of private data.
        sha256, bytes: of the ONNX file.
        licence: terms of the weights.
        origin: how it was made; for people.
        multiply_adds: of one item, None when they were not counted.
        mixture: of its training classes; None in a model that does not say.
    """

    schema_version: Literal["proxyset.model/3"] = "proxyset.model/3"
    name: str = Field(max_length=200)
    classes: list[Annotated[str, Field(max_length=500)]] = Field(min_length=2, max_length=100_000)
    input: Annotated[Pictures | Features, Field(discriminator="kind")]
    lineage: Lineage
    sha256: Sha256
    bytes: int = Field(ge=1, le=MODEL_LIMIT)
    licence: str = Field(default="", max_length=2000)
    origin: str = Field(default="", max_length=10_000)
    multiply_adds: int | None = Field(default=None, ge=0)
    mixture: Mixture | None = None

    @model_validator(mode="after")
    def _distinct(self) -> ModelCard:
        if self.mixture is not None and len(self.mixture.shares) != len(self.classes):
            raise ValueError(f"{len(self.mixture.shares)} class shares for {len(self.classes)} classes")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")
        return self

    @classmethod
    def read(cls, folder: Readable) -> ModelCard:
        """The card of a model folder, signed or not.

        Raises:
            TransportError: there is none. ArtifactError: it is damaged or of another version.
        """
        return parsed(cls, read_message(folder / CARD, "model card", HEADER_LIMIT), "model")


class _Header(Seal):
    card: ModelCard


@dataclass(frozen=True)
class Model:
    """A signed model. `from_bytes` and `open` have verified it.

    Attributes:
        card: what it is.
        onnx: the ONNX file.
        key: the public key that signed it, hexadecimal. Whether that is the right one is the reader's affair.
        signature: Ed25519, of the card.
    """

    card: ModelCard
    onnx: bytes
    key: str
    signature: str

    @classmethod
    def sign(cls, card: ModelCard, onnx: bytes, key: SigningKey) -> Model:
        """Sign a model.

        Raises:
            ArtifactError: the card is of another ONNX file, or the file would be refused by whoever gets it.
        """
        public = public_half(key)
        return _checked(cls(card, onnx, public, sign(key, _message(card))))

    def to_bytes(self) -> bytes:
        """The model as one file. The same model gives the same bytes."""
        return header_bytes(self.card, self._seal()) + self.onnx

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """Decode and verify. Raises ArtifactError as `read`."""
        return cls.read(io.BytesIO(data))

    @classmethod
    def read(cls, file: BinaryIO) -> Model:
        """Decode and verify what an open file holds from where it stands; memory for the ONNX file once.

        Raises:
            ArtifactError: not a model, cut off, damaged, of another version, wrongly signed, or with an ONNX file that reads
                other files or runs more than standard operators.
        """
        header = read_header(file, _Header, "model")
        onnx = file.read(header.card.bytes + 1)  # one more than there should be shows that there is more
        return _checked(cls(header.card, onnx, header.key, header.signature))

    def save(self, folder: Path) -> None:
        """Write model.onnx, card.json and signature.json into an existing folder."""
        (folder / MODEL).write_bytes(self.onnx)
        (folder / CARD).write_text(self.card.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / SIGNATURE).write_bytes(canonical_json(self._seal()) + b"\n")

    @classmethod
    def open(cls, path: Readable) -> Model:
        """Read and verify a model, from a folder or from one file.

        Raises:
            TransportError: a file cannot be read. ArtifactError: as `from_bytes`, or the folder is not signed.
        """
        if not path.is_dir():
            return cls.from_bytes(read_message(path, "model", MODEL_LIMIT))
        if not (path / SIGNATURE).is_file():
            raise ArtifactError(f"{path} is not a signed model: proxyset model sign {path} --key KEY")
        seal = parsed(Seal, read_message(path / SIGNATURE, "signature", HEADER_LIMIT), "model")
        onnx = read_message(path / MODEL, "model", MODEL_LIMIT)
        return _checked(cls(ModelCard.read(path), onnx, seal.key, seal.signature))

    @classmethod
    def at_home(cls, folder: Path) -> Model:
        """Read a model that was fitted here to private items: a folder without a signature, whose card says PRIVATE.

        Raises:
            TransportError: a file cannot be read.
            ArtifactError: it is damaged, or no such model.
        """
        card, onnx = ModelCard.read(folder), read_message(folder / MODEL, "model", MODEL_LIMIT)
        if not card.lineage.private or (folder / SIGNATURE).exists():
            raise ArtifactError(
                f"{folder} is no model that was fitted at home: proxyset client adapt makes one"
            )
        model = cls(card, onnx, "", "")
        _whole(model)
        return model

    def _seal(self) -> dict[str, str]:
        return {"key": self.key, "signature": self.signature}


def check_onnx(onnx: bytes, what: str = "model") -> None:
    """Refuse what a data owner's machine should not load.

    Args:
        what: "model" or "encoder", for errors.

    Raises:
        ArtifactError: no ONNX model, too large, weights in another file, operators outside the standard, branches or loops.
    """
    if len(onnx) > MODEL_LIMIT:
        raise ArtifactError(f"this {what} has {len(onnx)} bytes, more than the {MODEL_LIMIT} accepted")
    try:
        refuse_external_data(onnx, Path(MODEL))
        refuse_foreign_operators(onnx, Path(MODEL))
    except InvalidData as error:
        raise ArtifactError(f"this {what} is not accepted: {error}") from None


def _message(card: ModelCard) -> bytes:
    return b"proxyset model\n" + canonical_json(card.model_dump(mode="json"))


def _checked(model: Model) -> Model:
    if model.card.lineage.private:
        raise ArtifactError(
            f"the model {model.card.name!r} saw private data without a guarantee: it may not be signed, published or fetched. "
            "It stays with the owner of these data"
        )
    verify(model.key, model.signature, _message(model.card), "model")
    _whole(model)
    return model


def _whole(model: Model) -> None:
    check_whole(model.onnx, model.card.bytes, model.card.sha256, "model")
    check_onnx(model.onnx)
