"""What an encoder is: the features φ that both sides compute in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from proxyset.errors import InvalidData
from proxyset.fingerprint import fingerprint

LARGEST = 1e15  # larger values overflow float32 when squared and summed


class EncoderSpec(BaseModel):
    """What both sides must agree on. It travels in the probe; weights do not, only their SHA-256 in `params`.

    Attributes:
        name: the kind of encoder: "embeddings", "hog", "onnx", "hf", "wordllama", "tabular", "function".
        dim: number of features, d.
        params: all that changes a feature: preprocessing, weights' SHA-256, public statistics of the pool.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    dim: int = Field(ge=1, le=1 << 20)
    params: dict[str, Any] = {}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON of this spec: equal fingerprints, equal features (to rounding)."""
        return fingerprint(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Encoded:
    """Features of a batch.

    Attributes:
        embeddings: (n, d) float32; the row of an item that could not be encoded is zero.
        problems: row → why it could not be encoded ("truncated PNG"), empty when all is well.
    """

    embeddings: NDArray[np.float32]
    problems: dict[int, str] = field(default_factory=dict)

    def whole(self, where: str, names: Sequence[str] | None = None) -> NDArray[np.float32]:
        """The embeddings, if every item has them; items are called by their names, or by their rows.

        Raises:
            InvalidData: there are problems.
        """
        if self.problems:
            row, reason = min(self.problems.items())
            such = f"row {row}" if names is None else repr(names[row])
            raise InvalidData(
                f"{len(self.problems)} items of {where} cannot be encoded, such as {such}: {reason}. Repair or remove them"
            )
        return self.embeddings


@runtime_checkable
class Encoder(Protocol):
    """φ."""

    @property
    def kind(self) -> str:
        """The items it takes: "image" (file bytes), "text" (str), "table" (pyarrow.Table) or "embedding"."""
        ...

    @property
    def spec(self) -> EncoderSpec: ...

    def encode(self, items: Any) -> Encoded:
        """Features of the items of one batch. Never raises for one bad item: that goes to `problems`."""
        ...


def checked(embeddings: NDArray[Any], dim: int, problems: dict[int, str] | None = None) -> Encoded:
    """Features as float32, with every row that is not finite, or too large, turned into a problem.

    Raises:
        InvalidData: the array is not numeric or not of shape (n, dim).
    """
    if embeddings.dtype.kind not in "fiu" or embeddings.ndim != 2 or embeddings.shape[1] != dim:
        raise InvalidData(
            f"embeddings must be numbers of shape (n, {dim}); these are {embeddings.dtype} of shape "
            f"{embeddings.shape}"
        )
    problems = dict(problems or {})
    with np.errstate(over="ignore"):
        X = np.array(embeddings, np.float32)
    good = np.abs(X).max(axis=1, initial=0.0) <= LARGEST  # False for NaN too
    for row in np.flatnonzero(~good):
        column = int(np.flatnonzero(~(np.abs(X[row]) <= LARGEST))[0])
        problems.setdefault(int(row), f"feature {column} is {embeddings[row, column]}")
    X[~good] = 0
    return Encoded(X, problems)


def unit(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows at length 1; a row of length 0 stays as it is."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(np.divide(X, norms, out=np.zeros_like(X), where=norms > 0))
