"""A model on its way back to the data owner: ONNX, a card that says what it is, and the cloud's signature.

As one file (`to_bytes`): 8 bytes little-endian length of the header; the header, canonical JSON {card, key, signature};
the ONNX file. As a folder (`save`), ready for any program: model.onnx, card.json, signature.json. The card holds the
SHA-256 of the ONNX file and the signature covers the card, so it covers everything. Whoever reads a model back has
verified all of it, and has seen that the ONNX file reads no other file and runs nothing but standard operators.

A model that has seen private data without a guarantee has no such form: it cannot be signed, and a signed one is not accepted, so
nothing that publishes models can publish it. One that its owner fitted at home is a folder without a signature (`at_home`).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.onnx_file import refuse_external_data, refuse_foreign_operators
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.errors import ArtifactError, InvalidData
from proxyset.fingerprint import canonical_json, fingerprint
from proxyset.wire.files import read_message
from proxyset.wire.lineage import Lineage
from proxyset.wire.signing import public_half, sign, verify

if TYPE_CHECKING:
    from nacl.signing import SigningKey

MODEL, CARD, SIGNATURE = "model.onnx", "card.json", "signature.json"
MODEL_LIMIT = 1 << 30
_HEADER_LIMIT = 8 << 20
_SHA256 = r"^[0-9a-f]{64}$"
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)

Part = TypeVar("Part", bound=BaseModel)


class Pictures(BaseModel):
    """The model takes image files, prepared as this says."""

    model_config = _STRICT

    kind: Literal["image"] = "image"
    preprocessing: Preprocessing


class Features(BaseModel):
    """The model takes what an encoder makes of images, texts, rows of a table or ready embeddings."""

    model_config = _STRICT

    kind: Literal["features"] = "features"
    encoder: EncoderSpec


class Mixture(BaseModel):
    """The classes that a model was trained on, and how far its scores can be believed: what an owner's own mixture is found with.

    Attributes:
        shares: of the K classes in the training set, by weight.
        temperature, biases: softmax(logits / temperature + biases) was right on labelled public items that the model had not seen,
            as often as it says; 1 and zeros where that was not measured.
    """

    model_config = _STRICT

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


class ModelCard(BaseModel):
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

    model_config = _STRICT

    schema_version: Literal["proxyset.model/3"] = "proxyset.model/3"
    name: str = Field(max_length=200)
    classes: list[Annotated[str, Field(max_length=500)]] = Field(min_length=2, max_length=100_000)
    input: Annotated[Pictures | Features, Field(discriminator="kind")]
    lineage: Lineage
    sha256: str = Field(pattern=_SHA256)
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
    def read(cls, folder: Path) -> ModelCard:
        """The card of a model folder, signed or not.

        Raises:
            TransportError: there is none. ArtifactError: it is damaged or of another version.
        """
        return _parsed(cls, read_message(folder / CARD, "model card", _HEADER_LIMIT))


class _Seal(BaseModel):
    model_config = _STRICT

    key: str = Field(pattern=_SHA256)
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


class _Header(_Seal):
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
        fields: dict[str, Any] = {"card": self.card.model_dump(mode="json"), **self._seal()}
        header = canonical_json(fields)
        return len(header).to_bytes(8, "little") + header + self.onnx

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
        begin = file.read(8)
        size = int.from_bytes(begin, "little")
        text = file.read(size) if len(begin) == 8 and 2 <= size <= _HEADER_LIMIT else b""
        if not text or len(text) < size:
            raise ArtifactError(
                f"this is not a model, or it was cut off: {len(begin) + len(text)} bytes read"
            )
        header = _parsed(_Header, text)
        onnx = file.read(header.card.bytes + 1)  # one more than there should be shows that there is more
        return _checked(cls(header.card, onnx, header.key, header.signature))

    def save(self, folder: Path) -> None:
        """Write model.onnx, card.json and signature.json into an existing folder."""
        (folder / MODEL).write_bytes(self.onnx)
        (folder / CARD).write_text(self.card.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / SIGNATURE).write_bytes(canonical_json(self._seal()) + b"\n")

    @classmethod
    def open(cls, path: Path) -> Model:
        """Read and verify a model, from a folder or from one file.

        Raises:
            TransportError: a file cannot be read. ArtifactError: as `from_bytes`, or the folder is not signed.
        """
        if not path.is_dir():
            return cls.from_bytes(read_message(path, "model", MODEL_LIMIT))
        if not (path / SIGNATURE).is_file():
            raise ArtifactError(f"{path} is not a signed model: proxyset model sign {path} --key KEY")
        seal = _parsed(_Seal, read_message(path / SIGNATURE, "signature", _HEADER_LIMIT))
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


def check_onnx(onnx: bytes) -> None:
    """Refuse what a data owner's machine should not load.

    Raises:
        ArtifactError: no ONNX model, too large, weights in another file, operators outside the standard, branches or loops.
    """
    if len(onnx) > MODEL_LIMIT:
        raise ArtifactError(f"this model has {len(onnx)} bytes, more than the {MODEL_LIMIT} accepted")
    try:
        refuse_external_data(onnx, Path(MODEL))
        refuse_foreign_operators(onnx, Path(MODEL))
    except InvalidData as error:
        raise ArtifactError(f"this model is not accepted: {error}") from None


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
    if len(model.onnx) != model.card.bytes:
        raise ArtifactError(
            f"this model was cut off or added to: {len(model.onnx)} bytes where its card says {model.card.bytes}; fetch it again"
        )
    if fingerprint(model.onnx) != model.card.sha256:
        raise ArtifactError(
            "this model was changed after it was made (its SHA-256 is not the card's): fetch it again"
        )
    check_onnx(model.onnx)


def _parsed(form: type[Part], data: bytes) -> Part:
    try:
        return form.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if first["loc"][-1:] == ("schema_version",):
            raise ArtifactError(
                f"this model has schema {first['input']!r}, this proxyset reads 'proxyset.model/3': use equal versions"
            ) from None
        raise ArtifactError(
            f"this is not a model, or it is damaged: {where or 'its header'}: {first['msg']}"
        ) from None
