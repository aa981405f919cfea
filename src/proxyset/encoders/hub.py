"""Encoders as the Hugging Face hub lays them out: `hf:FOLDER`, for texts and pictures, by ONNX Runtime alone.

`hub_files` reads what the folder says. The fingerprint covers weights, tokenizer, preprocessing and pooling. A folder carries no
features to compare with, so the features of one fixed text or picture travel in the probe: a client's machine must find the same,
to `selftest.TOLERANCE`, before it answers.

One item, one result: a text is never filled up to the length of its neighbours, and a network that scales its numbers by what is
beside them (DynamicQuantizeLinear) gets one item at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from proxyset.encoders import selftest
from proxyset.encoders.encoder import Encoded, EncoderSpec, checked, unit
from proxyset.encoders.hub_files import (
    HubPooling,
    Kind,
    Pooling,
    TextSteps,
    kinds_of,
    network_file,
    picture_pooling,
    picture_steps,
    pooling_of,
    text_steps,
)
from proxyset.encoders.images import PIPELINE
from proxyset.encoders.onnx import LARGEST_MODEL
from proxyset.encoders.onnx_recipe import Preprocessing, read
from proxyset.encoders.onnx_session import CPU, open_session
from proxyset.encoders.picture_network import PictureNetwork
from proxyset.encoders.text import MOST_CHARACTERS, clean_texts
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.fingerprint import fingerprint

_SHOWN = 32  # features that travel
_TOKENS_AT_ONCE = 8192
_TOKENS, _VECTORS = (
    ("last_hidden_state", "token_embeddings"),
    (
        "sentence_embedding",
        "text_embeds",
        "image_embeds",
        "pooler_output",
    ),
)
_BY_NEIGHBOURS = b"DynamicQuantizeLinear"
_SHA256 = r"^[0-9a-f]{64}$"
_SELF_TEST_TEXT = "A cloud picks open data; the private data stay at home: naïve, 12 % of 3,500 €."


class HubParams(BaseModel):
    """What fixes the features, and the first features of the fixed item."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    takes: Kind
    weights_sha256: str = Field(pattern=_SHA256)
    output: str = Field(max_length=200)
    pooling: HubPooling
    normalize: bool
    text: TextSteps | None = None
    tokenizer_sha256: str = ""
    picture: Preprocessing | None = None
    images: int = 0
    features: list[float] = Field(min_length=1, max_length=_SHOWN)


class HubEncoder:
    """An encoder of the hub.

    Args:
        place: the folder, or the ONNX file in it, where it has several. `transport.hub` fetches one.
        takes: the items, where the folder has networks for texts and pictures (CLIP, SigLIP).
        threads: as for `OnnxEncoder`.
        provider: as for `onnx_session.open_session`; for public items alone. The fixed item is encoded on the processor, too, as
            clients do.

    Raises:
        InvalidInput: there is no such folder, no network for these items, or no such provider here.
        EncoderMismatch: the provider finds other features of the fixed item than the processor, beyond `selftest.TOLERANCE`.
        InvalidData: a file is missing, damaged, malicious, leaves something open, or asks for a step that is not known here.
        MissingExtra: onnxruntime or tokenizers is not installed.
    """

    def __init__(
        self, place: str | Path, takes: str | None = None, threads: int | None = None, provider: str = CPU
    ) -> None:
        self._given, self.provider = (str(place), takes, threads, provider), provider
        if not str(place):
            raise InvalidInput("an encoder of the hub is named by its folder: hf:FOLDER")
        self.folder = Path(place).expanduser().absolute()
        self.kind: Kind = _kind(self.folder, takes)
        network = TextNetwork if self.kind == "text" else HubPictures
        fixed = [_SELF_TEST_TEXT if self.kind == "text" else selftest.picture()]
        self._network = network(self.folder, threads, CPU)
        tested = self.encode(fixed)
        if tested.problems:
            raise InvalidData(f"{self.folder}: the fixed {self.kind} cannot be encoded: {tested.problems[0]}")
        self._tested = tested.embeddings[0]
        shown = [float(f"{value:.5g}") for value in self._tested[:_SHOWN]]
        self.params = HubParams(takes=self.kind, features=shown, **self._network.fixed())
        if provider != CPU:
            self._network = network(self.folder, threads, provider)
            found = self.encode(fixed).embeddings[0]
            selftest.compare(found, self._tested.tolist(), selftest.TOLERANCE, f"{self.folder} on {provider}")

    def __reduce__(self) -> tuple[type[HubEncoder], tuple[str, str | None, int | None, str]]:
        """A session cannot travel to another process; the folder's name can."""
        return HubEncoder, self._given

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(name="hf", dim=self._network.dim, params=self.params.model_dump(mode="json"))

    def encode(self, items: Sequence[Any]) -> Encoded:
        """`items`: texts, or bytes of image files → (n, dim) float32.

        Sensitivity:
            A row depends on its own item.
        Unit:
            One record.
        Guarantee:
            What is wrong with an item is said of that item.
        Assumes:
            Private records come one at a time, as `sources.private` gives them: ONNX Runtime may add up in another order where more
            stand together, which changes last digits.

        Raises:
            InvalidData: the network fails while it runs, or its output has the wrong shape.
        """
        return self._network.encode(items)

    def agreeing(self, spec: EncoderSpec) -> HubEncoder:
        """This encoder, as a probe has it, if both are the same and this machine finds the same features.

        Raises:
            EncoderMismatch: they differ.
        """
        asked = HubParams.model_validate(spec.params)
        mine, theirs = (each.model_dump(exclude={"features"}) for each in (self.params, asked))
        for name, value in theirs.items():
            if mine[name] != value:
                raise EncoderMismatch(
                    f"the probe's encoder has {name} {value!r}, {self.folder} has {mine[name]!r}: get the folder that the "
                    "probe was made with, or ask for a probe made with yours"
                )
        if spec.dim != self._network.dim:
            raise EncoderMismatch(
                f"the probe's encoder gives {spec.dim} features, {self.folder} {self._network.dim}"
            )
        selftest.compare(self._tested[:_SHOWN], asked.features, selftest.TOLERANCE, str(self.folder))
        self.params = asked
        return self


class HubPictures(PictureNetwork):
    """A network of pictures in a folder of the hub."""

    def __init__(self, folder: Path, threads: int | None, provider: str) -> None:
        root, file = network_file(folder, "image")
        weights = read(file, LARGEST_MODEL)
        session, _ = open_session(weights, file, 1)
        steps = _steps(session, root, file)
        output, pooling = _output(session, pooling_of(root), picture_pooling(root), root)
        if pooling.mode not in ("none", "cls", "mean"):
            raise InvalidData(
                f"{root}: pictures are pooled by {pooling.mode!r}; none, cls and mean are known here"
            )
        super().__init__(weights, file, steps, output, pooling.mode, threads=threads, provider=provider)
        self._steps, self._normalize, self._sha256 = steps, pooling.normalize, fingerprint(weights)
        if _BY_NEIGHBOURS in weights:
            self._batch = 1

    def encode(self, items: Sequence[Any]) -> Encoded:
        found = super().encode(items)
        return Encoded(unit(found.embeddings), found.problems) if self._normalize else found

    def fixed(self) -> dict[str, Any]:
        """What fixes its features."""
        return {
            "weights_sha256": self._sha256,
            "output": self.output,
            "pooling": self.pooling,
            "normalize": self._normalize,
            "picture": self._steps,
            "images": PIPELINE,
        }


class TextNetwork:
    """A network of texts in a folder of the hub."""

    def __init__(self, folder: Path, threads: int | None, provider: str) -> None:
        from tokenizers import Tokenizer

        self.path, file = network_file(folder, "text")
        weights, tokenizer = read(file, LARGEST_MODEL), _tokenizer(self.path)
        self._session, self._errors = open_session(weights, file, threads, provider)
        self._inputs = [each.name for each in self._session.get_inputs()]
        unknown = set(self._inputs) - {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
        if unknown or "input_ids" not in self._inputs:
            raise InvalidData(
                f"{file} takes {self._inputs}; an encoder of texts takes input_ids, and of the others a mask at most"
            )
        self._steps = text_steps(self.path, MOST_CHARACTERS, "attention_mask" in self._inputs)
        self._output, self._pooling = _output(self._session, pooling_of(self.path), None, self.path)
        self._alone = _BY_NEIGHBOURS in weights
        self._weights, self._words = fingerprint(weights), fingerprint(tokenizer)
        try:
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
        except Exception as error:  # noqa: BLE001 - the library raises Exception itself
            raise InvalidData(f"{self.path / 'tokenizer.json'} cannot be read: {str(error)[:200]}") from None
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._steps.tokens)
        self.dim = int(self._vectors([_SELF_TEST_TEXT]).shape[1])

    def encode(self, items: Sequence[Any]) -> Encoded:
        texts, problems = clean_texts(items, self._steps.characters)
        X = np.zeros((len(items), self.dim), np.float32)
        rows = list(texts)
        if rows:
            X[rows] = self._vectors([texts[row] for row in rows])
        return checked(X, self.dim, problems)

    def fixed(self) -> dict[str, Any]:
        """What fixes its features."""
        return {
            "weights_sha256": self._weights,
            "tokenizer_sha256": self._words,
            "output": self._output,
            "pooling": self._pooling.mode,
            "normalize": self._pooling.normalize,
            "text": self._steps,
        }

    def _vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """Texts of equal length go together, so that none is filled up."""
        said = [self._steps.prompt + (text.lower() if self._steps.lower else text) for text in texts]
        tokens = [
            self._filled(encoding.ids, encoding.type_ids) for encoding in self._tokenizer.encode_batch(said)
        ]
        by_length: dict[int, list[int]] = {}
        for row, (ids, _) in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(row)
        found: dict[int, NDArray[np.float32]] = {}
        for length, rows in by_length.items():
            step = 1 if self._alone else max(1, _TOKENS_AT_ONCE // length)
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                found |= zip(some, self._run([tokens[row] for row in some]), strict=True)
        return np.stack([found[row] for row in range(len(texts))])

    def _filled(self, ids: list[int], types: list[int]) -> tuple[list[int], list[int]]:
        pad = self._steps.pad_id
        if pad is None:
            return ids, types
        rest = self._steps.tokens - len(ids)
        return ids + [pad] * rest, types + [0] * rest

    def _run(self, tokens: list[tuple[list[int], list[int]]]) -> NDArray[np.float32]:
        ids, types = (np.array([each[part] for each in tokens], np.int64) for part in (0, 1))
        given = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": types,
            "position_ids": np.tile(np.arange(ids.shape[1], dtype=np.int64), (len(ids), 1)),
        }
        try:
            found = self._session.run([self._output], {name: given[name] for name in self._inputs})[0]
        except self._errors as error:
            raise InvalidData(f"{self.path}: the network cannot be run: {str(error)[:500]}") from None
        found = np.asarray(found, np.float32)
        mode = self._pooling.mode
        if found.ndim != (2 if mode == "none" else 3) or len(found) != len(ids):
            raise InvalidData(
                f"{self.path}: output {self._output!r} has the shape {found.shape}, and pooling is {mode!r}"
            )
        pooled = _pooled(found, mode)
        return unit(pooled) if self._pooling.normalize else pooled


def _kind(folder: Path, takes: str | None) -> Kind:
    root = folder if folder.suffix != ".onnx" else network_file(folder, "text")[0]
    kinds = kinds_of(root)
    for kind in kinds:
        if takes == kind or (takes is None and len(kinds) == 1):
            return kind
    if takes is not None and kinds:
        raise InvalidInput(f"{root} encodes {' and '.join(kinds)} items, not {takes} items")
    raise InvalidInput(
        f"{root} encodes texts and pictures: which of them is said by the data"
        if kinds
        else f"{root} has neither tokenizer.json (texts) nor preprocessor_config.json (pictures): it is no folder of an encoder. "
        "`proxyset encoder fetch NAME` fetches one from the hub"
    )


def _output(session: Any, said: Pooling, otherwise: HubPooling | None, folder: Path) -> tuple[str, Pooling]:
    """The output that is the feature, or is pooled to it. Raises InvalidData where that is said nowhere."""
    names = [each.name for each in session.get_outputs()]
    vectors = [name for name in _VECTORS if name in names]
    tokens = [name for name in _TOKENS if name in names]
    tokens = tokens or [each.name for each in session.get_outputs() if len(each.shape) in (3, 4)]
    if said.mode and said.mode != "none" and tokens:
        return tokens[0], said
    vectors = vectors or [
        each.name for each in session.get_outputs() if len(each.shape) in (0, 2)
    ]  # 0: unknown
    if vectors:
        return vectors[0], Pooling(mode="none", normalize=said.normalize)
    if otherwise and tokens:
        return tokens[0], Pooling(mode=otherwise, normalize=said.normalize)
    raise InvalidData(
        f"{folder}: the network gives {names}, and how they become one vector is said nowhere: neither in modules.json with "
        "1_Pooling/config.json, nor by an output that is called sentence_embedding, text_embeds, image_embeds or pooler_output"
    )


def _steps(session: Any, root: Path, file: Path) -> Preprocessing:
    shape = session.get_inputs()[0].shape
    if len(shape) != 4:
        raise InvalidData(f"{file}: its input has the shape {shape}, and pictures have four sides")
    layout = "NHWC" if shape[3] == 3 and shape[1] != 3 else "NCHW"
    kinds = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
    dtype = kinds.get(session.get_inputs()[0].type)
    if dtype is None:
        raise InvalidData(
            f"{file} takes {session.get_inputs()[0].type}; pictures are float, float16 or uint8"
        )
    return picture_steps(root, layout, dtype)  # type: ignore[arg-type]


def _pooled(tokens: NDArray[np.float32], mode: HubPooling | None) -> NDArray[np.float32]:
    match mode:
        case "cls":
            return tokens[:, 0]
        case "last":
            return tokens[:, -1]
        case "max":
            return np.asarray(tokens.max(axis=1))
        case "mean":
            return np.asarray(tokens.mean(axis=1))
        case "mean_sqrt_len":
            return np.asarray(tokens.sum(axis=1) / np.sqrt(np.float32(tokens.shape[1])))
        case _:
            return tokens


def _tokenizer(folder: Path) -> bytes:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InvalidData(f"{folder} has no tokenizer.json: save it with a fast tokenizer of transformers")
    return read(path, 64 << 20)
