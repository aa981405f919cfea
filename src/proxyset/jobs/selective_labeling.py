"""Selective labeling: people label the proxy set, best items first; a model is trained on what they have labeled so far.

The ranking makes every prefix of the proxy set a proxy set, so labeling can begin with a few hundred items and go on only
while it pays. Train after each round and look at the curve:

    proxy set ─▶ first N to the annotators ─▶ labels ─▶ training (with the rest of the pool, unlabeled) ─▶ accuracy ─▶ more?
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import InvalidInput
from proxyset.jobs.label_files import origin_of, read_labels, write_labels
from proxyset.jobs.labels import match_labels

if TYPE_CHECKING:
    from proxyset.cloud.index import Index
    from proxyset.encoders import Encoder
    from proxyset.jobs.training import Plan
    from proxyset.train.loop import Run


@dataclass(frozen=True)
class Round:
    """A model trained on the labels of the first items.

    Attributes:
        first: items of the ranking that counted.
        labeled: how many of them have a label.
        folder: the model, its metrics and its report.
        accuracy: on the test data, 0 to 1.
        balanced_accuracy: the mean over the classes, 0 to 1.
        low, high: its 95 % interval over test items (Wilson).
    """

    first: int
    labeled: int
    folder: Path
    accuracy: float
    balanced_accuracy: float
    low: float
    high: float


def selective_labeling(
    proxy: ProxySet,
    labels: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    test: str,
    first: Sequence[int],
    unlabeled: str | None = None,
    classes: Sequence[str] | None = None,
    size: int = 32,
    plan: Plan | None = None,
    public_inputs: bool = False,
    run: Run | None = None,
    encoder: Encoder | None = None,
    index: Index | None = None,
) -> list[Round]:
    """Train on the labels of the first N items for each N, and measure: is it worth labeling more?

    All rounds have the same class list, steps and seed. Training again goes on where it was stopped.

    Args:
        proxy: images, or anything with embeddings (a linear head on them).
        labels: file of labels, as `label_files.read_labels` takes it.
        out: folder; a round lies in OUT/first-N.
        test: labeled items like the client's, as `proxyset train --test` takes them.
        first: the values of N, in any order.
        unlabeled: images for FixMatch, as `training_set.read_unlabeled` takes them; without them training is supervised.
        classes: the class list; None takes all labels that occur.
        size: pixels that images are scaled to.
        plan: how to train; its method is chosen by `unlabeled`.
        public_inputs, encoder, index: as `training_set.read_training_set` takes them.
        run: device, tracker and progress.

    Raises:
        InvalidInput: an N below 1.
        InvalidData: labels of another project, an unknown class, or a round with no label or one class only.
        MissingExtra: torch is not installed.
    """
    from proxyset.jobs.training import Plan, train_model
    from proxyset.jobs.training_set import read_test_set, read_training_set, read_unlabeled

    if not first or min(first) < 1:
        raise InvalidInput(f"first takes numbers of items from 1 on, not {list(first)}")
    answers, origin = read_labels(labels), origin_of(labels)
    known = match_labels(answers, proxy, classes=classes).classes
    ranked = proxy.ids()
    others = read_unlabeled(unlabeled, size, public_inputs=public_inputs) if unlabeled else None
    plan = replace(plan or Plan(), method="fixmatch" if others else "supervised")
    rounds = []
    for count in sorted({min(n, len(ranked)) for n in first}):
        folder, counted = Path(out) / f"first-{count}", set(ranked[:count])
        write_labels((answer for answer in answers if answer.id in counted), folder / "labels.csv", origin)
        data = read_training_set(
            proxy.folder,
            folder / "labels.csv",
            classes=known,
            size=size,
            public_inputs=public_inputs,
            encoder=encoder,
            index=index,
        )
        trained = train_model(
            data, folder, plan, unlabeled=others, test=read_test_set(test, data, size), run=run
        )
        found = trained.evaluation
        assert found  # there are test items
        rounds.append(
            Round(
                count,
                len(data.items),
                folder,
                found.accuracy,
                found.balanced_accuracy,
                found.low,
                found.high,
            )
        )
    return rounds
