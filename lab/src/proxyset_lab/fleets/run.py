"""Measuring fleets. Results are kept line by line; the same command goes on where it was stopped.

Noise has no seed, so two runs differ by it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from proxyset_lab import kept
from proxyset_lab.cell import Data, Group
from proxyset_lab.data.registry import find
from proxyset_lab.features import Features
from proxyset_lab.fleets.fleet import Run
from proxyset_lab.fleets.plan import Cell, Plan
from proxyset_lab.fleets.report import Scores
from proxyset_lab.task import Task


def run(plan: Plan, out: Path) -> None:
    """Measure every cell that `out` does not hold yet, and append it."""
    known = read(out)
    kept.ready(out)
    features = Features.of(find(plan.data))
    for private, seed in plan.splits():
        missing = [cell for cell in plan.cells(private, seed) if cell not in known]
        if not missing:
            continue
        sys.stderr.write(f"{private}, seed {seed}: {len(missing)} fleets\n")
        with tempfile.TemporaryDirectory() as folder:
            data = Data(name=plan.data, budgets=plan.budgets, most=plan.most)
            work = Path(folder)
            run = Run(plan, Task(Group(plan.data, private, seed, "id+ood"), data, features, work, work))
            for cell in missing:
                kept.add(out, {"cell": cell._asdict(), "scores": run.scores(cell)})


def read(path: Path) -> Scores:
    """What was measured so far."""
    return {Cell(**record["cell"]): record["scores"] for record in kept.records(path)}
