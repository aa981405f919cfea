"""The rule that an experiment's data first met: written down by its first run, so that a page can say whether it was changed since.

BENCHMARKS/NAME.rule.json     commit and date of proxyset.cloud, hash of its selection, at the first run; kept in the repository
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

import proxyset.cloud.select
from proxyset import atomic
from proxyset.errors import ArtifactError, InvalidInput
from proxyset_lab.origin import git

_RULE = Path(proxyset.cloud.select.__file__).parent
_CLOUD = _RULE.parent


class Frozen(BaseModel):
    """The rule as the first run had it.

    Attributes:
        commit, date: when the code of proxyset.cloud was last changed before that run; empty where it is unknown.
        code: SHA-256 of proxyset.cloud.select, the part of it that chooses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str
    date: str
    code: str


def freeze(experiment: Path) -> None:
    """Write down the rule unless an earlier run has.

    Raises:
        InvalidInput: the rule has changes that are in no commit, so nobody could look them up.
    """
    path = _path(experiment)
    if path.exists():
        return
    if git("status", "--porcelain", "--", str(_CLOUD)):
        raise InvalidInput(
            f"{_CLOUD} has changes that are in no commit: commit them before the first run of {experiment}"
        )
    commit, _, date = git("log", "-1", "--format=%H %cs", "--", str(_CLOUD)).partition(" ")
    atomic.write_bytes(
        path, Frozen(commit=commit, date=date, code=_code()).model_dump_json(indent=1).encode() + b"\n"
    )


def rule_of(experiment: Path) -> str:
    """What a page says of the rule.

    Raises:
        ArtifactError: no run has written it down, or the file is damaged.
    """
    try:
        rule = Frozen.model_validate_json(_path(experiment).read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(
            f"{_path(experiment)} does not say which rule the data first met ({error}): run it"
        ) from None
    since = "has not been changed since" if rule.code == _code() else "HAS BEEN CHANGED SINCE"
    when = f"commit {rule.commit[:12] or 'unknown'} of {rule.date}"
    return f"When these data were first run, the rule was that of {when}; it {since}."


def _path(experiment: Path) -> Path:
    return experiment.with_suffix(".rule.json")


def _code() -> str:
    digest = hashlib.sha256()
    for file in sorted(_RULE.rglob("*.py")):
        digest.update(f"{file.relative_to(_RULE)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()
