"""A proxy set in the form that the next tool reads."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from proxyset import atomic
from proxyset.cloud.label_tasks import label_tasks
from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import InvalidInput

_TAR_ITEMS = 10_000
_UNLABELED = "unlabeled"


def export(proxy: ProxySet, form: str, out: str | os.PathLike[str]) -> None:
    """Write a proxy set in another form.

    Args:
        proxy: the proxy set.
        form: "imagefolder" (one folder a label; "unlabeled" where the pool has none), "webdataset" (a folder of tar shards),
            "parquet" (one file, items included), "csv" (one file; rows, texts, or the ids and file names), "label-studio" (tasks
            as one JSON file, images inline).
        out: new file or folder.

    Raises:
        InvalidInput: an unknown form, or one that these items cannot take.
        FileExistsError: `out` is already there.
    """
    if form not in FORMS:
        raise InvalidInput(f"unknown form {form!r}: choose one of {', '.join(sorted(FORMS))}")
    if Path(out).exists() and not (Path(out).is_dir() and not any(Path(out).iterdir())):
        raise FileExistsError(f"{out} already exists; choose another name or remove it")
    FORMS[form](proxy, Path(out))


def _imagefolder(proxy: ProxySet, out: Path) -> None:
    _need_images(proxy, "imagefolder")
    with atomic.new_folder(out) as folder:
        for row, item in zip(proxy.selection().to_pylist(), proxy.items(), strict=True):
            target = folder / _folder_name(row["label"])
            target.mkdir(exist_ok=True)
            (target / row["file"]).write_bytes(item)


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
                    if row["label"] is not None:
                        _add(tar, key + ".cls", str(row["label"]).encode())
                    _add(tar, key + ".json", json.dumps(_facts(row), ensure_ascii=False).encode())


def _parquet(proxy: ProxySet, out: Path) -> None:
    with atomic.replacing(out) as path:
        pq.write_table(proxy.to_arrow(), path)


def _csv(proxy: ProxySet, out: Path) -> None:
    rows = [_facts(row) for row in proxy.selection().to_pylist()]
    if proxy.card.kind == "text":
        rows = [row | {"text": text} for row, text in zip(rows, proxy.items(), strict=True)]
    elif proxy.card.kind == "table":
        rows = [item.to_pylist()[0] | row for row, item in zip(rows, proxy.items(), strict=True)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic.replacing(out) as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


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


def _folder_name(label: str | None) -> str:
    """A label as the name of one folder: never a path."""
    name = "".join("_" if character in '/\\:\0<>|?*"' else character for character in label or _UNLABELED)
    return name if name.strip(". ") else _UNLABELED


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
