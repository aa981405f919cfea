"""The numbers of a run as lines of JSON in its folder, which the operator's page shows while it trains."""

from __future__ import annotations

import json
from collections.abc import Mapping

from proxyset import atomic
from proxyset.atomic import room_for
from proxyset.cloud.store import Place, StorePath


class MetricsFile:
    """Adds a line to FOLDER/metrics.jsonl now and then; a `train.tracker.Tracker`.

    A run that goes on from a checkpoint comes once more to steps that it had told of before it was stopped: with the first line
    what an earlier call said of that step and of later ones goes, so that the steps rise from line to line.

    Args:
        folder: made if missing. On object storage, where nothing can be added to a file, each line puts all of them again.
        steps: how many there will be.
    """

    def __init__(self, folder: Place, steps: int) -> None:
        self._path, self._steps, self._begun = folder / "metrics.jsonl", steps, False
        self._lines: list[bytes] = []  # of a file on object storage
        if not isinstance(folder, StorePath):
            atomic.make_folder(folder)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if not self._begun:
            self._forget_from(step)
            self._begun = True
        said = {"step": step, "steps": self._steps, "values": dict(values), "finished": step >= self._steps}
        line = json.dumps(said).encode() + b"\n"
        if isinstance(self._path, StorePath):
            self._lines.append(line)
            self._path.put(b"".join(self._lines))
            return
        with room_for(self._path), self._path.open("ab") as file:
            file.write(line)

    def _forget_from(self, step: int) -> None:
        lines = self._path.read_bytes().splitlines(keepends=True) if self._path.is_file() else []
        kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] < step]
        if isinstance(self._path, StorePath):
            self._lines = kept
        elif kept != lines:  # the last one has no end where a kill cut it off
            atomic.write_bytes(self._path, b"".join(kept))
