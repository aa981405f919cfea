"""Who could read the files of a folder, at every moment while something was done to them."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

Seen = dict[str, set[int]]


@contextmanager
def watched(folder: Path) -> Iterator[Seen]:
    """Collect the modes that each path below `folder` had before and after every call into C, so at every moment a crash can take.

    The umask is 0 meanwhile: what nobody took away, everybody has. A call of os.umask counts as a file that is open to all:
    it opens those of every thread.
    """
    seen: Seen = {}

    def look(_: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called is os.umask and not done:
            seen.setdefault("umask", set()).add(0o777)
        if not event.startswith("c_") or busy:
            return
        busy.append(True)
        try:
            for found in folder.rglob("*"):
                try:
                    mode = found.lstat().st_mode
                except FileNotFoundError:
                    continue
                seen.setdefault(str(found.relative_to(folder)), set()).add(stat.S_IMODE(mode))
        finally:
            busy.pop()

    busy: list[bool] = []
    done: list[bool] = []
    before = os.umask(0)
    sys.setprofile(look)
    try:
        yield seen
    finally:
        done.append(True)
        sys.setprofile(None)
        os.umask(before)


def open_to_others(seen: Seen) -> dict[str, set[str]]:
    """The paths that somebody else than the owner could read, write or enter at some moment, with those modes."""
    wide = {name: {oct(mode) for mode in modes if mode & 0o077} for name, modes in seen.items()}
    return {name: modes for name, modes in wide.items() if modes}
