"""The private data: opened, read batch by batch, encoded. What counts and labels are computed from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from proxyset.client.calibration import Unit
from proxyset.client.vote import Records, content_digests
from proxyset.encoders import encoder_for
from proxyset.encoders.encoder import Encoder, EncoderSpec
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.sources import open_source
from proxyset.sources.remote import is_url
from proxyset.sources.source import Batch, Items, Kind, Source

Data = str | os.PathLike[str] | Source | NDArray[Any]
LabelOf = Callable[[Batch], Sequence[str]]
FOLDER = "folder"


def check_person(unit: Unit, person: str | None) -> None:
    """Raise InvalidInput unless a person is named exactly where the unit is one."""
    if unit == "person" and not person:
        raise InvalidInput('unit "person" needs to know whose each record is: name a column, or "folder"')
    if unit == "record" and person:
        raise InvalidInput(f'a person ({person!r}) is named, but the unit is "record": ask for unit "person"')


def matching_encoder(encoder: Encoder | str | None, asked: EncoderSpec, what: str) -> Encoder:
    """The owner's encoder, if it is the one that `what` (a probe, questions) was made with.

    Raises:
        EncoderMismatch: it is another. MissingExtra: its library is not installed.
    """
    if encoder is None or isinstance(encoder, str):
        return encoder_for(asked, local=encoder)
    if encoder.spec.fingerprint != asked.fingerprint:
        raise EncoderMismatch(
            f"the {what} was made with the encoder {asked.name} {asked.fingerprint[:12]}, "
            f"this is {encoder.spec.name} {encoder.spec.fingerprint[:12]}: use that one, or ask for another {what}"
        )
    return encoder


def private_source(data: Data, encoder: Encoder, *columns: str | None) -> Source | NDArray[Any]:
    """The private data, opened with the columns that name a person or a label; FOLDER and None are no columns.

    Raises:
        InvalidInput: it is a URL. InvalidData: there is no such data, or no such column.
    """
    if not isinstance(data, str | os.PathLike):
        return data
    if is_url(data):
        raise InvalidInput(f"{data} is a URL; private data is read from its owner's machine: give a path")
    asked = [column for column in columns if column and column != FOLDER]
    return open_source(Path(data), kind=cast(Kind, encoder.kind), columns=asked)


def check_kind(source: Source | NDArray[Any], encoder: Encoder, what: str) -> None:
    """Raise InvalidInput unless the encoder takes the items that the data holds."""
    found = "embedding" if isinstance(source, np.ndarray) else source.kind
    if encoder.kind != found:
        raise InvalidInput(
            f"the {what}'s encoder takes {encoder.kind} items; the private data holds {found} items"
        )


def dataset_name(source: Source | NDArray[Any]) -> str:
    """What the ledger calls data that the owner gave no name."""
    return "array" if isinstance(source, np.ndarray) else str(Path(source.path).resolve())


def batches_of(source: Source | NDArray[Any]) -> Iterator[Batch]:
    """All items, batch by batch."""
    if isinstance(source, np.ndarray):
        yield Batch([str(row) for row in range(len(source))], source)
        return
    for shard in source.shards():
        yield from source.read(shard)


def encoded_records(
    batches: Iterable[Batch],
    encoder: Encoder,
    person: str | None,
    skip_corrupt: bool,
    labels: LabelOf | None = None,
) -> Iterator[Records]:
    """The records of all batches. After the last one, raises InvalidData if any could not be encoded."""
    bad, total, first = 0, 0, ""
    for batch in batches:
        X, problems = _features(batch.items, encoder)
        total += len(batch.ids)
        if problems and not bad:
            row = min(problems)
            first = f"{batch.ids[row]!r}: {problems[row]}"
        bad += len(problems)
        good = [row for row in range(len(batch.ids)) if row not in problems]
        ids = [batch.ids[row] for row in good]
        found = Records(ids, X[good])
        if labels:
            names = labels(batch)
            found = replace(found, labels=[names[row] for row in good])
        if person is not None:
            persons, contents = _persons(batch, person), content_digests(batch.items)
            found = replace(
                found, persons=[persons[row] for row in good], contents=[contents[row] for row in good]
            )
        yield found
    if bad and not skip_corrupt:
        raise InvalidData(
            f"{bad} of {total} private records cannot be encoded, the first is {first}. Nothing was debited; "
            "mend or remove them, or leave them out with --skip-corrupt"
        )


def _features(items: Items, encoder: Encoder) -> tuple[NDArray[np.float32], dict[int, str]]:
    if encoder.kind not in ("image", "text"):  # element by element, whatever the batch
        encoded = encoder.encode(cast(Sequence[Any], items))
        return encoded.embeddings, encoded.problems
    X = np.zeros((len(items), encoder.spec.dim), np.float32)
    problems: dict[int, str] = {}
    for row, item in enumerate(items):
        encoded = encoder.encode([item])
        X[row] = encoded.embeddings[0]
        if encoded.problems:
            problems[row] = encoded.problems[0]
    return X, problems


def _persons(batch: Batch, person: str) -> list[str]:
    if person == FOLDER:
        return [name.rpartition("/")[0] for name in batch.ids]
    if person not in batch.columns:
        raise InvalidData(f"the private data has no column {person!r}")
    return [value or "" for value in batch.columns[person]]
