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

from proxyset.client.vote import Records
from proxyset.encoders import cells, encoder_for
from proxyset.encoders.catalogue import loaded
from proxyset.encoders.cells import canonical
from proxyset.encoders.encoder import Encoder, EncoderSpec
from proxyset.encoders.function import FunctionEncoder, NamedFunction
from proxyset.encoders.onnx_session import CPU
from proxyset.encoders.tabular import TabularEncoder
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.sources.given import Given, is_path
from proxyset.sources.private import PrivateFiles, open_private_files
from proxyset.sources.private.memory import PrivateMemory, open_private_memory
from proxyset.sources.private.records import Wanted
from proxyset.sources.remote import is_url
from proxyset.sources.source import Batch, Items, Kind

Data = Given
Labels = str | Mapping[str, str]
LabelOf = Callable[[Batch], Sequence[str]]
FOLDER = "folder"
ME = "me"


def matching_encoder(
    encoder: Encoder | FunctionEncoder | str | None, asked: EncoderSpec, what: str
) -> Encoder:
    """The owner's encoder, if it is the one that `what` (a probe, questions) was made with.

    Raises:
        EncoderMismatch: it is another. MissingExtra: its library is not installed.
        InvalidInput: its network runs elsewhere than on the processor.
    """
    if encoder is None or isinstance(encoder, str | FunctionEncoder):
        return encoder_for(asked, local=encoder)
    encoder = loaded(encoder)
    if (provider := getattr(encoder, "provider", CPU)) != CPU:
        raise InvalidInput(
            f"this encoder runs on {provider!r}, and private records are encoded on the processor, one at a time: load it without"
        )
    if encoder.spec.fingerprint != asked.fingerprint:
        raise EncoderMismatch(
            f"the {what} was made with the encoder {asked.name} {asked.fingerprint[:12]}, "
            f"this is {encoder.spec.name} {encoder.spec.fingerprint[:12]}: use that one, or ask for another {what}"
        )
    return encoder


def wanted_of(encoder: Encoder, *columns: str | None) -> Wanted:
    """What is read of each record for an encoder, beside the columns of a person or a label (FOLDER, ME and None are none)."""
    asked = tuple(column for column in columns if column and column not in (FOLDER, ME))
    width, features = encoder.spec.dim, tuple[str, ...]()
    if isinstance(encoder, TabularEncoder):
        features = tuple(column.name for column in encoder.params.columns)
    elif isinstance(encoder, NamedFunction):
        width, features = encoder.params.width, tuple(encoder.params.columns)
    return Wanted(cast(Kind, encoder.kind), width, features, asked)


def private_files(data: str | os.PathLike[str], wanted: Wanted) -> PrivateFiles:
    """The private data's files.

    Raises:
        InvalidInput: it is a URL. InvalidData: there are no such data, or they are one file of a form that no record could be
            read from.
    """
    if is_url(data):
        raise InvalidInput(f"{data} is a URL; private data is read from its owner's machine: give a path")
    files = open_private_files(data, wanted)
    if why := files.unfit(wanted.columns):
        raise InvalidData(f"{data} cannot be read for this question: {why}")
    return files


def dataset_name(data: Data) -> str:
    """What the ledger calls data that the owner gave no name."""
    return str(Path(data).resolve()) if is_path(data) else "memory"


_REASONS = 10  # that `Tally.words` names


@dataclass
class Tally:
    """How the records were read: for their owner alone, and never part of a message.

    Attributes:
        total: records seen.
        votes: those that could vote.
        no_vote: reason → how many could not for it.
        examples: reason → the id of one of them.
        passed_over: what else lies beside the records and is not read: kind of file → how many.
    """

    total: int = 0
    votes: int = 0
    no_vote: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)

    @property
    def whole(self) -> bool:
        """There are records, and all of them vote."""
        return self.votes > 0 and not self.no_vote

    def words(self) -> list[str]:
        """How many records vote, and why the others do not, the most frequent reason first: one line each."""
        if not self.total:
            return ["There are no records: the answer would be noise alone.", *self.beside()]
        lines = [f"{self.votes:,} of {self.total:,} records would vote."]
        reasons = sorted(self.no_vote.items(), key=lambda reason: (-reason[1], reason[0]))
        for reason, number in reasons[:_REASONS]:
            example = f" (such as {self.examples[reason]!r})" if reason in self.examples else ""
            lines.append(f"  {number:,} without a vote: {reason}{example}")
        if len(reasons) > _REASONS:
            lines.append(f"  and {len(reasons) - _REASONS:,} other reasons")
        return lines + self.beside()

    def beside(self) -> list[str]:
        """What was passed over, one line each kind."""
        return [
            f"Passed over, not being of a form that is read here: {count:,} {what}"
            for what, count in self.passed_over.items()
        ]


@dataclass
class PrivateData:
    """Private data, opened. Reading it is a total function of each record: what cannot be read has no vote.

    Sensitivity:
        A record's features, person, label and whether it votes depend on that record and on public things alone: the encoder,
        the owner's settings, the form of the files.
    Unit:
        One record.
    Guarantee:
        None by itself: these are the private data.
    Assumes:
        The form of a file, or of what lies in memory, is no record's (`sources.private`). An image's or text's features depend on
        that item alone, which is why each is encoded by itself; numbers of tables and embeddings are computed element by element.
        An owner's function (`encoders.function`) is called for one record at a time, and keeps nothing of what it was given.
    """

    source: PrivateFiles | PrivateMemory
    encoder: Encoder
    person: str | None
    labels: LabelOf | None
    name: str
    tally: Tally = field(default_factory=Tally)

    def records(self) -> Iterator[Records]:
        """The records that can vote; `tally` says afterwards what became of the others.

        Raises:
            ReadFailed: a file cannot be read now, on this machine. What it holds raises nothing.
        """
        self.tally = tally = Tally()
        if isinstance(self.source, PrivateFiles):
            tally.passed_over.update(self.source.passed_over)
        for batch in self.source.batches():
            X, problems = _features(batch.items, self.encoder)
            problems |= batch.unread
            persons = _persons(batch, self.person) if self.person else []
            problems |= {
                row: "no person" for row, name in enumerate(persons) if not name and row not in problems
            }
            names = self.labels(batch) if self.labels else []
            problems |= {
                row: "it has no label that is asked for"
                for row, name in enumerate(names)
                if not name and row not in problems
            }
            tally.total += len(batch.ids)
            tally.passed_over.update(batch.passed_over)
            for row, reason in problems.items():
                tally.no_vote[reason] += 1
                tally.examples.setdefault(reason, batch.ids[row])
            good = [row for row in range(len(batch.ids)) if row not in problems]
            tally.votes += len(good)
            found = Records([batch.ids[row] for row in good], X[good])
            if self.labels:
                found = replace(found, labels=[names[row] for row in good])
            if self.person:
                found = replace(found, persons=[persons[row] for row in good])
            yield found


def open_private(
    data: Data,
    encoder: Encoder,
    person: str | None = None,
    labels: Labels | None = None,
    dataset: str | None = None,
    classes: Sequence[str] = (),
) -> PrivateData:
    """Open private data for an encoder.

    Args:
        data: path of the private data, or the data themselves (`sources.given`).
        encoder: says which kind of items they are, and how each is read.
        person: the column that names the person of each record; "folder" for the folder that it lies in; "me"
            where all records are one person's.
        labels: "folder", a column, or labels by id; None for none.
        dataset: the owner's name for the data in the ledger.
        classes: the labels that questions allow: a record with another, or with none, has no vote.

    Raises:
        InvalidInput: data in memory without a name, or of which nothing can be read, or a URL. InvalidData: there are no such data,
            or their form has not the columns, or the width, that are asked for. No record decides that.
    """
    from proxyset.client.labels import label_reader

    source: PrivateFiles | PrivateMemory
    wanted = wanted_of(encoder, person, labels if isinstance(labels, str) else None)
    if is_path(data):
        source = private_files(data, wanted)
    elif dataset is None:
        raise InvalidInput(
            "data in memory have no name of their own, and the ledger tells data sets apart by name: give one, dataset='ward 3'"
        )
    else:
        source = open_private_memory(data, wanted)
    name = dataset_name(data) if dataset is None else dataset
    reader = label_reader(labels, classes) if labels is not None else None
    return PrivateData(source, encoder, person, reader, name)


def _features(items: Items, encoder: Encoder) -> tuple[NDArray[np.float32], dict[int, str]]:
    if encoder.kind not in ("image", "text"):  # element by element, whatever the batch
        encoded = encoder.encode(cast(Sequence[Any], items))
        return encoded.embeddings, encoded.problems
    X = np.zeros((len(items), encoder.spec.dim), np.float32)
    problems: dict[int, str] = {}
    for row, item in enumerate(items):
        try:
            encoded = encoder.encode([item])
        except (
            InvalidData
        ) as error:  # a model may fail for what one item holds; that it runs at all, its self-test has shown
            problems[row] = str(error)[:200]
            continue
        X[row] = encoded.embeddings[0]
        if encoded.problems:
            problems[row] = encoded.problems[0]
    return X, problems


def _persons(batch: Batch, person: str) -> list[str]:
    """The person of each record, in canonical spelling; "" for none."""
    if person == ME:
        return [ME] * len(batch.ids)
    if person == FOLDER:
        return [cells.person(canonical(name.rpartition("/")[0])) for name in batch.ids]
    return list(map(cells.person, batch.columns[person]))
