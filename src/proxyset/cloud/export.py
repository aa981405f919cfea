"""A proxy set in the form that the next tool reads."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import tarfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from proxyset import atomic
from proxyset.cloud.item_files import joined
from proxyset.cloud.label_tasks import label_tasks
from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.scratch import scratch
from proxyset.cloud.store import Place, place, upload
from proxyset.errors import InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.sources.arrow import spelled
from proxyset.sources.columns import ID, OURS
from proxyset.sources.delimited import inert
from proxyset.sources.files import LISTING, check_apart
from proxyset.sources.parquet import KIND
from proxyset.sources.source import KEPT_COLUMNS

_TAR_ITEMS = 10_000
_UNLABELED = "unlabeled"
_UNFIT = '/\\:<>|?*"%~'  # what some file system does not take in a name, and what stands for it here
_RESERVED = re.compile(r"unlabeled|(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LONGEST_NAME = 120  # bytes


def export(proxy: ProxySet, form: str, out: str | os.PathLike[str] | Place) -> None:
    """Write a proxy set in another form.

    Args:
        proxy: the proxy set.
        form: "imagefolder" (one folder a label; "unlabeled" where the pool has none; `proxyset.jsonl` says which file is which
            item), "webdataset" (a folder of tar shards; `.json` has the label, `.cls` too if it is a number), "parquet" (one
            file, items included, rows in their own types), "csv" (one file; rows, texts, or the ids and file names),
            "label-studio" (tasks as one JSON file, images inline). Columns of selection.parquet other than the id, the label,
            the source, the uri and the licence are called `proxyset_…`, and no reader takes them for the pool's.
        out: new file or folder, or its URL on object storage. What a killed export to a store left is written over by the next;
            of a folder the listing, or else the last shard, is put last.

    Raises:
        InvalidInput: an unknown form, or one that these items cannot take; `out` lies in the pool's folder.
        FileExistsError: `out` is already there.
    """
    if form not in FORMS:
        raise InvalidInput(f"unknown form {form!r}: choose one of {', '.join(sorted(FORMS))}")
    check_apart(out, proxy.card.pool)
    where = place(out)
    if isinstance(where, Path):
        atomic.check_new(where)
        FORMS[form](proxy, where)
        return
    with scratch() as folder:
        FORMS[form](proxy, folder / where.name)
        upload(folder / where.name, where, LISTING)
    shutil.rmtree(folder)


def _imagefolder(proxy: ProxySet, out: Path) -> None:
    _need_images(proxy, "imagefolder")
    rows = proxy.selection().to_pylist()
    folders = folder_names(row["label"] for row in rows)
    with atomic.new_folder(out) as folder, (folder / LISTING).open("w", encoding="utf-8") as listing:
        for row, item in zip(rows, proxy.items(), strict=True):
            name = f"{folders[row['label']]}/{row['file']}"
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(item)
            listing.write(json.dumps({"file": name} | _facts(row), ensure_ascii=False) + "\n")


def _webdataset(proxy: ProxySet, out: Path) -> None:
    if proxy.card.kind not in ("image", "text"):
        raise InvalidInput(
            f"webdataset takes images or texts; these are {proxy.card.kind} items: use parquet"
        )
    rows = proxy.selection().to_pylist()
    items = proxy.items()
    with atomic.new_folder(out) as folder:
        for start in range(0, len(rows), _TAR_ITEMS):
            with tarfile.open(
                folder / f"{start // _TAR_ITEMS:05d}.tar", "w", format=tarfile.PAX_FORMAT
            ) as tar:
                for row in rows[start : start + _TAR_ITEMS]:
                    item = next(items)
                    key = f"{row['rank']:09d}"
                    if proxy.card.kind == "image":
                        _add(tar, key + PurePosixPath(row["file"]).suffix, item)
                    else:
                        _add(tar, key + ".txt", item.encode())
                    facts = _facts(row)
                    if _is_class(facts.get("label")):
                        _add(tar, key + ".cls", facts["label"].encode())
                    facts[OURS + ID] = facts.pop(ID)
                    _add(tar, key + ".json", json.dumps(facts, ensure_ascii=False).encode())


def _parquet(proxy: ProxySet, out: Path) -> None:
    selection = proxy.selection()
    beside = selection.rename_columns([_beside(name) for name in selection.column_names])
    table = joined(beside, list(proxy.items()), proxy.card.kind)
    about = (table.schema.metadata or {}) | {KIND: proxy.card.kind.encode()}
    with atomic.replacing(out) as path:
        pq.write_table(table.replace_schema_metadata(about), path)


def _csv(proxy: ProxySet, out: Path) -> None:
    rows = [_facts(row) for row in proxy.selection().to_pylist()]
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in names}
    if proxy.card.kind == "text":
        columns["text"] = list(proxy.items())
    elif proxy.card.kind == "table":
        table = pa.concat_tables(list(proxy.items()))
        if unfit := [name for name in table.column_names if name != name.strip() or not name]:
            raise InvalidInput(
                f"the column {unfit[0]!r} begins or ends with white space, or has no name, which CSV does not keep: use parquet"
            )
        items = {name: spelled(table.column(name).combine_chunks()) for name in table.column_names}
        columns = items | columns
    for name, values in columns.items():
        columns[name] = [None if value is None else inert(str(value)) for value in values]
        if nul := [row for row, cell in enumerate(columns[name]) if cell is not None and "\0" in cell]:
            raise InvalidInput(
                f"{len(nul)} cells of {name!r} have U+0000, such as that of {rows[nul[0]][ID]!r}; CSV cannot hold it: "
                "use parquet"
            )
    with atomic.replacing(out) as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(map(inert, columns))
        writer.writerows(zip(*columns.values(), strict=True))


def _label_studio(proxy: ProxySet, out: Path) -> None:
    atomic.write_bytes(out, json.dumps(list(label_tasks(proxy)), ensure_ascii=False).encode())


FORMS: dict[str, Callable[[ProxySet, Path], None]] = {
    "imagefolder": _imagefolder,
    "webdataset": _webdataset,
    "parquet": _parquet,
    "csv": _csv,
    "label-studio": _label_studio,
}


def _need_images(proxy: ProxySet, form: str) -> None:
    if proxy.card.kind != "image":
        raise InvalidInput(f"{form} takes images; these are {proxy.card.kind} items: use parquet or csv")


def folder_names(labels: Iterable[str | None]) -> dict[str | None, str]:
    """Each label as the name of one folder: never a path, and never that of another label, on any file system.

    What cannot stand in a file name is written as in a URL ("a/b" as "a%2Fb"). A name that is too long, reserved, or differs from
    another by case or accents alone gets a part of the label's SHA-256 after a "~".
    """
    known = dict.fromkeys(labels)
    names = {label: _UNLABELED if label is None else _escaped(label) for label in known}
    alike = Counter(_alike(name) for name in names.values())
    found: dict[str | None, str] = {}
    for label, name in names.items():
        long = len(name.encode()) > _LONGEST_NAME
        if label is not None and (long or alike[_alike(name)] > 1 or _RESERVED.fullmatch(name)):
            cut = name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")
            name = f"{cut}~{fingerprint(label.encode())[:8]}"
        found[label] = name
    return found


def _escaped(label: str) -> str:
    name = "".join(
        "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
        if character in _UNFIT or not character.isprintable()
        else character
        for character in label
    )
    name = re.sub(r"^[. ]|[. ]$", lambda found: f"%{ord(found[0]):02X}", name)
    return name or "%"


def _alike(name: str) -> str:
    return unicodedata.normalize("NFKD", name).casefold()


def _is_class(label: str | None) -> bool:
    """Whether a label is a class number, as `.cls` holds it for whoever decodes it."""
    return label is not None and label.isascii() and label.isdigit() and str(int(label)) == label


def _beside(name: str) -> str:
    """A column of selection.parquet as it is called beside the pool's own columns."""
    return name if name in (ID, *KEPT_COLUMNS) else OURS + name


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    return {_beside(name): value for name, value in row.items() if value is not None}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
