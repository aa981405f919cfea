"""A process that runs contenders on request, one JSON line each."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from proxyset_lab.speed.rivals import CASES

_PACKAGES = ("numpy", "faiss-cpu", "scikit-learn", "torch", "submodlib-py", "apricot-select", "superkmeans")


def main() -> None:
    """Answer {"case", "contender", "round"} with its core-seconds, and {"about"} with versions and kernels."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not stand between the answers
    warnings.simplefilter("ignore")
    known: dict[str, Any] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(_about() if "about" in asked else _run(known, **asked)) + "\n")
        answers.flush()


def _run(known: dict[str, Any], case: str, contender: str, round: int) -> dict[str, float]:
    if known.get("name") != case:
        known.clear()
        known.update(name=case, case=CASES[case]())
        known["data"] = known["case"].data()
    found, data = known["case"], known["data"]
    start = time.process_time()
    result = found.contenders[contender](data, round)
    seconds = (time.process_time() - start) * found.scale.get(contender, 1)
    # judging takes time as well: once for each, but for every seed where the result is random
    judged = known.setdefault("judged", set())
    quality = float("nan")
    if case.startswith("kmeans") or contender not in judged:
        judged.add(contender)
        quality = found.quality(data, result)
    return {"seconds": seconds, "quality": quality}


def _about() -> dict[str, Any]:
    import faiss  # noqa: F401 - its BLAS shows once it is loaded
    from threadpoolctl import threadpool_info

    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    kernels = {}
    for library in threadpool_info():
        owner = (
            "faiss" if "faiss" in library["filepath"] else "NumPy" if "numpy" in library["filepath"] else ""
        )
        if library["internal_api"] == "openblas" and owner:
            kernels[owner] = f"OpenBLAS {library['version']}, kernel {library['architecture']}"
    return {"versions": found, "kernels": kernels}
