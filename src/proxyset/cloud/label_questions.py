"""Client labeling, the cloud's side: questions about a proxy set, and the labels that came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.wire.lineage import UNSIGNED, Draw, Lineage
from proxyset.wire.questions import ABSTAINED, LabelRelease, Questions


def ask_labels(
    index: Index,
    proxy: ProxySet,
    *,
    classes: Sequence[str] | None = None,
    budget: int | None = None,
    purpose: str = "",
    items: bool = False,
) -> Questions:
    """Questions about the first items of a proxy set, in order of rank.

    Args:
        index: the index that the proxy set was drawn from; features come out of it.
        proxy: the proxy set.
        classes: the labels to choose from; by default those that its items already have in the pool.
        budget: how many items; all by default. Fewer questions get less noise each.
        purpose: what to tell the owner.
        items: whether pictures and texts travel with their questions, so that the owner sees what is asked about; other kinds
            never do.

    Raises:
        InvalidInput: the proxy set is of another index, budget < 1, or fewer than two classes.
        ArtifactError: index or proxy set are damaged.
    """
    if proxy.card.index != index.fingerprint:
        raise InvalidInput(
            f"the proxy set was drawn from the index {proxy.card.index[:12]}, this is {index.fingerprint[:12]}"
        )
    if budget is not None and budget < 1:
        raise InvalidInput(f"the budget must be at least 1, not {budget}")
    labels = proxy.by_id("label")
    if classes is None:
        classes = sorted({label for label in labels.values() if label})
        if len(classes) < 2:
            raise InvalidInput(f"the pool names {len(classes)} classes: say which there are (classes)")
    ids = list(labels)[:budget]
    shown = items and proxy.card.kind in ("image", "text")
    return Questions.build(
        index.embeddings(ids),
        ids,
        classes,
        index.manifest.encoder,
        index=index.fingerprint,
        proxy=_named(proxy),
        purpose=purpose,
        items=[_as_bytes(item) for item in islice(proxy.items(), len(ids))] if shown else None,
    )


def _as_bytes(item: bytes | str) -> bytes:
    return item.encode() if isinstance(item, str) else item


def _named(proxy: ProxySet) -> str:
    """The fingerprint by which questions name a proxy set: card, ids and hashes of its items."""
    hashes = proxy.by_id("hash")
    return fingerprint([proxy.card.model_dump(mode="json"), list(hashes), list(hashes.values())])


@dataclass(frozen=True)
class Collected:
    """Labels that came back.

    Attributes:
        labels: by id, for the items that were answered, in order of rank.
        hashes: by id, SHA-256 of each of these items as the pool has it.
        lineage: what the labels have seen: the answers, and the releases that chose the items.
        receipts: of the answers, as they came.
    """

    labels: dict[str, str]
    hashes: dict[str, str]
    lineage: Lineage
    receipts: tuple[bytes, ...]


def collect_labels(
    proxy: ProxySet,
    questions: Questions,
    answers: LabelRelease | Sequence[LabelRelease],
    *,
    unsigned: bool = False,
) -> Collected:
    """Labels by id, for the items that were answered, with what they have seen.

    Args:
        proxy: the proxy set that was asked about.
        questions: what was asked.
        answers: of one owner, or of several: then the class that most of them say; none where two classes share first
            place.
        unsigned: take answers without a receipt. Whoever carried one can have changed all that it says, and an owner can
            be in twice.

    Raises:
        InvalidInput: no answer, one without a receipt (unless `unsigned`), one to other questions, one given twice, or two
            signed by one owner; questions about another proxy set.
        ArtifactError: an answer's receipt is not valid for it, it is of another length, or names a class that was not asked
            for.
    """
    answers = [answers] if isinstance(answers, LabelRelease) else list(answers)
    if not answers:
        raise InvalidInput("there is no answer to collect")
    if questions.proxy != _named(proxy):
        raise InvalidInput(
            f"the questions are not about {proxy.place} as it is now: give the proxy set that `label ask` was given"
        )
    votes = np.zeros((len(questions), len(questions.classes)), np.int64)
    seen: dict[str, int] = {}
    draws = []
    for number, answer in enumerate(answers, start=1):
        draw = Draw.of(answer)
        draws.append(draw)
        if draw.owner == UNSIGNED and not unsigned:
            raise InvalidInput(
                f"answer {number} has no receipt, so anybody can have changed its labels and what it says of their cost: ask its "
                "owner for a signed one (`proxyset client init` makes the key), or take it as it is (unsigned)"
            )
        for name, what in ((draw.release, "the same"), (draw.owner, f"of one owner, {draw.owner[:12]}…")):
            if name != UNSIGNED and (first := seen.setdefault(name, number)) != number:
                raise InvalidInput(
                    f"answers {first} and {number} are {what}: an owner has one vote, leave one out"
                )
        _check(questions, answer)
        (rows,) = np.nonzero(answer.labels != ABSTAINED)
        votes[rows, answer.labels[rows]] += 1
    most = votes.max(axis=1, keepdims=True)
    clear = (most[:, 0] > 0) & ((votes == most).sum(axis=1) == 1)
    labels = {questions.ids[row]: questions.classes[votes[row].argmax()] for row in np.flatnonzero(clear)}
    hashes = proxy.by_id("hash")
    return Collected(
        labels,
        {item: hashes[item] for item in labels},
        Lineage.union([proxy.card.lineage, Lineage.of(draws)]),
        tuple(answer.receipt for answer in answers if answer.receipt),
    )


def _check(questions: Questions, answer: LabelRelease) -> None:
    if (answer.probe, answer.index) != (questions.fingerprint, questions.index):
        raise InvalidInput(
            f"this answer is to the questions {answer.probe[:12]}, not to {questions.fingerprint[:12]}"
        )
    if len(answer.labels) != len(questions) or answer.labels.max() >= len(questions.classes):
        raise ArtifactError(
            f"{len(answer.labels)} labels up to class {answer.labels.max()} do not answer {len(questions)} questions "
            f"about {len(questions.classes)} classes"
        )
