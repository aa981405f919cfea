"""How much memory something takes, measured where nothing else runs.

A worker of the suite has threads that other tests' servers left, and what they allocate is traced with the rest.
"""

import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def peak_bytes(work, *arguments):
    """The most bytes that Python objects took while `work(*arguments)` ran in a process of its own.

    `work` is a function of a module: it is sent by name. What it raises is raised here. What it imports counts too,
    unless it calls `tracemalloc.clear_traces()` once it has imported.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_traced, work, arguments).result()


def _traced(work, arguments):
    tracemalloc.start()
    work(*arguments)
    return tracemalloc.get_traced_memory()[1]
