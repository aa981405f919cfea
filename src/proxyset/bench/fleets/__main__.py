"""Measure fleets and write the tables and the figure of docs/fleets.md.

    python -m proxyset.bench.fleets benchmarks/fleets/digits.toml --out fleets.jsonl --page docs/fleets.md

Results are kept line by line; the same command goes on where it was stopped. Noise has no seed, so two runs differ by it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from proxyset.bench.experiment import Data, Group
from proxyset.bench.features import Features
from proxyset.bench.fleets.fleet import Run
from proxyset.bench.fleets.plan import Cell, Plan
from proxyset.bench.fleets.report import Scores, write_page
from proxyset.bench.registry import find
from proxyset.bench.task import Task


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--out", type=Path, default=Path("fleets.jsonl"), help="results, a JSON line each")
    parser.add_argument("--page", type=Path, help="Markdown page whose generated part is replaced")
    arguments = parser.parse_args()
    plan = Plan.read(arguments.plan)
    run(plan, arguments.out)
    if arguments.page:
        write_page(plan, read(arguments.out), arguments.page)


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


if __name__ == "__main__":
    main()
