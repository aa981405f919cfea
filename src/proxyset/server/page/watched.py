"""What is being built: an index by its completion markers, a training run by its metrics.jsonl."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

from proxyset.errors import ProxysetError
from proxyset.sources import open_source
from proxyset.sources.source import Kind

METRICS = "metrics.jsonl"
_SHOWN_STEPS = 2_000


@dataclass(frozen=True)
class Stage:
    """One stage of a build: `done` of `total` parts; None while the total is not known."""

    name: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Watched:
    """A folder that somebody works in.

    Attributes:
        folder: where.
        kind: what it will be; "nothing" while there is nothing of ours.
        stages: of an index.
        steps, of: of a training run: how many are done, and of how many.
        metrics: of a training run: name → [(step, value) …].
        finished: whether it is ready.
        idle: seconds since anything changed.
        problem: why it cannot be read, or "".
    """

    folder: Path
    kind: Literal["index", "training", "nothing"]
    stages: Sequence[Stage] = ()
    steps: int = 0
    of: int = 0
    metrics: dict[str, list[tuple[int, float]]] | None = None
    finished: bool = False
    idle: float = 0.0
    problem: str = ""


def look(folder: Path) -> Watched:
    """How far a folder is. Reads names and small files only."""
    if (folder / "plan.json").is_file():
        return _index(folder)
    if (folder / METRICS).is_file():
        return _training(folder)
    return Watched(folder, "nothing")


def _index(folder: Path) -> Watched:
    shards = len(list((folder / "shards").glob("[0-9]*.json")))
    assigned = len(list((folder / "assignments").glob("*.json")))
    finished = (folder / "manifest.json").is_file()
    problem, total = "", None
    try:
        plan = json.loads((folder / "plan.json").read_bytes())
        total = _shards(str(plan["pool"]), cast(Kind, plan["kind"]))
    except (ProxysetError, OSError, ValueError, KeyError) as error:
        problem = str(error)
    clustered = int((folder / "model.safetensors").is_file())
    stages = (
        Stage("read and encoded", shards, total),
        Stage("clustered", clustered, 1),
        Stage("assigned", assigned if clustered else 0, total),
    )
    return Watched(folder, "index", stages, finished=finished, idle=_idle(folder), problem=problem)


@lru_cache(maxsize=64)
def _shards(pool: str, kind: Kind) -> int:
    return len(open_source(pool, kind=kind).shards())


def _training(folder: Path) -> Watched:
    metrics: dict[str, list[tuple[int, float]]] = {}
    steps = of = 0
    finished, problem = False, ""
    for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()[-_SHOWN_STEPS:]:
        try:
            said = json.loads(line)
            steps, of = int(said["step"]), int(said.get("steps", of))
            finished = bool(said.get("finished", False))
            for name, value in said.get("values", {}).items():
                metrics.setdefault(str(name), []).append((steps, float(value)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # a line that is being written
            problem = f"a line of {METRICS} cannot be read: {error}"
    return Watched(folder, "training", (), steps, of, metrics, finished, _idle(folder), problem)


def _idle(folder: Path) -> float:
    places = [folder, *(path for path in folder.iterdir())]
    return max(0.0, time.time() - max(path.stat().st_mtime for path in places))
