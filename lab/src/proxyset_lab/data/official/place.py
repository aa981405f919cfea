"""Where the official files lie."""

from __future__ import annotations

import os
from pathlib import Path

from proxyset.errors import FetchError

VARIABLE = "PROXYSET_DATA"


def official_folder(what: str) -> Path:
    """The folder that $PROXYSET_DATA names.

    Raises:
        FetchError: it is not set, or there is no such folder.
    """
    chosen = os.environ.get(VARIABLE)
    if not chosen or not Path(chosen).is_dir():
        raise FetchError(
            f"{what} is in no package: download it from its authors, then set {VARIABLE} to the folder that holds it "
            f"(now: {chosen or 'not set'})"
        )
    return Path(chosen).resolve()
