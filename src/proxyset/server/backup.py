"""A state copied whole: database, models, encoders, proxy sets and indexes. A copy is a state like any other, in a folder or in
PostgreSQL.

So a backup is a folder that `serve --state` would serve, a restore is the same copy in the other direction, and a state moves
from SQLite to PostgreSQL and back by one. Pools are not copied: an index names where its pool lies.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from proxyset import atomic
from proxyset.cloud.index import Index
from proxyset.errors import ProxysetError, StateError
from proxyset.server.encoders import FOLDER
from proxyset.server.state import State
from proxyset.server.two_party.sums import KEY
from proxyset.wire.encoder_package import EncoderPackage
from proxyset.wire.probe import Probe
from proxyset.wire.release import Release

# in the order in which they refer to each other; sessions are not copied, so that everybody logs in anew
_TABLES = (
    "indexes", "probes", "campaigns", "clients", "tokens", "releases", "operators", "models", "selections", "nonces", "acts",
    "sums", "sum_reports", "sum_jobs", "sum_totals",
)  # fmt: skip
_INDEXES, _PROXIES, _FILES = "indexes", "proxies", ("models", FOLDER)


@dataclass(frozen=True)
class Copied:
    """What a copy holds; `missing` are indexes and proxy sets whose folders were not where the state says."""

    rows: dict[str, int]
    missing: tuple[str, ...]


def copy(source: State, target: State) -> Copied:
    """Copy all of a state into one that was just begun. Servers of the source may run meanwhile: it is what it was at one moment.

    Raises:
        StateError: the target holds something, or one of them cannot be read or written.
    """
    if target.campaigns() or target.clients() or target.accounts.all():
        raise StateError(f"{target.name} is a state that is in use: copy into a new one")
    rows: dict[str, int] = {}
    with source._database.snapshot() as reading, target._database.writing() as writing:
        for table in _TABLES:
            rows[table] = 0
            for row in reading.execute(f"SELECT * FROM {table}"):
                marks = ", ".join("?" * len(row))
                writing.execute(f"INSERT INTO {table} VALUES ({marks})", row)
                rows[table] += 1
        target._database.continue_numbers(writing, ("selections", "acts"))
    missing = []
    for record in source.indexes():
        place = target.folder / _INDEXES / record.fingerprint[:16]
        if _copy_folder(record.folder, place):
            target.add_index(record.fingerprint, place, record.items, record.clusters)
        else:
            missing.append(f"index {record.fingerprint[:12]} ({record.folder})")
    for campaign in source.campaigns():
        for drawn in source.selections(campaign.id):
            place = target.folder / _PROXIES / f"{campaign.id}-{drawn.id}"
            if _copy_folder(drawn.folder, place):
                target.move_selection(drawn.id, place)
            else:
                missing.append(f"proxy set {drawn.id} of {campaign.id} ({drawn.folder})")
    for name in _FILES:
        if (source.folder / name).is_dir():
            _copy_folder(source.folder / name, target.folder / name)
    if (key := source.folder / KEY).is_file():
        shutil.copy2(key, target.folder / KEY)
    return Copied(rows, tuple(missing))


def backup(state: State, out: Path) -> Copied:
    """Copy a state into a new folder, which appears when it is whole.

    Raises:
        FileExistsError: it is there already. StateError: as `copy`.
    """
    with atomic.new_folder(out) as folder:
        target = State.open(folder)
        try:
            return copy(state, target)
        finally:
            target.close()


def faults(state: State) -> Iterator[str]:
    """All that is wrong with a state, in words; nothing when it is whole. Everything is read once."""
    yield from state._database.faults()
    for campaign in state.campaigns():
        try:
            Probe.from_bytes(state.probe(campaign.probe))
        except ProxysetError as error:
            yield f"the probe of campaign {campaign.id}: {error}"
        for record in state.releases(campaign.id):
            try:
                release = Release.from_bytes(state.release(campaign.id, record.fingerprint))
                if release.fingerprint != record.fingerprint:
                    yield f"release {record.fingerprint[:12]} of campaign {campaign.id} is another one"
            except ProxysetError as error:
                yield f"release {record.fingerprint[:12]} of campaign {campaign.id}: {error}"
        if model := state.model(campaign.id):
            yield from _model_faults(campaign.id, state.model_file(model), model.sha256)
        for drawn in state.selections(campaign.id):
            if not drawn.folder.is_dir():
                yield f"proxy set {drawn.id} of campaign {campaign.id} is not in {drawn.folder}"
    yield from _encoder_faults(state.folder / FOLDER)
    for index in state.indexes():
        try:
            if Index.open(index.folder).fingerprint != index.fingerprint:
                yield f"{index.folder} is not the index {index.fingerprint[:12]} any more"
        except ProxysetError as error:
            yield f"index {index.fingerprint[:12]}: {error}"


def _encoder_faults(folder: Path) -> Iterator[str]:
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            if EncoderPackage.from_bytes(file.read_bytes()).card.encoder.fingerprint != file.name:
                yield f"{file} is the package of another encoder"
        except (ProxysetError, OSError) as error:
            yield f"encoder {file}: {error}"


def _model_faults(campaign: str, file: Path, sha256: str) -> Iterator[str]:
    if not file.is_file():
        yield f"the model of campaign {campaign} is not in {file}"
        return
    with file.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != sha256:
            yield f"the model of campaign {campaign} in {file} was changed"


def _copy_folder(source: Path, target: Path) -> bool:
    if not source.is_dir():
        return False
    shutil.copytree(source, target, dirs_exist_ok=True)
    return True
