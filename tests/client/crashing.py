"""Answers probes, or questions, in child processes and kills them with SIGKILL; prints what is left as JSON.

    python -m tests.client.crashing FOLDER KILLS [counts|labels]

An answer of labels is screened: it takes two debits and two draws.

Half of the kills come at a random moment, half right after a named step. Every draw of noise is logged before it
is made, so the log can only overstate the draws; a release is "sent" (appended to a file) after it was returned.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import proxyset.client.answer as counting
import proxyset.client.gate as gate
import proxyset.client.labeling as labeling
from proxyset.client.calibration import privacy_statement
from proxyset.client.label_privacy import label_statement
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.noise import gaussian
from proxyset.wire.questions import Rule
from tests.client.asking import make_questions, make_records
from tests.client.conftest import make_probe

STEPS = (
    "before debit",
    "after debit",
    "drawn",
    "before store",
    "after store",
    "returned",
    "sent",
)
DRAWS = {"counts": 1, "labels": 2}  # of one answer
KNN: Rule = "private-knn"
ASKED = 12
WORTH = {"epsilon": 0.05, "rule": KNN, "neighbours": 5, "screening": 0.3}


def append(path: Path, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line.encode() + b"\n")
    os.close(descriptor)


def child(folder: Path, first: int, fatal: str | None, what: str) -> None:
    def reach(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            reach(before)
            result = function(*args, **options)
            reach(after)
            return result

        return wrapped

    def logged(size: int, privacy: Any) -> Callable[..., Any]:
        draw = gaussian(size, privacy)

        def add(counts: Any, debit: Any) -> Any:
            append(folder / "draws", current)
            noisy = draw(counts, debit)
            reach("drawn")
            return noisy

        return add

    gate.gaussian = logged
    Ledger.debit = around(Ledger.debit, "before debit", "after debit")  # type: ignore[method-assign]
    Ledger.store = around(Ledger.store, "before store", "after store")  # type: ignore[method-assign]
    ledger = folder / "ledger.sqlite"
    for seed in range(first, first + 40):
        release: Any
        if what == "counts":
            X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
            probe = make_probe(seed=seed)
            current = probe.fingerprint
            release = counting.answer(probe, X, epsilon=0.05, ledger=ledger, dataset="X")
        else:
            questions = make_questions(ASKED, seed)
            current = questions.fingerprint
            release = labeling.answer_questions(
                questions, *make_records(20), ledger=ledger, dataset="X", **WORTH
            )
        reach("returned")
        append(folder / "sent", f"{current} {release.fingerprint}")
        reach("sent")


def run(folder: Path, kills: int, what: str) -> dict[str, Any]:
    privacy_statement(0.05)
    gaussian(5, privacy_statement(0.05))  # everything is imported before the first fork
    Ledger.open(folder / "ledger.sqlite", cap=Cap(100))
    steps = itertools.cycle(STEPS)
    for number in range(kills):
        fatal = next(steps) if number % 2 else None
        # the probe at which the last child died is asked for again
        sent = len(set((folder / "sent").read_text().split()[::2])) if (folder / "sent").exists() else 0
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                child(folder, max(0, sent - 1), fatal, what)
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                os._exit(1)  # a child that was not killed has failed
        if fatal is None:
            time.sleep(random.uniform(0, 0.15))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert time.monotonic() - started < 60

    ledger = Ledger.open(folder / "ledger.sqlite")
    ledger.verify()
    entries = ledger.entries()
    debits = Counter(e.probe for e in entries if e.kind == "debit")
    draws = Counter((folder / "draws").read_text().split())
    stored = Counter(e.probe for e in entries if e.kind in ("release", "labels"))
    lines = {tuple(line.split()) for line in (folder / "sent").read_text().splitlines()}
    kept: dict[str, Any] = {}
    for probe in stored:
        if what == "counts":
            kept[probe] = ledger.stored(probe, "X", privacy_statement(0.05))
        else:
            kept[probe] = ledger.stored_labels(probe, "X", label_statement(ASKED, **WORTH))
    return {
        "kills": kills,
        "sent": len(lines),
        "sent_probes": len({probe for probe, _ in lines}),
        "sent_but_not_stored": sum((r := kept.get(p)) is None or r.fingerprint != f for p, f in lines),
        "debits": debits.total(),
        "draws": draws.total(),
        "drawn_more_than_debited": sum(draws[probe] > debits[probe] for probe in draws),
        "stored_more_than_once": sum(count > 1 for count in stored.values()),
        "debited_without_release": debits.total() - DRAWS[what] * stored.total(),
    }


if __name__ == "__main__":
    what = sys.argv[3] if len(sys.argv) > 3 else "counts"
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), what)) + "\n")
