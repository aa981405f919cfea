"""Encoders of other packages: found by name, and kept from deciding whether an answer leaves.

What such an encoder does with an item is its author's affair. Here it is only seen to that whatever it raises, or returns, is about
that item alone: its record has no vote, and no other is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proxyset.encoders.encoder import Encoded, Encoder, EncoderSpec, checked
from proxyset.encoders.function import NAME as FUNCTION
from proxyset.errors import InvalidInput
from proxyset.registry import Registry

NAMES = ("auto", "embeddings", "hog", "onnx", "hf", "wordllama", "tabular")
KINDS = ("image", "text", "embedding")
ENCODERS: Registry[Encoder] = Registry(
    "encoder", "proxyset.encoders", ("kind", "spec", "encode"), {}, known=NAMES
)


@dataclass(frozen=True)
class ForeignEncoder:
    """Another package's encoder, as private records meet it.

    Sensitivity:
        A row depends on its own item: an embedding is encoded by itself, and pictures and texts are given one by one by who
        reads private data.
    Unit:
        One record.
    Guarantee:
        It raises nothing that an item could decide.
    Assumes:
        What the encoder returns depends on what it is given, and on nothing that an earlier call left behind; it returns, and
        does not end the process.
    """

    encoder: Encoder
    kind: str
    spec: EncoderSpec

    def encode(self, items: Sequence[Any]) -> Encoded:
        """Features of a batch; an item that the encoder fails for is a problem."""
        if len(items) > 1 and self.kind == "embedding":
            return self._each(items)
        dim = self.spec.dim
        try:
            found = self.encoder.encode(items)
            problems = {int(row): str(why)[:200] for row, why in found.problems.items()}
            encoded = checked(np.asarray(found.embeddings), dim, problems)
            if len(encoded.embeddings) != len(items) or not set(encoded.problems) <= set(range(len(items))):
                raise ValueError(
                    f"{len(encoded.embeddings)} rows, and problems {sorted(problems)[:5]}, for {len(items)} items"
                )
        except Exception as error:  # noqa: BLE001 - a stranger's code: whatever it raises is about these items
            if len(items) > 1:
                return self._each(items)
            why = f"{type(error).__name__}: {str(error)[:200]}"
            return Encoded(np.zeros((len(items), dim), np.float32), dict.fromkeys(range(len(items)), why))
        return encoded

    def _each(self, items: Sequence[Any]) -> Encoded:
        rows = [self.encode(items[row : row + 1]) for row in range(len(items))]
        problems = {row: one.problems[0] for row, one in enumerate(rows) if one.problems}
        return Encoded(np.concatenate([one.embeddings for one in rows]), problems)


def guarded(encoder: Encoder) -> Encoder:
    """The encoder of another package, fit to meet private records.

    Raises:
        InvalidInput: its spec is none, it takes items of a kind that only our own encoders read, or calls itself by one of our
            names.
    """
    if not isinstance(encoder.spec, EncoderSpec):
        raise InvalidInput(f"the spec of an encoder is an EncoderSpec, not {type(encoder.spec).__name__}")
    if encoder.kind not in KINDS:
        raise InvalidInput(
            f"the encoder {encoder.spec.name!r} takes {encoder.kind!r} items; an encoder of another package takes one of "
            f"{', '.join(KINDS)} (what is read of a table is said by the encoder 'tabular' alone)"
        )
    if encoder.spec.name in (*NAMES, FUNCTION):
        raise InvalidInput(
            f"an encoder of another package calls itself {encoder.spec.name!r}, as one of ours does: give it another name"
        )
    return ForeignEncoder(encoder, encoder.kind, encoder.spec)
