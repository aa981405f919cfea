"""Measuring fleets. Results are kept line by line; the same command goes on where it was stopped.

Noise has no seed, so two runs differ by it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

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
            with out.open("a", encoding="utf-8") as lines:
                for cell in missing:
                    lines.write(json.dumps({"cell": cell._asdict(), "scores": run.scores(cell)}) + "\n")
                    lines.flush()


def read(path: Path) -> Scores:
    """What was measured so far."""
    if not path.exists():
        return {}
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {Cell(**record["cell"]): record["scores"] for record in records}
