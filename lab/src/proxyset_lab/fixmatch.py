"""What unlabeled images are worth.

Scanned handwriting (MNIST): 4 labeled images of each digit, 1,460 without labels, 1,000 to test on; three seeds. Supervised
training on the same 40 labels gets the same model, initial weights, steps and labeled batches, once with weak and once with
strong augmentation, so that FixMatch does not win by its augmentation alone.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from proxyset.demo.statistics import paired_gain, spread
from proxyset.train.evaluate import evaluate, predict
from proxyset.train.fixmatch import Unlabeled, fixmatch
from proxyset.train.loop import Run
from proxyset.train.models import Classifier, build_model
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised
from proxyset_lab import kept
from proxyset_lab.cell import Group
from proxyset_lab.data.registry import find
from proxyset_lab.features import Features
from proxyset_lab.jobs.pixels import one_thread
from proxyset_lab.kept import keep
from proxyset_lab.tables import Entry, Table, markdown

SEEDS = (0, 1, 2)
PER_CLASS, TESTS, SIZE = 4, 1000, 28
SETTINGS = Settings(steps=600, batch_size=32)
RULE = Unlabeled(ratio=3, threshold=0.95)
METHODS = ("supervised, weak augmentation", "supervised, strong augmentation", "FixMatch")


def measure(out: Path) -> None:
    """Every seed that `out` does not hold yet."""
    features = Features.of(find("digits-small"))
    own = features.domains == "mnist"
    X, y = features.pixels(SIZE)[own], features.labels[own].astype(np.int64)

    def one(group: Group) -> list[tuple[str, float, float]]:
        started = time.process_time()
        return [(*found, time.process_time() - started) for found in run(X, y, group.seed).items()]

    keep(out, [Group("digits-small", "mnist", seed, "id") for seed in SEEDS], one)


def page(out: Path, origin: str) -> str:
    """What came out, as Markdown."""
    scores: dict[str, list[float]] = {method: [] for method in METHODS}
    seconds = 0.0
    for _, found in kept.read(out):
        for method, score, _ in found:
            scores[method].append(score)
        seconds += found[-1][2]
    rows: list[tuple[Entry, ...]] = []
    for method, values in scores.items():
        gain = paired_gain(np.subtract(scores["FixMatch"], values).tolist(), ["mnist"] * len(values))
        ahead: Entry = "" if method == "FixMatch" else gain
        each = ", ".join(f"{100 * score:.1f}" for score in values)
        mean = spread(values)
        rows.append((method, f"{100 * mean.mean:.1f}", f"{100 * mean.sd:.1f}", each, ahead))
    columns = ("method", "mean", "sd over seeds", "by seed", "FixMatch over it")
    note = f"One site, so no interval. {seconds:.0f} s of processor time."
    table = markdown(Table("MNIST with 40 labels, accuracy in % on 1,000 images", columns, tuple(rows), note))
    about = (__doc__ or "").partition("\n\n")[2].strip()
    return f"# What unlabeled images are worth\n\n{origin} Written by `proxyset-lab fixmatch`.\n\n{about}\n\n{table}\n"


def run(
    X: NDArray[np.uint8], y: NDArray[np.int64], seed: int, settings: Settings = SETTINGS, tests: int = TESTS
) -> dict[str, float]:
    """Method → accuracy, for one split.

    Args:
        X: (n, 3, S, S) images.
        y: (n,) classes.
        seed: of the split, the weights and the batches.
    """
    order = np.random.default_rng(seed).permutation(len(y))
    test, rest = order[:tests], order[tests:]
    labeled = np.concatenate([rest[y[rest] == label][:PER_CLASS] for label in np.unique(y)])
    unlabeled = np.setdiff1d(rest, labeled)
    here, run = replace(settings, seed=seed), Run(device="cpu")
    strong = replace(here, augment="strong")

    def model() -> Classifier:
        torch.manual_seed(seed)
        return build_model("cnn-16", len(np.unique(y)), size=X.shape[-1])

    with one_thread(), torch.random.fork_rng():
        fitted = (
            supervised(model(), X[labeled], y[labeled], here, run=run),
            supervised(model(), X[labeled], y[labeled], strong, run=run),
            fixmatch(model(), X[labeled], y[labeled], X[unlabeled], here, RULE, run=run),
        )
    return {
        method: evaluate(predict(found.model, X[test]), y[test]).accuracy
        for method, found in zip(METHODS, fitted, strict=True)
    }
