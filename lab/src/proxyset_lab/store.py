"""Results on disk: a finished cell is a row in Parquet, so the same command again continues.

OUT/cells/GROUP.parquet       the rows of one group; one process at a time writes it
OUT/cells/GROUP.lock          held while a process works on the group; the system frees it when that process dies
OUT/releases/                 the releases, so that methods added later see the same noise
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from proxyset import atomic
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.fingerprint import canonical_json
from proxyset_lab.cell import Cell, Group
from proxyset_lab.cells import Result
from proxyset_lab.data.registry import find
from proxyset_lab.experiment import Experiment
from proxyset_lab.outcome import Costs, Outcome

SCHEMA = pa.schema(
    [
        ("data_set", pa.string()), ("private", pa.string()), ("seed", pa.int64()), ("pool", pa.string()),
        ("method", pa.string()), ("budget", pa.int64()), ("clusters", pa.int64()), ("dim", pa.int64()),
        ("dtype", pa.string()), ("epsilon", pa.float64()), ("score", pa.float64()), ("picked", pa.int64()),
        ("own_share", pa.float64()), ("spent", pa.float64()), ("bytes_down", pa.int64()),
        ("bytes_up", pa.int64()), ("multiply_adds", pa.int64()), ("rounds", pa.int64()),
        ("seconds", pa.float64()), ("details", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Store:
    """The results of one experiment, in a folder."""

    folder: Path

    @property
    def releases(self) -> Path:
        return self.folder / "releases"

    def settle(self, experiment: Experiment) -> None:
        """Refuse to mix results: what is no column of a row must be as it was in the first run.

        Raises:
            InvalidInput: δ, or a data set's version, size or dimensions, has changed since.
        """
        path = self.folder / "settings.json"
        old = json.loads(path.read_bytes()) if path.exists() else {}
        new = {
            data.name: {
                "most": data.most,
                "dim": data.dim,
                "delta": experiment.delta,
                "version": find(data.name).version,
            }
            | ({"job": experiment.job} if experiment.job else {})
            for data in experiment.data
        }
        for name, values in new.items():
            if old.get(name, values) != values:
                raise InvalidInput(
                    f"{self.folder} holds results of {name} made with {old[name]}, now asked for {values}: choose "
                    f"another --results, or remove cells/{name}.* and its entry in settings.json"
                )
        atomic.write_bytes(path, canonical_json(old | new))

    def read(self, group: Group) -> dict[Cell, Result]:
        """The finished cells of a group; empty when there are none.

        Raises:
            ArtifactError: the file is damaged.
        """
        path = self._path(group, "parquet")
        if not path.exists():
            return {}
        try:
            found = pq.read_table(path, schema=SCHEMA).to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise ArtifactError(f"{path} is damaged ({error}): delete it and run again") from None
        results = [_result(values) for values in found]
        return {result.cell: result for result in results}

    def write(self, group: Group, results: dict[Cell, Result]) -> None:
        """Replace the group's file, whole or not at all."""
        table = pa.Table.from_pylist([row(result) for result in results.values()], schema=SCHEMA)
        with atomic.replacing(self._path(group, "parquet")) as path:
            pq.write_table(table, path)

    @contextmanager
    def claimed(self, group: Group) -> Iterator[bool]:
        """Yield whether this process has the group to itself; False when another works on it."""
        path = self._path(group, "lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _path(self, group: Group, suffix: str) -> Path:
        name = f"{group.data_set}.{group.private}.{group.seed}.{group.pool.replace('+', '-')}"
        return self.folder / "cells" / f"{name}.{suffix}"


def row(result: Result) -> dict[str, object]:
    """A finished cell as a row of SCHEMA."""
    cell, outcome, costs = result.cell, result.outcome, result.outcome.costs
    return {
        **cell.group._asdict(),
        **{name: value for name, value in cell._asdict().items() if name != "group"},
        "score": outcome.score,
        "picked": outcome.picked,
        "own_share": outcome.own_share,
        "spent": costs.epsilon,
        "bytes_down": costs.bytes_down,
        "bytes_up": costs.bytes_up,
        "multiply_adds": costs.multiply_adds,
        "rounds": costs.rounds,
        "seconds": result.seconds,
        "details": json.dumps(dict(outcome.details)),
    }


def _result(values: dict[str, Any]) -> Result:
    group = Group(*(values[name] for name in Group._fields))
    cell = Cell(group, *(values[name] for name in Cell._fields[1:]))
    paid = (values[name] for name in ("bytes_down", "bytes_up", "multiply_adds", "rounds"))
    details = json.loads(values["details"] or "{}")  # results of earlier versions have none
    costs = Costs(values["spent"], *paid)
    outcome = Outcome(values["score"], values["picked"], values["own_share"], costs, details)
    return Result(cell, outcome, values["seconds"])
