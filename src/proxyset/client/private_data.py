"""The private data: opened, read batch by batch, encoded. What counts and labels are computed from."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from proxyset.client.vote import Records, content_digests
from proxyset.encoders import encoder_for
from proxyset.encoders.encoder import Encoder, EncoderSpec
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.sources import open_source
from proxyset.sources.remote import is_url
from proxyset.sources.source import Batch, Items, Kind, Source

Data = str | os.PathLike[str] | Source | NDArray[Any]
Labels = str | Mapping[str, str]
LabelOf = Callable[[Batch], Sequence[str]]
FOLDER = "folder"


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


@dataclass
class Tally:
    """How the records were read: for their owner alone, and never part of a message.

    Attributes:
        total: records seen.
        votes: those that could vote.
        no_vote: reason → how many could not for it.
        examples: reason → the id of one of them.
    """

    total: int = 0
    votes: int = 0
    no_vote: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


@dataclass
class PrivateData:
    """Private data, opened. Reading it is a total function of each record: what cannot be read has no vote."""

    source: Source | NDArray[Any]
    encoder: Encoder
    person: str | None
    labels: LabelOf | None
    name: str
    tally: Tally = field(default_factory=Tally)

    def records(self) -> Iterator[Records]:
        """The records that can vote; `tally` says afterwards what became of the others."""
        self.tally = tally = Tally()
        for batch in batches_of(self.source):
            X, problems = _features(batch.items, self.encoder)
            persons = _persons(batch, self.person) if self.person else []
            problems |= {row: "no person" for row, person in enumerate(persons) if not person}
            tally.total += len(batch.ids)
            for row, reason in problems.items():
                tally.no_vote[reason] += 1
                tally.examples.setdefault(reason, batch.ids[row])
            good = [row for row in range(len(batch.ids)) if row not in problems]
            tally.votes += len(good)
            found = Records([batch.ids[row] for row in good], X[good])
            if self.labels:
                names = self.labels(batch)
                found = replace(found, labels=[names[row] for row in good])
            if self.person:
                contents = content_digests(batch.items)
                found = replace(
                    found, persons=[persons[row] for row in good], contents=[contents[row] for row in good]
                )
            yield found


def open_private(
    data: Data,
    encoder: Encoder,
    person: str | None = None,
    labels: Labels | None = None,
    dataset: str | None = None,
) -> PrivateData:
    """Open private data for an encoder."""
    from proxyset.client.labels import label_reader

    source = private_source(data, encoder, person, labels if isinstance(labels, str) else None)
    check_kind(source, encoder, "question")
    if dataset is None and isinstance(source, np.ndarray):
        raise InvalidInput(
            "an array has no name of its own, and the ledger tells data sets apart by name: give one, dataset='ward 3'"
        )
    name = dataset_name(source) if dataset is None else dataset
    return PrivateData(source, encoder, person, label_reader(labels) if labels is not None else None, name)


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
