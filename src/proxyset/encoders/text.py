"""Text features without a neural network: the mean of WordLlama's static token vectors (MIT licence, 256-d).

The package's own loader wants a network. Its two files are read directly from where it is installed, and the
package itself is never imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from proxyset.encoders import selftest
from proxyset.encoders.encoder import Encoded, EncoderSpec, checked, unit
from proxyset.errors import InvalidData, MissingExtra
from proxyset.fingerprint import fingerprint

DIM = 256
MOST_CHARACTERS = 20_000  # of a text that are read, so that tokenizing one item takes bounded time

_CHUNK = 256  # texts whose token vectors are in memory at once
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_SHA256 = r"^[0-9a-f]{64}$"


class WordLlamaParams(BaseModel):
    """What fixes the features: the two files, and how a text becomes one vector."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    weights_sha256: str = Field(pattern=_SHA256)
    tokenizer_sha256: str = Field(pattern=_SHA256)
    pooling: Literal["mean"] = "mean"
    norm: Literal["L2"] = "L2"
    characters: int = MOST_CHARACTERS


class WordLlamaEncoder:
    """Mean of the token vectors, scaled to norm 1. The order of words does not matter.

    A text that is empty, or only white space, is a problem: a zero vector would be a point like any other,
    nearest to some centroid, and would be counted as if it said something.

    Raises:
        MissingExtra: wordllama or tokenizers is not installed.
        InvalidData: the package's files are missing or damaged.
        EncoderMismatch: this machine's files or tokenizer give other features (see `selftest`).
    """

    kind = "text"

    def __init__(self) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load
        from tokenizers import Tokenizer

        weights, tokenizer = _read(_WEIGHTS), _read(_TOKENIZER)
        self.params = WordLlamaParams(
            weights_sha256=fingerprint(weights), tokenizer_sha256=fingerprint(tokenizer)
        )
        try:
            self._table = load(weights)["embedding.weight"]
        except (SafetensorError, KeyError) as error:
            raise InvalidData(f"wordllama's weights are damaged ({error}): install it again") from None
        self._tokenizer = Tokenizer.from_buffer(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        features = self._means([_SELF_TEST_TEXT])[0]
        selftest.compare(features[:16], _SELF_TEST, selftest.TOLERANCE, "WordLlama")

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(name="wordllama", dim=DIM, params=self.params.model_dump(mode="json"))

    def encode(self, items: Sequence[Any]) -> Encoded:
        """`items`: str → (n, 256) float32 of norm 1. Only the first MOST_CHARACTERS of a text count."""
        texts, problems = clean_texts(items, MOST_CHARACTERS)
        X = np.zeros((len(items), DIM), np.float32)
        rows = list(texts)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            X[chunk] = self._means([texts[row] for row in chunk])
        return checked(X, DIM, problems)

    def _means(self, texts: list[str]) -> NDArray[np.float32]:
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False)]
        starts = np.cumsum([0, *map(len, tokens[:-1])])
        vectors = self._table[list(chain.from_iterable(tokens))].astype(np.float32)
        sums = np.add.reduceat(
            vectors, starts
        )  # a text that is not empty has a token, so no segment is empty
        return unit(sums)


def clean_texts(items: Sequence[Any], characters: int) -> tuple[dict[int, str], dict[int, str]]:
    """Row → its text, without white space around it and lone surrogates, cut off; and row → why it has none."""
    problems: dict[int, str] = {}
    texts: dict[int, str] = {}
    for row, text in enumerate(items):
        if not isinstance(text, str):
            problems[row] = f"expected a text, got {type(text).__name__}"
        elif not (stripped := text.strip()):
            problems[row] = "the text is empty"
        else:
            texts[row] = stripped[:characters].encode(errors="replace").decode()
    return texts, problems


def _read(name: str) -> bytes:
    package = importlib.util.find_spec("wordllama")
    if package is None or not package.submodule_search_locations:
        raise MissingExtra("wordllama", "text", "text features")
    path = Path(package.submodule_search_locations[0], name)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidData(
            f"cannot read wordllama's {name} ({error}): install wordllama 0.4.0.post1 again"
        ) from None


_SELF_TEST_TEXT = "A cloud picks open data; the private data stay at home: naïve, 12 % of 3,500 €."
# The first features of that text.
_SELF_TEST = (
    0.0097, 0.0955, -0.0299, 0.0347, -0.0998, 0.0568, 0.0212, 0.0239, 0.1133, 0.0499, -0.0260, 0.0344,
    -0.0294, -0.0205, 0.0090, 0.0224,
)  # fmt: skip
