"""Folders for what nobody asked to keep: they lie in TMPDIR, and go with the object that they hold."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxyset.atomic import room_for


@contextmanager
def scratch() -> Iterator[Path]:
    """A new, empty folder, removed when making what should lie in it fails.

    Raises:
        DiskFull: there is no room.
    """
    with room_for(f"{tempfile.gettempdir()} (TMPDIR)"):
        folder = Path(tempfile.mkdtemp(prefix="proxyset-"))
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def goes_with(owner: object, folder: Path) -> None:
    """Remove the folder when nothing refers to its owner any more, or when the program ends."""
    weakref.finalize(owner, _remove, folder, os.getpid())


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked child has a copy of the object, not of the folder
        shutil.rmtree(folder, ignore_errors=True)
