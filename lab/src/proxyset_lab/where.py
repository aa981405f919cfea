"""Where the default helps and where it does not: its gain over random by the pool's own kind, the client's records and its skew.

The rows are those of five steps of the run: pools with a share of the own kind (many sites, and few), clients with all records,
clients with few, and clients with skewed classes. A row says what its clients and pools were; `cross` has every combination.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from proxyset.cloud.select import DEFAULT_STRATEGY
from proxyset_lab import skew
from proxyset_lab.designed import designed_on, titled
from proxyset_lab.experiment import Experiment
from proxyset_lab.origin import stamp
from proxyset_lab.store import Store
from proxyset_lab.summary import Line, summarise
from proxyset_lab.tables import Entry, Table, harm, markdown

EXPERIMENTS = ("sites", "own-share", "main", "few")
_COLUMNS = (
    "data",
    "pool's own kind",
    "records",
    "α",
    "budget",
    "ε",
    "over random (95 %)",
    "harm seen from",
    "from",
)
_Row = tuple[Entry, ...]


def page(folder: Path, rows: Path) -> str:
    """The page, from experiments in a folder and the rows that are there."""
    found: dict[bool, list[_Row]] = {False: [], True: []}
    missing = []
    for name in EXPERIMENTS:
        experiment = Experiment.read(folder / f"{name}.toml")
        lines = [line for line in summarise(experiment, Store(rows / name)) if _counts(line)]
        for line in lines:
            found[line.setting.designed].append(_row(experiment, line))
        missing += [] if lines else [name]
    skewed = skew.read(rows / "skew.jsonl")
    for designed in found:
        found[designed] += _skewed(
            [(c, s) for c, s in skewed if designed_on(c.data_set, c.private) == designed]
        )
    missing += [] if skewed else ["skew"]
    parts = [
        "# Where it helps, and where it does not",
        f"{stamp(rows)} Written by `proxyset-lab where`; do not edit.",
    ]
    parts.append(
        f"The gain of `{DEFAULT_STRATEGY}` over random choice of as many items, in points, by how much of the pool is of the "
        "client's kind, how many records the client has, and how its classes are skewed (α of a Dirichlet; none: as they are; a "
        "skewed client is measured on its own mixture). “as it is”: public items of the client's kind are there as the split "
        "leaves them. Every combination of the three, on clients of the same splits: [cross](cross.md)."
    )
    if missing:
        parts.append(f"Unfinished: {', '.join(missing)} had no turn.")
    for designed, entries in found.items():
        if entries:
            parts.append(markdown(Table(titled("Gain over random", designed), _COLUMNS, tuple(entries))))
    return "\n\n".join(parts) + "\n"


def _counts(line: Line) -> bool:
    """The default rule at the index's own R."""
    return (
        line.setting.method == DEFAULT_STRATEGY
        and line.gain is not None
        and line.setting.clusters == skew.CLUSTERS
    )


def _row(experiment: Experiment, line: Line) -> _Row:
    of, data = line.setting, experiment.of(line.setting.data_set)
    share = of.pool.replace("%", " %") if of.pool.endswith("%") else "as it is"
    records = "all" if data.records is None else str(data.records)
    return (
        of.data_set, share, records, "none", f"{line.budget:,}", f"{of.epsilon or 0:g}", line.gain or "", harm(line.gain),
        experiment.name,
    )  # fmt: skip


def _skewed(results: skew.Results) -> Sequence[_Row]:
    rows: list[_Row] = []
    for name, alpha, records, clients in skew.cells(results):
        gain = skew.gain_of(clients, (skew.OURS, "accuracy"), ("random", "accuracy"))
        rows.append(
            (
                name, "as it is", str(records), skew.alpha_text(alpha), f"{skew.BUDGETS[name][0]:,}", f"{skew.EPSILON:g}", gain,
                harm(gain), "skew",
            )
        )  # fmt: skip
    return rows
