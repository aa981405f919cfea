"""Measuring a step in a process of its own: seconds, core-seconds, and the peak memory of that process alone (Linux)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Spent:
    """What a step took; `mib` is the process's peak, interpreter and libraries included."""

    seconds: float
    core_seconds: float
    mib: float


def measured(step: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
    """Call a module's function with arguments as text, in a new process; what it returns goes through JSON."""
    call = f"from {step.__module__} import {step.__name__} as step; import json, sys; "
    code = [sys.executable, "-c", call + "print(json.dumps(step(*sys.argv[1:])))", *map(str, arguments)]
    return dict(json.loads(subprocess.run(code, check=True, capture_output=True, encoding="utf-8").stdout))


def spent(work: Callable[[], object]) -> dict[str, float]:
    """Do some work in this process; the fields of `Spent`."""
    start, cpu = time.monotonic(), time.process_time()
    work()
    return asdict(Spent(time.monotonic() - start, time.process_time() - cpu, peak_mib()))


def peak_mib() -> float:
    """Peak resident memory of this process since it began (getrusage would count what its parent had before)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]
