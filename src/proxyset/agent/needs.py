"""What a question needs private data to be, read from its encoder's specification alone.

No encoder is built and no library of one is needed: an owner can read this before installing anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.images import READ
from proxyset.encoders.tabular import CLIP, Number, TabularParams
from proxyset.encoders.text import MOST_CHARACTERS
from proxyset.errors import first_problem
from proxyset.fingerprint import canonical_json

KINDS = {"embeddings": "embedding", "hog": "image", "onnx": "image", "wordllama": "text", "tabular": "table"}
_PICTURES = f"Pictures ({', '.join(READ)}), read with their colours on white and turned upright"
_FETCH = "the folder that you have, or what `proxyset client fetch-encoder` fetches"


@dataclass(frozen=True)
class Column:
    """A column that a table must have.

    Attributes:
        name: as the public pool calls it.
        kind: "number" or "category".
        lowest, highest: between these, numbers are told apart; what lies beyond counts as the bound. None for categories.
        values: the categories that are told apart; every other counts as "other".
        missing: whether an empty cell is told apart from the middle of the others, or from every category.
    """

    name: str
    kind: str
    lowest: float | None
    highest: float | None
    values: tuple[str, ...]
    missing: bool


@dataclass(frozen=True)
class Needs:
    """What the records must be.

    Attributes:
        kind: "image", "text", "table", "embedding", or "" when this proxyset does not know the encoder.
        words: one sentence for the owner.
        columns: of a table, in the order of the features; empty for everything else.
    """

    kind: str
    words: str
    columns: tuple[Column, ...] = ()


def needs_of(encoder: EncoderSpec) -> Needs:
    """What records must be for this encoder. Never fails: what cannot be understood is said to be so."""
    kind = KINDS.get(encoder.name, "")
    if encoder.name == "tabular":
        return _table(encoder)
    if encoder.name == "hog":
        return Needs(
            kind, f"{_PICTURES}, then made gray and {encoder.params.get('size')} pixels wide and high."
        )
    if encoder.name == "onnx":
        weights = str(encoder.params.get("weights_sha256"))[:64]
        words = f"{_PICTURES}, and the encoder, whose weights have the SHA-256 {weights}: {_FETCH}."
        return Needs(kind, words)
    if encoder.name == "hf":
        return _hub(encoder)
    if encoder.name == "wordllama":
        return Needs(kind, f"Texts. Of each, the first {MOST_CHARACTERS:,} characters are read.")
    if encoder.name == "embeddings":
        words = (
            f"Ready-made embeddings: {encoder.dim:,} numbers for each record, by the model that the public collection was "
            "embedded with. Which one that is, its purpose or its operator must say."
        )
        return Needs(kind, words)
    return Needs("", f"This proxyset does not know the encoder {encoder.name!r}, so it cannot answer.")


def _hub(encoder: EncoderSpec) -> Needs:
    weights = str(encoder.params.get("weights_sha256"))[:64]
    folder = f"the encoder, whose weights have the SHA-256 {weights}: {_FETCH}."
    if encoder.params.get("takes") == "image":
        return Needs("image", f"{_PICTURES}, and {folder}")
    return Needs(
        "text", f"Texts, of which the first {MOST_CHARACTERS:,} characters are read at most, and {folder}"
    )


def _table(encoder: EncoderSpec) -> Needs:
    try:
        params = TabularParams.model_validate_json(canonical_json(encoder.params))
    except ValidationError as error:
        return Needs("", f"The columns asked for cannot be understood: {first_problem(error)}.")
    columns = tuple(_column(column) for column in params.columns)
    words = (
        f"A table with {'this column' if len(columns) == 1 else f'these {len(columns):,} columns'}, found by name. "
        "Other columns are not read."
    )
    return Needs("table", words, columns)


def _column(column: object) -> Column:
    values: Sequence[str] = getattr(column, "values", ())
    if isinstance(column, Number):
        reach = CLIP * column.scale
        return Column(
            column.name, column.kind, column.centre - reach, column.centre + reach, (), column.missing
        )
    name, kind, missing = (getattr(column, field) for field in ("name", "kind", "missing"))
    return Column(name, kind, None, None, tuple(values), missing)
