"""Speed as ratios against named alternatives, interleaved in one process tree.

Two processes run the contenders in turns: in one, every library chooses its BLAS kernel itself, as shipped; in the other
OPENBLAS_CORETYPE asks for the best kernel of this processor, which is what faiss's own OpenBLAS is too old to see. All is
on one thread; times are core-seconds, so that other programs on the machine disturb little.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxyset.errors import InvalidInput
from proxyset_lab.speed.page import put
from proxyset_lab.speed.rivals import CASES

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
_LONG = ("kmeans", "k-center")  # no round to warm up: what loading takes is small beside them


@dataclass(frozen=True)
class Contender:
    """Who runs, and in which of the two processes."""

    name: str
    best_kernel: bool = False

    def __str__(self) -> str:
        return f"{self.name}, best kernel" if self.best_kernel else self.name


def compare(cases: Sequence[str], rounds: int, seconds: float, docs: Path | None = None) -> None:
    """Print a line a comparison.

    Args:
        cases: how the names of some begin; all when empty.
        rounds: at most, for each case.
        seconds: after which a case begins no round.
        docs: a page whose table `bench` gets the same lines, case by case.

    Raises:
        InvalidInput: no case begins so.
    """
    asked = [name for name in CASES if name.startswith(tuple(cases or [""]))]
    if not asked:
        raise InvalidInput(f"no case begins with {' or '.join(cases)}: there are {', '.join(CASES)}")
    shipped, best = _Worker(None), _Worker(_best_kernel())
    try:
        versions = _versions(shipped, best)
        _say(*versions, "", *_HEAD)
        for name in asked:
            rows = _compare(name, rounds, seconds, shipped, best)
            _say(*rows)
            if docs:
                put(docs, "bench", _HEAD, rows, versions)
    finally:
        shipped.close()
        best.close()


_HEAD = [
    "| what | against | ratio (lowest to highest) | core-seconds, ours and theirs | quality, ours and theirs | rounds |",
    "|---|---|---|---|---|---|",
]


def _compare(name: str, rounds: int, seconds: float, shipped: _Worker, best: _Worker) -> list[str]:
    case = CASES[name]()
    contenders = [Contender(other) for other in case.contenders]
    if "faiss" in case.contenders:
        contenders.append(Contender("faiss", best_kernel=True))
    times: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    quality: dict[Contender, list[float]] = {contender: [] for contender in contenders}

    def turn(number: int) -> None:
        for contender in contenders:
            worker = best if contender.best_kernel else shipped
            found = worker.ask(case=name, contender=contender.name, round=max(number, 0))
            if found["quality"] == found["quality"]:
                quality[contender].append(found["quality"])
            if number >= 0:
                times[contender].append(found["seconds"])

    started = time.monotonic()
    if not name.startswith(_LONG):
        turn(-1)  # loads libraries and touches memory
    for number in range(rounds):
        if number and time.monotonic() - started > seconds:
            break
        turn(number)
    ours, *others = contenders
    judged = {contender: statistics.mean(values) for contender, values in quality.items()}
    rows = []
    for other in others:
        ratios = [theirs / own for theirs, own in zip(times[other], times[ours], strict=True)]
        rows.append(
            f"| {case.title} | {other} | **{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {statistics.median(times[ours]):.3g}, {statistics.median(times[other]):.3g} "
            f"| {case.measure}: {judged[ours]:.6g}, {judged[other]:.6g} | {len(ratios)} |"
        )
    return rows


class _Worker:
    def __init__(self, kernel: str | None) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
        environment |= _ONE_THREAD | ({} if kernel is None else {"OPENBLAS_CORETYPE": kernel})
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from proxyset_lab.speed.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=environment,
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process that ran {question} died")
        return dict(json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _best_kernel() -> str:
    """OpenBLAS's name for the fastest float32 kernel of this processor."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return "SkylakeX" if "avx512vl" in flags else "Haswell"


def _versions(shipped: _Worker, best: _Worker) -> list[str]:
    ours, theirs = shipped.ask(about=True), best.ask(about=True)
    listed = ", ".join(f"{name} {number}" for name, number in ours["versions"].items())
    return [
        f"Versions: {listed}.",
        f"Ours: NumPy's {ours['kernels']['NumPy']}, its own choice. faiss as shipped: {ours['kernels']['faiss']}; "
        f"with its best kernel: {theirs['kernels']['faiss']}. One thread.",
    ]


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
