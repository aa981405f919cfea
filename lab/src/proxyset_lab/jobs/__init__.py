"""What a benchmark does with the picked items, beyond a logistic regression on frozen features: the three jobs.

A job is a function of task, picked rows and what the picking cost; an experiment names it (`job = "selective"`). To add one,
add its module and a line to JOBS.
"""

from __future__ import annotations

from importlib import import_module

from proxyset.errors import InvalidInput
from proxyset_lab.outcome import Job

JOBS = {  # name → module and function; imported when a group runs: only then torch is needed
    "selective": ("selective", "supervised_job"),
    "selective-fixmatch": ("selective", "fixmatch_job"),
    "client-label": ("client_label", "bounded_votes"),
    "client-label-knn": ("client_label", "private_knn"),
    "client-label-screened": ("client_label", "screened_knn"),
    "client-label-pixels": ("client_label", "bounded_votes_on_pixels"),
    "compression": ("compression", "compression_job"),
}
FREE_LABELS = ("", "compression")  # jobs whose items may have weights; "" is the plain one


def find_job(name: str) -> Job:
    """The job of that name.

    Raises:
        InvalidInput: there is none.
    """
    if name not in JOBS:
        raise InvalidInput(f"there is no job {name!r}: choose {', '.join(JOBS)}")
    module, function = JOBS[name]
    job: Job = getattr(import_module(f"{__name__}.{module}"), function)
    return job
