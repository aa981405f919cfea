"""Client labeling on Digits: how good the labels are that ε buys, and what a model trained on them is worth.

    python -m proxyset.bench.jobs.client_label bench-results/client-label

Each domain in turn is a client with labeled images; the pool is the rest of its domain and all of the others. A method picks
m items (asking for a release of ε = 0.58 where it needs one), the client labels them, and a classifier is trained on the
labels that came back and tested on held-out items of the client's domain. Release and labels are paid for in one ledger whose
cap is ε = 5 at δ = 1e-5; what the release left is spent on labels, so methods that need none have a little more.

OUT/TRAINER/cells/DOMAIN.SEED.parquet    one row a finished cell; the same command again runs what is missing
OUT/TRAINER/client-label.md              the tables
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from proxyset import atomic
from proxyset.bench.classifier import Labels
from proxyset.bench.experiment import Data, Group
from proxyset.bench.features import Features
from proxyset.bench.registry import find
from proxyset.bench.splits import Rows
from proxyset.bench.statistics import paired_gain, spread
from proxyset.bench.task import Task
from proxyset.client.answer import answer
from proxyset.client.labeling import answer_questions
from proxyset.client.ledger import Cap, Ledger
from proxyset.cloud.select import combine, find_strategy
from proxyset.encoders.encoder import EncoderSpec
from proxyset.fingerprint import fingerprint
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.questions import ABSTAINED, Questions

METHODS = ("density-ratio", "ecos", "k-center", "random")
RULES: dict[str, dict[str, Any]] = {
    "bounded-votes": {"rule": "bounded-votes"},
    "private-knn": {"rule": "private-knn"},
    "private-knn, screened": {"rule": "private-knn", "screening": 0.2, "lead": 0.0},
}
BUDGETS = (300, 1000)
CLUSTERS, RELEASE_EPSILON, TOTAL = 100, 0.58, Cap(5.0, 1e-5)

_INTRODUCTION = """\
# Client labeling on Digits

`python -m proxyset.bench.jobs.client_label bench-results/client-label{options}` wrote this page.

Each of five domains in turn is a client with 1,200 labeled images or fewer; the pool is the rest of its domain and the four
others. A method picks items, the client labels them with noisy votes, {trained} is trained on the labels that came back and
tested on held-out images of the client's domain. Release (ε = 0.58, where the method asks for one) and labels are paid for in
one ledger whose cap is ε = 5 at δ = 1e-5, per record; all settings are the defaults, k of private-knn is 4 σ₂. `private-knn,
screened` spends a fifth of its budget on the noisy screening and answers whatever passes it; what it saves on the others stays
unspent, so its ε is lower. No rule samples its records, for the reason that [privacy](../privacy.md#labels) gives, so these are
not the numbers of Private-kNN as published.

Percent; means over domains and seeds. *Right*: of the answered. *Accuracy*: ± standard deviation over seeds. *Over random*:
paired by domain and seed, ± 95 % interval. *With true labels*: the same items, all of them labeled by people. Training on the
client itself (`local` in [main](main.md)) needs no cloud and no ε and is better than all of these: labeling is for clients that
cannot train.
"""

# trains on rows with the given labels and returns the metric on the client's held-out items
Trainer = Callable[[Task, Rows, Labels], float]


class Cell(NamedTuple):
    """What one run is."""

    private: str
    seed: int
    method: str
    rule: str
    budget: int


@dataclass(frozen=True)
class Found:
    """What one run gave.

    Attributes:
        answered: share of the items that got a label.
        right: share of those labels that are true; NaN without any.
        score, score_true: the metric after training on these labels, and on the true labels of all asked items.
        spent: ε of all that the ledger paid for, at its δ.
        bytes_down, bytes_up: of all messages.
        neighbours, sigma: of the votes.
        seconds: processor time.
    """

    answered: float
    right: float
    score: float
    score_true: float
    spent: float
    bytes_down: int
    bytes_up: int
    neighbours: int
    sigma: float
    seconds: float


def on_features(task: Task, rows: Rows, labels: Labels) -> float:
    """The benchmark's logistic regression on frozen features; 0 when nothing was labeled."""
    test = task.split.test
    if not len(rows):
        return 0.0
    return task.training.score(task.X[rows], labels, task.X[test], task.y[test])


def on_pixels(task: Task, rows: Rows, labels: Labels) -> float:
    """The small CNN of the job on annotators' labels (`selective`), with the same steps; 0 when nothing was labeled."""
    import torch

    from proxyset.bench.jobs.pixels import class_numbers, one_thread, pixel_score
    from proxyset.bench.jobs.selective import MODEL, SIZE, SUPERVISED
    from proxyset.train.loop import Run
    from proxyset.train.models import build_model
    from proxyset.train.supervised import supervised

    if not len(rows):
        return 0.0
    X, (_, classes) = task.features.pixels(SIZE), class_numbers(task)
    settings = replace(SUPERVISED, seed=task.group.seed)
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(task.group.seed)
        model = build_model(MODEL, len(classes), size=X.shape[-1])
        y = np.searchsorted(classes, labels)
        fitted = supervised(model, X[rows], y, settings, run=Run(device="cpu"))
        return pixel_score(task, fitted.model, SIZE)


_TRAINED = {"features": "a logistic regression on HOG", "pixels": "a small CNN (300 steps on 28 × 28 pixels)"}
TRAINERS: dict[str, Trainer] = {"features": on_features, "pixels": on_pixels}


def run_cell(task: Task, cell: Cell, train: Trainer, folder: Path) -> Found:
    """One client labels what one method picked. Raises what the exchange raises."""
    started = time.process_time()
    ledger = Ledger.open(folder / f"{time.monotonic_ns()}.sqlite", cap=TOTAL)
    strategy, index = find_strategy(cell.method), task.index(CLUSTERS)
    private, coverage, down, up = task.X[task.split.client], None, 0, 0
    if strategy.needs_release:
        probe = task.probe(CLUSTERS, None, "float16")
        release = answer(probe, private, epsilon=RELEASE_EPSILON, ledger=ledger)
        coverage = combine([release], index.fingerprint, index.manifest.clusters)
        down, up = len(probe.to_bytes()), len(release.to_bytes())
    picked = strategy.rank(task.candidates(CLUSTERS), coverage, cell.budget, task.rng(3)).rows
    rows = task.pool[picked]
    classes = sorted({str(label) for label in task.y})
    asked = Questions.build(
        task.X[rows],
        [str(row) for row in rows],
        classes,
        EncoderSpec(name="embeddings", dim=task.X.shape[1]),
        index=index.fingerprint,
        proxy=fingerprint(rows.tolist()),
    )
    own = {str(row): str(label) for row, label in enumerate(task.y[task.split.client])}
    left = math.floor(1000 * zcdp_epsilon(ledger.remaining(), TOTAL.delta)) / 1000
    found = answer_questions(asked, private, own, epsilon=left, ledger=ledger, **RULES[cell.rule])
    kept = found.labels != ABSTAINED
    labels = np.array(classes)[found.labels[kept]]
    return Found(
        answered=float(kept.mean()),
        right=float((labels == task.y[rows[kept]]).mean()) if kept.any() else math.nan,
        score=train(task, rows[kept], labels),
        score_true=train(task, rows, task.y[rows]),
        spent=zcdp_epsilon(ledger.spent(), TOTAL.delta),
        bytes_down=down + len(asked.data),
        bytes_up=up + len(found.to_bytes()),
        neighbours=found.privacy.neighbours,
        sigma=found.privacy.voting.sigma,
        seconds=time.process_time() - started,
    )


def run(
    out: Path,
    seeds: Sequence[int],
    train: Trainer,
    name: str = "digits",
    domains: Sequence[str] = (),
    rules: Sequence[str] = tuple(RULES),
) -> Iterator[tuple[Cell, Found]]:
    """Run what is missing, seed by seed, and yield each finished cell. All domains of the data set by default."""
    data_set = find(name)
    features = Features.of(data_set)
    for seed in seeds:
        for private in domains or [domain.name for domain in data_set.domains]:
            path = out / "cells" / f"{private}.{seed}.parquet"
            done = _read(path)
            missing = [cell for cell in _cells(private, seed, rules) if cell not in done]
            if not missing:
                continue
            with tempfile.TemporaryDirectory(prefix="proxyset-bench-") as work:
                group = Group(name, private, seed, "id+ood")
                data = Data(name=name, budgets=BUDGETS)
                task = Task(group, data, features, Path(work), out / "releases")
                for cell in missing:
                    done[cell] = run_cell(task, cell, train, Path(work))
                    _write(path, done)
                    yield cell, done[cell]


def report(out: Path, seeds: Sequence[int], trainer: str = "features") -> str:
    """The tables of what has finished, in Markdown."""
    found: dict[Cell, Found] = {}
    for path in sorted((out / "cells").glob("*.parquet")):
        found |= {cell: result for cell, result in _read(path).items() if cell.seed in seeds}
    options = "" if trainer == "features" else f" --trainer {trainer}"
    lines = [_INTRODUCTION.format(trained=_TRAINED[trainer], options=options)]
    for budget in BUDGETS:
        lines += [
            f"### {budget} questions",
            "",
            "| rule of voting | picked by | answered | right | accuracy | over random | with true labels | ε in all | runs |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for rule in RULES:
            for method in METHODS:
                runs = {cell: r for cell, r in found.items() if cell[2:] == (method, rule, budget)}
                if runs:
                    lines.append(_line(runs, found))
        lines.append("")
    return "\n".join(lines)


def _line(runs: dict[Cell, Found], found: dict[Cell, Found]) -> str:
    first = next(iter(runs))
    pairs = [(r, found.get(cell._replace(method="random"))) for cell, r in runs.items()]
    differences = [100 * (r.score - base.score) for r, base in pairs if base]
    over = "–"
    if first.method != "random" and differences:
        gain = paired_gain(differences)
        over = f"{gain.mean:+.1f}" + (f" ± {gain.half_width:.1f}" if gain.half_width is not None else "")
    right = [r.right for r in runs.values() if not math.isnan(r.right)]
    cells = [
        first.rule,
        first.method,
        _percent([r.answered for r in runs.values()]),
        _percent(right) if right else "–",
        _by_seed(runs),
        over,
        _percent([r.score_true for r in runs.values()]),
        f"{max(r.spent for r in runs.values()):.2f}",
        str(len(runs)),
    ]
    return f"| {' | '.join(cells)} |"


def _by_seed(runs: dict[Cell, Found]) -> str:
    """Mean over domains; standard deviation over seeds of that mean."""
    seeds = sorted({cell.seed for cell in runs})
    means = [100 * float(np.mean([r.score for cell, r in runs.items() if cell.seed == s])) for s in seeds]
    found = spread(means)
    return f"{found.mean:.1f} ± {found.sd:.1f}"


def _percent(values: Sequence[float]) -> str:
    return f"{100 * float(np.mean(values)):.1f}"


def _cells(private: str, seed: int, rules: Sequence[str]) -> list[Cell]:
    return [Cell(private, seed, m, rule, budget) for budget in BUDGETS for rule in rules for m in METHODS]


def _read(path: Path) -> dict[Cell, Found]:
    if not path.exists():
        return {}
    rows = pq.read_table(path).to_pylist()
    return {
        Cell(*(row[name] for name in Cell._fields)): Found(*(row[name] for name in Found.__annotations__))
        for row in rows
    }


def _write(path: Path, done: dict[Cell, Found]) -> None:
    rows = [cell._asdict() | asdict(result) for cell, result in done.items()]
    with atomic.replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary)


def main() -> None:
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rules", choices=RULES, nargs="+", default=list(RULES))
    parser.add_argument("--trainer", choices=sorted(TRAINERS), default="features")
    options = parser.parse_args()
    out = options.out / options.trainer
    for cell, result in run(out, options.seeds, TRAINERS[options.trainer], rules=options.rules):
        told = f"answered {result.answered:.2f}, right {result.right:.2f}, score {result.score:.3f}"
        sys.stdout.write(f"{' '.join(map(str, cell))}: {told}\n")
        sys.stdout.flush()
    page = report(out, options.seeds, options.trainer)
    atomic.write_bytes(out / "client-label.md", page.encode())


if __name__ == "__main__":
    main()
