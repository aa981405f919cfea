"""What a benchmark does with the picked items, beyond a logistic regression on frozen features: the three jobs, on pixels.

A job is a function of task, picked rows and what the picking cost; an experiment names it (`job = "selective"`). To add one,
add its module and a line to JOBS.
"""

from __future__ import annotations

from collections.abc import Callable

from proxyset.bench.outcome import Job
from proxyset.errors import InvalidInput


def _selective() -> Job:
    from proxyset.bench.jobs.selective import supervised_job

    return supervised_job


def _selective_fixmatch() -> Job:
    from proxyset.bench.jobs.selective import fixmatch_job

    return fixmatch_job


def _compression() -> Job:
    from proxyset.bench.jobs.compression import compression_job

    return compression_job


JOBS: dict[str, Callable[[], Job]] = {  # called when a group runs: only then torch is needed
    "selective": _selective,
    "selective-fixmatch": _selective_fixmatch,
    "compression": _compression,
}


def find_job(name: str) -> Job:
    """The job of that name.

    Raises:
        InvalidInput: there is none.
        MissingExtra: torch is not installed.
    """
    if name not in JOBS:
        raise InvalidInput(f"there is no job {name!r}: choose {', '.join(JOBS)}")
    return JOBS[name]()
