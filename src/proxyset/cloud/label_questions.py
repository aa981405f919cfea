"""Client labeling, the cloud's side: questions about a proxy set, and the labels that came back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import islice

import numpy as np

from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.wire.questions import ABSTAINED, LabelRelease, Questions
from proxyset.wire.receipt import Receipt


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
        raise InvalidInput(f"--budget must be at least 1, not {budget}")
    selection = proxy.selection()
    if classes is None:
        classes = sorted({label for label in selection.column("label").to_pylist() if label})
        if len(classes) < 2:
            raise InvalidInput(f"the pool names {len(classes)} classes: say which there are with --classes")
    names: list[str] = selection.column("id").to_pylist()
    ids = names[:budget]
    shown = items and proxy.card.kind in ("image", "text")
    return Questions.build(
        index.embeddings(ids),
        ids,
        classes,
        index.manifest.encoder,
        index=index.fingerprint,
        proxy=fingerprint([proxy.card.model_dump(mode="json"), names]),
        purpose=purpose,
        items=[_as_bytes(item) for item in islice(proxy.items(), len(ids))] if shown else None,
    )


def _as_bytes(item: bytes | str) -> bytes:
    return item.encode() if isinstance(item, str) else item


def collect_labels(questions: Questions, answers: LabelRelease | Sequence[LabelRelease]) -> dict[str, str]:
    """Labels by id, for the items that were answered, in order of rank.

    Args:
        questions: what was asked.
        answers: of one owner, or of several: then the class that most of them say; none where two classes share first
            place.

    Raises:
        InvalidInput: no answer, one to other questions, one given twice, or two signed by one owner.
        ArtifactError: an answer is of another length, or names a class that was not asked for.
    """
    answers = [answers] if isinstance(answers, LabelRelease) else list(answers)
    if not answers:
        raise InvalidInput("there is no answer to collect")
    votes = np.zeros((len(questions), len(questions.classes)), np.int64)
    seen: set[str] = set()
    for answer in answers:
        receipt = Receipt.of(answer)
        names = {answer.fingerprint} | ({receipt.claim.key} if receipt else set())
        if names & seen:
            raise InvalidInput("two of these answers are of one owner: each counts once, leave one out")
        seen |= names
        if (answer.probe, answer.index) != (questions.fingerprint, questions.index):
            raise InvalidInput(
                f"this answer is to the questions {answer.probe[:12]}, not to {questions.fingerprint[:12]}"
            )
        if len(answer.labels) != len(questions) or answer.labels.max() >= len(questions.classes):
            raise ArtifactError(
                f"{len(answer.labels)} labels up to class {answer.labels.max()} do not answer {len(questions)} questions "
                f"about {len(questions.classes)} classes"
            )
        (rows,) = np.nonzero(answer.labels != ABSTAINED)
        votes[rows, answer.labels[rows]] += 1
    most = votes.max(axis=1, keepdims=True)
    clear = (most[:, 0] > 0) & ((votes == most).sum(axis=1) == 1)
    return {questions.ids[row]: questions.classes[votes[row].argmax()] for row in np.flatnonzero(clear)}


def labels_csv(labels: dict[str, str]) -> bytes:
    """Labels as CSV with the columns `id` and `label`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", "label"])
    writer.writerows(labels.items())
    return text.getvalue().encode()
