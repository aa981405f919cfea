"""Questions about public items, and the noisy labels that answer them: the messages of client labeling.

Questions carry features and names of chosen public items and the classes to choose from, and perhaps the items themselves, for
the owner to look at. The answer carries one int16 a
question, the number of a class or −1 for "abstained", and the statement of what it cost. Its size depends on the number of
questions and the owner's settings alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.fingerprint import canonical_json, fingerprint
from proxyset.wire import contents
from proxyset.wire.arrays import compress, decompress, parts
from proxyset.wire.container import Sha256, Strict, Tensors, pack, schema_of, unpack
from proxyset.wire.probe import Probe
from proxyset.wire.release import CELLS, RECEIPT_LIMIT, PrivacyStatement, check_draw, check_epsilon

QUESTIONS_LIMIT = 1 << 30
LABELS_LIMIT = 8 << 20
MOST_QUESTIONS = 100_000
MOST_CLASSES = 10_000
ABSTAINED = -1

Rule = Literal["private-knn", "bounded-votes"]


class _QuestionsHeader(Strict):
    schema_version: Literal["proxyset.questions/1"] = "proxyset.questions/1"
    encoder: EncoderSpec
    encoder_fingerprint: Sha256
    index: Sha256
    proxy: Sha256
    questions: int = Field(ge=1, le=MOST_QUESTIONS)
    classes: list[str] = Field(min_length=2, max_length=MOST_CLASSES)
    purpose: str = Field(default="", max_length=500)


@dataclass(frozen=True)
class Questions:
    """m public items that the cloud would like to have labeled.

    Attributes:
        data: the bytes that travel; the rest is read from them.
        X: (m, d) float32, the items' features after decompression.
        ids: their m names in the public pool.
        classes: the labels to choose from, at least two, each once.
        encoder: φ, the same on both sides.
        index, proxy: fingerprints of the index and of the proxy set they were chosen from.
        purpose: what the cloud says it wants the labels for; shown to the owner, never acted upon.
        contents: the m items as the pool has them (file bytes, or UTF-8 text), or None.
    """

    data: bytes = field(repr=False)
    X: NDArray[np.float32]
    ids: list[str]
    classes: list[str]
    encoder: EncoderSpec
    index: str
    proxy: str
    purpose: str = ""
    contents: tuple[bytes, ...] | None = field(default=None, repr=False)

    @classmethod
    def build(
        cls,
        X: NDArray[np.float32],
        ids: Sequence[str],
        classes: Sequence[str],
        encoder: EncoderSpec,
        *,
        index: str,
        proxy: str,
        purpose: str = "",
        items: Sequence[bytes] | None = None,
    ) -> Questions:
        """Pack questions; features travel as float16, centred and scaled by column, `items` as they are.

        Raises:
            InvalidInput: no or too many questions, fewer than two or too many classes, one twice, or too large to be read
                again.
        """
        if not 1 <= len(X) == len(ids) <= MOST_QUESTIONS:
            raise InvalidInput(f"between 1 and {MOST_QUESTIONS} items can be asked about, not {len(X)}")
        if not 2 <= len(classes) <= MOST_CLASSES or len(set(classes)) != len(classes) or "" in classes:
            raise InvalidInput(
                f"between 2 and {MOST_CLASSES} different classes can be asked for, each with a name; "
                f"these are {len(classes)}, {len(set(classes))} of them different"
            )
        if len(purpose) > 500:
            raise InvalidInput(f"the purpose has {len(purpose)} characters, more than 500")
        header = _QuestionsHeader(
            encoder=encoder,
            encoder_fingerprint=encoder.fingerprint,
            index=index,
            proxy=proxy,
            questions=len(X),
            classes=list(classes),
            purpose=purpose,
        )
        if items is not None and len(items) != len(X):
            raise InvalidInput(f"{len(items)} items were given for {len(X)} questions")
        names = np.frombuffer(canonical_json(list(ids)), np.uint8)
        tensors = compress("items", X, "float16") | {"ids": names}
        data = pack(header, tensors | (contents.join("items.", items) if items else {}))
        if len(data) > QUESTIONS_LIMIT:
            raise InvalidInput(
                f"these questions have {len(data)} bytes, more than the {QUESTIONS_LIMIT} that are read: ask about fewer items, "
                "or send none of them along (items=False)"
            )
        return cls.from_bytes(data)

    @classmethod
    def from_bytes(cls, data: bytes) -> Questions:
        """Decode and validate.

        Raises:
            ArtifactError: not questions, damaged, of another version, or with arrays of impossible shape or value.
        """
        header, tensors = unpack(data, _QuestionsHeader, "set of questions", QUESTIONS_LIMIT)
        if header.encoder.fingerprint != header.encoder_fingerprint:
            raise ArtifactError("the questions' encoder does not match its own fingerprint")
        if len(set(header.classes)) != len(header.classes) or "" in header.classes:
            raise ArtifactError("the questions name a class twice, or one without a name")
        expected = parts("items", "float16") | {"ids"}
        shown = set(tensors) == expected | contents.names_of("items.")
        if set(tensors) != expected and not shown:
            raise ArtifactError(f"the questions hold the tensors {sorted(tensors)}, not {sorted(expected)}")
        shape = (header.questions, header.encoder.dim)
        X = decompress("items", tensors, "float16", shape, "set of questions")
        ids = _names(tensors["ids"], header.questions)
        items = contents.split("items.", tensors, len(ids), "set of questions") if shown else None
        return cls(
            data, X, ids, header.classes, header.encoder, header.index, header.proxy, header.purpose, items
        )

    def to_bytes(self) -> bytes:
        return self.data

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the bytes that travel."""
        return fingerprint(self.data)

    def __len__(self) -> int:
        return len(self.X)


def question_of(data: bytes) -> Probe | Questions:
    """Decode what an owner is asked, a probe or questions, by what the bytes say they are. Raises ArtifactError as these do."""
    return Questions.from_bytes(data) if schema_of(data) == "proxyset.questions" else Probe.from_bytes(data)


class LabelStatement(Strict):
    """What labels guarantee, in numbers that anyone can check.

    Attributes:
        rule: "private-knn": the k nearest private records of a question vote on it. "bounded-votes": each private record
            votes on its own nearest questions.
        neighbours: k of the first rule, the votes of one record under the second.
        threshold: of the noisy screening: a question is answered if its noisy largest count is above it.
        lead: a question is answered if the noisy counts' winner leads by more than this many σ. Post-processing.
        screening: the draw that screens all questions; None where there is none.
        voting: the draw that labels them, if all pass the screening.
        rho: of both together, at most.
        epsilon, delta: what that ρ implies.
    """

    rule: Rule
    neighbours: int = Field(ge=1)
    threshold: int = Field(ge=0)
    lead: float = Field(ge=0, allow_inf_nan=False)
    screening: PrivacyStatement | None
    voting: PrivacyStatement
    rho: float = Field(gt=0, allow_inf_nan=False)
    epsilon: float = Field(gt=0, allow_inf_nan=False)
    delta: float = Field(gt=0, lt=1)


@lru_cache(maxsize=256)
def check_label_statement(privacy: LabelStatement, questions: int) -> None:
    """Refuse the statement of labels of so many questions whose numbers do not follow from each other.

    Sensitivity:
        M √(2m) of the votes and M √m of the screening under "private-knn"; M √b of the votes under "bounded-votes", M √(2b)
        when one unit is replaced.
    Unit:
        The statement's.
    Guarantee:
        None of its own: a statement that passes is true of whoever added noise of that σ to votes under that rule.
    Assumes:
        That the client did. Its noise cannot be seen from outside.

    Raises:
        ArtifactError: they do not; the message has the numbers.
    """
    voting, screening = privacy.voting, privacy.screening
    nearest = privacy.rule == "private-knn"
    if not nearest and (screening or privacy.neighbours > questions):
        raise ArtifactError(
            f"labels by bounded votes have no screening and at most {questions} votes a record, not {privacy.neighbours}"
        )
    check_draw(voting, 2 * questions if nearest else CELLS[voting.adjacency] * privacy.neighbours)
    draws = [voting]
    if screening:
        check_draw(screening, questions)
        draws.append(screening)
    for draw in draws:
        if draw.grid != 1:
            raise ArtifactError(f"labels are voted on by whole records, not on a grid of {draw.grid}")
        check_epsilon(draw.epsilon, draw.delta, draw.rho)
    if len({(draw.unit, draw.adjacency, draw.max_records) for draw in draws}) > 1:
        raise ArtifactError("the screening and the votes of these labels protect different units")
    total = math.fsum(draw.rho for draw in draws)
    if not math.isclose(privacy.rho, total, rel_tol=1e-6):
        raise ArtifactError(f"these labels claim ρ = {privacy.rho:g} in all; their draws cost {total:g}")
    check_epsilon(privacy.epsilon, privacy.delta, total)


class _LabelsHeader(Strict):
    schema_version: Literal["proxyset.labels/1"] = "proxyset.labels/1"
    questions: Sha256
    index: Sha256
    privacy: LabelStatement


@dataclass(frozen=True)
class LabelRelease:
    """The answer to questions.

    Attributes:
        labels: (m,) int16, the number of a class in the questions' list, or ABSTAINED. Always 2 bytes each.
        probe: fingerprint of the questions; receipts and ledgers call whatever was answered a probe.
        index: fingerprint of the index behind them, as they said.
        privacy: what it guarantees.
        receipt: as in `release.Release`.
    """

    labels: NDArray[np.int16]
    probe: str
    index: str
    privacy: LabelStatement
    receipt: bytes = b""

    def to_bytes(self) -> bytes:
        return self._packed(self.receipt)

    def _packed(self, receipt: bytes) -> bytes:
        tensors: Tensors = {"labels": self.labels}
        if receipt:
            tensors["receipt"] = np.frombuffer(receipt, np.uint8)
        return pack(_LabelsHeader(questions=self.probe, index=self.index, privacy=self.privacy), tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> LabelRelease:
        """Decode and validate.

        Raises:
            ArtifactError: not labels, damaged, of another version, or with a statement whose numbers do not follow from each
                other (`check_label_statement`).
        """
        header, tensors = unpack(data, _LabelsHeader, "set of labels", LABELS_LIMIT)
        labels, receipt = tensors.pop("labels", None), tensors.pop("receipt", np.empty(0, np.uint8))
        if tensors or labels is None or labels.dtype != np.int16 or labels.ndim != 1 or not len(labels):
            raise ArtifactError(
                "labels are one tensor, 'labels', of int16 and shape (m,), and perhaps a receipt"
            )
        if receipt.dtype != np.uint8 or receipt.ndim != 1 or len(receipt) > RECEIPT_LIMIT:
            raise ArtifactError(f"the receipt in a set of labels is at most {RECEIPT_LIMIT} bytes")
        if labels.min() < ABSTAINED or labels.max() >= MOST_CLASSES:
            raise ArtifactError(f"labels from {labels.min()} to {labels.max()}: no question has such classes")
        check_label_statement(header.privacy, len(labels))
        return cls(labels, header.questions, header.index, header.privacy, receipt.tobytes())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the bytes that travel, less the receipt, which names it."""
        return fingerprint(self._packed(b""))


def _names(tensor: NDArray[np.uint8], count: int) -> list[str]:
    try:
        names = json.loads(tensor.tobytes()) if tensor.dtype == np.uint8 else None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"the questions' ids cannot be read: {error}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ArtifactError("the questions' ids are not a list of names")
    if len(names) != count or len(set(names)) != count:
        raise ArtifactError(f"{count} questions need as many different ids; these are {len(set(names))}")
    return names
