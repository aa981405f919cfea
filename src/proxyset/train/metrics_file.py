"""The numbers of a run as lines of JSON in its folder, which the operator's page shows while it trains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from proxyset.atomic import room_for


class MetricsFile:
    """Adds a line to FOLDER/metrics.jsonl now and then; a `train.tracker.Tracker`.

    Args:
        folder: made if missing.
        steps: how many there will be.
    """

    def __init__(self, folder: Path, steps: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._steps = folder / "metrics.jsonl", steps

    def log(self, step: int, values: Mapping[str, float]) -> None:
        said = {"step": step, "steps": self._steps, "values": dict(values), "finished": step >= self._steps}
        with room_for(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")
