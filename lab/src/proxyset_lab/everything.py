"""Everything that the docs quote, from one commit: a list of steps in order of importance, run until time is up, then all pages.

A step is two commands of the lab: one measures and goes on where it was stopped, one writes pages from what is there. Workers take
steps from the front; an experiment is shared by all that are free, a study is one worker's. Rows lie in the folder of the code that
made them (`origin`), so nothing of another commit can come onto a page, and a page whose step did not get its turn says so.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from pathlib import Path
from threading import Event, Lock, current_thread, main_thread

from pydantic import BaseModel, ConfigDict, Field

from proxyset import atomic
from proxyset.console import told_to_end
from proxyset.errors import InvalidInput
from proxyset_lab.origin import key_now, origin, stamp
from proxyset_lab.quoted import fill
from proxyset_lab.tables import Table, markdown
from proxyset_lab.toml import OfToml

_PROGRAMS = {
    "proxyset-lab": "from proxyset_lab.cli import main; main()",
    "proxyset": "from proxyset.cli import main; main()",
}
_PATIENCE = 20.0  # seconds for a step to write what it holds once it is told to end
_SPENT = "spent.jsonl"
Tell = Callable[[str], None]


class Step(BaseModel):
    """One experiment or study.

    Attributes:
        name: of the step and its log.
        run, page: command lines, `run` empty where a page is of other steps' rows. {rows} stands for the folder of rows, {docs}
            for that of the pages.
        rows: pattern of the files below {rows} that are there once something was measured.
        writes: pages below {docs} that say so when nothing was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    run: str = ""
    page: str
    rows: str
    writes: tuple[str, ...] = ()

    def measured(self, rows: Path) -> bool:
        """Whether anything is there."""
        return any(rows.glob(self.rows))

    @property
    def shared(self) -> bool:
        """Whether several processes share the work."""
        return self.run.startswith("proxyset-lab run ")


class Everything(OfToml):
    """The list, most important first.

    Attributes:
        prose: Markdown files whose figures are filled in from the pages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: tuple[Step, ...] = Field(min_length=1)
    prose: tuple[str, ...] = ()


def measure(
    everything: Everything, rows: Path, docs: Path, minutes: float, workers: int, tell: Tell
) -> list[str]:
    """Run steps until all are done, time is up or this process is told to end; the names of those that failed.

    Raises:
        InvalidInput: the code was changed meanwhile; what its steps measured is kept.
    """
    end = time.monotonic() + 60 * minutes
    places = {"rows": rows, "docs": docs}
    taken: set[str] = set()
    failed: list[str] = []
    lock, key = Lock(), origin().key

    def work() -> None:
        mine: set[str] = set()
        while (left := end - time.monotonic()) > 0 and not stop.is_set():
            if key_now() != key:
                raise InvalidInput(
                    f"the code was changed while it ran: {rows} keeps what was measured, and no step goes on. Run from a checkout "
                    "that nobody changes, such as a worktree of its own"
                )
            with lock:
                free = (
                    s for s in everything.step if s.run and s.name not in (mine if s.shared else mine | taken)
                )
                step = next(free, None)
                if step is None:
                    return
                mine.add(step.name)
                taken.add(step.name)
            tell(f"{step.name}: begun, {left / 60:.0f} minutes left")
            log = rows / "logs" / f"{step.name}.log"
            status, wall, cpu = _command(step.run, places, log, left, stop)
            with lock, (rows / _SPENT).open("a", encoding="utf-8") as lines:
                record = {"step": step.name, "wall": wall, "cpu": cpu, "status": status}
                lines.write(json.dumps(record) + "\n")
            if status and end > time.monotonic() and not stop.is_set():
                failed.append(step.name)
                tell(f"{step.name}: FAILED, see {log}")
            else:
                tell(f"{step.name}: {wall / 60:.1f} minutes, {cpu / 60:.1f} of processor time")

    (rows / "logs").mkdir(parents=True, exist_ok=True)
    in_main = current_thread() is main_thread()  # only there can a process listen to signals
    # SIGTERM to this process ends its steps, which would outlive it, and goes on to the pages
    ends = told_to_end(signal.SIGTERM) if in_main else nullcontext(Event())
    with ends as stop, ThreadPoolExecutor(workers) as pool:
        working = [pool.submit(work) for _ in range(workers)]
        while wait(working, timeout=1.0).not_done:
            pass
        for done in working:
            done.result()
    return list(dict.fromkeys(failed))


def write_pages(everything: Everything, rows: Path, docs: Path, root: Path, tell: Tell) -> list[str]:
    """Every page from the rows that are there, then the figures in prose below `root`; the names of steps that failed."""
    failed = []
    places = {"rows": rows, "docs": docs}
    for step in everything.step:
        if step.writes and not step.measured(rows):
            for page in step.writes:
                _not_measured(docs / page, step, rows)
            continue
        log = rows / "logs" / f"{step.name}-page.log"
        status, _, _ = _command(step.page, places, log, 600.0)
        if status:
            failed.append(step.name)
            tell(f"{step.name}: its page FAILED, see {log}")
    atomic.write_bytes(docs / "results" / "run.md", summary(everything, rows).encode())
    for path in everything.prose:
        for target in sorted(root.glob(path)):
            fill(target, docs)
    return failed


def summary(everything: Everything, rows: Path) -> str:
    """The page about the run itself: what each step took."""
    spent = (
        [json.loads(line) for line in (rows / _SPENT).read_text(encoding="utf-8").splitlines()]
        if (rows / _SPENT).exists()
        else []
    )
    lines = []
    for step in everything.step:
        own = [record for record in spent if record["step"] == step.name]
        ended = own[-1]["status"] == 0 if own else not step.run and step.measured(rows)
        state = "done" if ended else "begun" if step.measured(rows) else "not measured"
        lines.append(
            (
                step.name,
                state,
                f"{sum(record['cpu'] for record in own) / 60:.1f}",
                f"`{step.run or step.page}`",
            )
        )
    table = Table(
        "Steps, most important first", ("step", "state", "processor minutes", "command"), tuple(lines)
    )
    title = "# The run that all pages come from"
    return f"{title}\n\n{stamp(rows)} Written by `proxyset-lab all`; do not edit.\n\n{markdown(table)}\n"


def _not_measured(page: Path, step: Step, rows: Path) -> None:
    """A page that says that its step did not get its turn; pictures that it showed are taken away."""
    if page.exists():
        for picture in re.findall(r"\]\(([^)\s]+\.svg)\)", page.read_text(encoding="utf-8")):
            (page.parent / picture).unlink(missing_ok=True)
    text = f"# {step.name}\n\nNot measured. {stamp(rows)}\n\nThe run ended before this had its turn: `{step.run or step.page}`.\n"
    atomic.write_bytes(page, text.encode())


def _command(
    line: str, places: Mapping[str, Path], log: Path, seconds: float, stop: Event | None = None
) -> tuple[int, float, float]:
    """Run a command line; its status (that of SIGTERM when time was up), wall-clock and processor seconds.

    Raises:
        InvalidInput: it is no command of proxyset or the lab.
    """
    program, *words = shlex.split(line)
    if program not in _PROGRAMS:
        raise InvalidInput(f"a step runs {', '.join(_PROGRAMS)}, not {program!r}")
    words = [word.format(**places) for word in words]
    began = time.monotonic()
    with log.open("ab") as words_of_step:
        child = subprocess.Popen(
            [sys.executable, "-c", _PROGRAMS[program], *words],
            stdout=words_of_step,
            stderr=words_of_step,
            stdin=subprocess.DEVNULL,
        )
        ways = [(began + seconds, child.terminate), (began + seconds + _PATIENCE, child.kill)]
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            told = stop is not None and stop.is_set() and len(ways) == 2
            if ways and (told or time.monotonic() > ways[0][0]):
                ways.pop(0)[1]()
            time.sleep(0.2)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, time.monotonic() - began, used.ru_utime + used.ru_stime
