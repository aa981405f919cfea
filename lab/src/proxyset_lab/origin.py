"""Which code made a row: rows of different code never meet, since each code has a folder of its own.

RESULTS/KEY/origin.json     the commit, its date, and whether anything beside it was changed; KEY is a hash of the code itself

The key is over every Python file of proxyset and of the lab, so a commit that changes documents alone keeps its rows, and a change
that nobody committed has a folder of its own.
"""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

import proxyset
from proxyset import atomic
from proxyset.errors import ArtifactError, InvalidInput

_FILE = "origin.json"
_PACKAGES = (Path(proxyset.__file__).parent, Path(__file__).parent)


class Origin(BaseModel):
    """The code that rows come from.

    Attributes:
        key: of the code, 12 hexadecimal digits.
        commit: of the checkout, or "unknown" outside of one.
        date: of that commit, UTC; empty where it is unknown.
        changed: whether Python files differ from that commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    commit: str
    date: str
    changed: bool

    def __str__(self) -> str:
        """For readers: the commit, its date, and a warning where the code is not that commit's."""
        text = f"commit {self.commit[:12]}"
        text += f" of {self.date}" if self.date else ""
        return text + (", WITH CHANGES THAT WERE NOT COMMITTED" if self.changed else "")


def key_now() -> str:
    """The key of the files as they are at this moment."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for file in sorted(package.rglob("*.py")):
            name = f"{package.name}/{file.relative_to(package)}"
            digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@cache
def origin() -> Origin:
    """Of the code as it was when this process first asked."""
    key = key_now()
    commit = git("rev-parse", "HEAD")
    if not commit:
        return Origin(key=key, commit="unknown", date="", changed=False)
    when = datetime.fromtimestamp(int(git("log", "-1", "--format=%ct")), UTC)
    changed = git("status", "--porcelain", "--", *(f"{package}/*.py" for package in _PACKAGES))
    return Origin(key=key, commit=commit, date=f"{when:%Y-%m-%d %H:%M} UTC", changed=bool(changed))


def rows_folder(results: Path) -> Path:
    """The folder of this code's rows in a folder of results; made, and marked, when it is not there."""
    folder = results / origin().key
    if not (folder / _FILE).exists():
        atomic.write_bytes(folder / _FILE, origin().model_dump_json().encode())
    return folder


def refuse_others(folder: Path) -> None:
    """Before anything is added to a folder: its rows must be this code's.

    Raises:
        InvalidInput: they are another's.
    """
    if (folder / _FILE).exists() and (made := read(folder)).key != origin().key:
        raise InvalidInput(
            f"{folder} holds rows of {made} (key {made.key}), and this is {origin()} (key {origin().key}): rows of different "
            "code are not mixed. Choose another folder, or go back to that commit"
        )


def rows_of(results: Path, key: str) -> Path:
    """The folder of the rows of another code, by how its key or its commit begins.

    Raises:
        InvalidInput: none or several begin so.
    """
    known = {folder.parent: read(folder.parent) for folder in sorted(results.glob(f"*/{_FILE}"))}
    found = [
        folder
        for folder, made in known.items()
        if key and (made.key.startswith(key) or made.commit.startswith(key))
    ]
    if len(found) != 1:
        there = "; ".join(f"{made.key}, {made}" for made in known.values()) or "none at all"
        raise InvalidInput(f"{len(found)} folders in {results} hold rows of {key!r}. There are: {there}")
    return found[0]


def read(folder: Path) -> Origin:
    """Whose rows a folder holds.

    Raises:
        ArtifactError: it does not say.
    """
    try:
        return Origin.model_validate_json((folder / _FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(f"{folder} does not say which code its rows come from ({error})") from None


def stamp(folder: Path) -> str:
    """What a page says of its rows, and of the code that wrote it where that is another."""
    if not (folder / _FILE).exists():
        return "It is not known which commit the rows come from."
    made = read(folder)
    text = f"Rows of {made}."
    return text if made.key == origin().key else f"{text} The page was written by {origin()}."


def git(*words: str) -> str:
    """What git says about the lab's checkout; empty where there is no git or no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(_PACKAGES[1]), *words], capture_output=True, encoding="utf-8", check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
