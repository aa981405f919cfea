"""Speed as ratios against named alternatives, interleaved in one process tree: python -m proxyset.bench.speed.

Two processes run the contenders in turns: in one, every library chooses its BLAS kernel itself, as shipped; in the other
OPENBLAS_CORETYPE asks for the best kernel of this processor, which is what faiss's own OpenBLAS is too old to see. All is
on one thread; times are core-seconds, so that other programs on the machine disturb little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxyset.bench.rivals import CASES

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
# a round of these takes minutes
_ROUNDS = {"kmeans": 3, "k-center": 3}
START, STOP = "<!-- bench -->", "<!-- end of bench -->"


@dataclass(frozen=True)
class Contender:
    """Who runs, and in which of the two processes."""

    name: str
    best_kernel: bool = False

    def __str__(self) -> str:
        return f"{self.name}, best kernel" if self.best_kernel else self.name


def main() -> None:
    """Print a line a comparison, and with --docs put the table into a page between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5, help="at most 3 for kmeans and k-center")
    parser.add_argument("--docs", type=Path, help="page whose table is replaced")
    arguments = parser.parse_args()
    shipped, best = _Worker(None), _Worker(_best_kernel())
    try:
        lines = [*_versions(shipped, best), "", *_HEAD]
        _say(*lines)
        for name in arguments.cases:
            rounds = min(arguments.rounds, _ROUNDS.get(name, arguments.rounds))
            rows = list(_compare(name, rounds, shipped, best))
            _say(*rows)
            lines += rows
    finally:
        shipped.close()
        best.close()
    if arguments.docs:
        page = arguments.docs.read_text(encoding="utf-8")
        before, rest = page.split(START, 1)
        after = rest.split(STOP, 1)[1]
        text = "\n".join([before + START, *lines, STOP]) + after
        arguments.docs.write_text(text, encoding="utf-8")


_HEAD = [
    "| what | against | ratio (lowest to highest) | core-seconds, ours and theirs | quality, ours and theirs | rounds |",
    "|---|---|---|---|---|---|",
]


def _compare(name: str, rounds: int, shipped: _Worker, best: _Worker) -> list[str]:
    case = CASES[name]()
    contenders = [Contender(other) for other in case.contenders]
    if "faiss" in case.contenders:
        contenders.append(Contender("faiss", best_kernel=True))
    times: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    quality: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    for number in range(-1, rounds):  # the first round loads libraries and touches memory
        for contender in contenders:
            if number < 0 and name in _ROUNDS:
                continue
            worker = best if contender.best_kernel else shipped
            found = worker.ask(case=name, contender=contender.name, round=max(number, 0))
            if found["quality"] == found["quality"]:
                quality[contender].append(found["quality"])
            if number >= 0:
                times[contender].append(found["seconds"])
    ours, *others = contenders
    judged = {contender: statistics.mean(values) for contender, values in quality.items()}
    rows = []
    for other in others:
        ratios = [theirs / own for theirs, own in zip(times[other], times[ours], strict=True)]
        rows.append(
            f"| {case.title} | {other} | **{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {statistics.median(times[ours]):.3g}, {statistics.median(times[other]):.3g} "
            f"| {case.measure}: {judged[ours]:.6g}, {judged[other]:.6g} | {rounds} |"
        )
    return rows


class _Worker:
    def __init__(self, kernel: str | None) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
        environment |= _ONE_THREAD | ({} if kernel is None else {"OPENBLAS_CORETYPE": kernel})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "proxyset.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
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
    flags = Path("/proc/cpuinfo").read_text()
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


if __name__ == "__main__":
    main()
