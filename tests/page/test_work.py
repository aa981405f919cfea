"""Jobs in the background tell what became of them."""

from __future__ import annotations

import threading
import time

from proxyset.errors import InvalidInput
from proxyset.page.work import Work


def until_done(work, name):
    for _ in range(500):
        state, words = work.state(name)
        if state != "running":
            return state, words
        time.sleep(0.01)
    raise AssertionError("it never ended")


def test_what_became_of_a_job():
    work = Work()
    assert work.state("a") == ("none", "")
    work.start("a", lambda say: "fine")
    assert until_done(work, "a") == ("done", "fine")
    work.start("a", lambda say: (_ for _ in ()).throw(InvalidInput("no")))
    assert until_done(work, "a") == ("failed", "no")
    work.start("a", lambda say: [][0])
    assert until_done(work, "a")[1].startswith("IndexError")
    work.close()


def test_a_job_runs_once_at_a_time():
    work, gate, runs = Work(), threading.Event(), []

    def job(say):
        runs.append(1)
        gate.wait(10)
        return "done"

    for _ in range(5):
        work.start("a", job)
    assert work.state("a")[0] == "running"
    gate.set()
    assert until_done(work, "a") == ("done", "done")
    assert len(runs) == 1
    work.close()
