"""What a user would reach for instead, run for real: each takes a task, a budget and ε, and returns an outcome."""

from __future__ import annotations

from collections.abc import Callable

from proxyset.bench.outcome import Outcome
from proxyset.bench.task import Task

ALTERNATIVE_RUNS: dict[str, Callable[[Task, int, float], Outcome]] = {}
