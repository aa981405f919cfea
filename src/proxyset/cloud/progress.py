"""How far a long call is: a bar in a notebook, nothing elsewhere. The command line draws its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

Progress = Callable[[str, int, int], None]  # stage, done, total


def default_progress() -> Progress:
    """A bar for each stage if a notebook runs this code."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return _Bars() if getattr(shell, "kernel", None) is not None else lambda stage, done, total: None


class _Bars:
    """Bars below a notebook's cell; a stage that is done keeps its own."""

    def __init__(self) -> None:
        self._handles: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        shown = import_module("IPython.display")

        bar = shown.HTML(
            f'<label>{stage} <progress max="{total}" value="{done}"></progress> {done:,} of {total:,}</label>'
        )
        if stage in self._handles:
            self._handles[stage].update(bar)
        else:
            self._handles[stage] = shown.display(bar, display_id=True)
