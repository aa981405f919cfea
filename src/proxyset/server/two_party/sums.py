"""Where the two-party sums of a server's state are. Loads the database's library when it is asked, not before."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from proxyset.server.state import State

if TYPE_CHECKING:
    from proxyset.server.two_party.store import Sums


def sums_of(state: State) -> Sums:
    """The two-party sums of a server's state.

    Raises:
        MissingExtra: SQLAlchemy is not installed. StateError: the file cannot be opened.
    """
    return _of_folder(state.folder, os.getpid())


@lru_cache(maxsize=8)
def _of_folder(folder: Path, process: int) -> Sums:
    from proxyset.server.two_party.store import Sums

    return Sums(folder)
