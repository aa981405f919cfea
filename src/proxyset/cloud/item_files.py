"""The items of a proxy set as files: a file an image, items.jsonl (texts), items.parquet (rows) or embeddings.npy."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from proxyset.cloud.index import Index
from proxyset.encoders.images import format_of
from proxyset.fingerprint import fingerprint
from proxyset.sources.arrow import together
from proxyset.sources.columns import OURS
from proxyset.sources.source import Kind

# A phone's JPEG with a second picture behind the first (MPO) is read as a JPEG by everybody.
_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "HEIF": ".heic", "JPEG2000": ".jp2", "DICOM": ".dcm"}


def write_items(folder: Path, index: Index, table: pa.Table) -> tuple[list[str | None], list[str]]:
    """Copy the chosen items out of the pool; returns the file of each (images only) and the SHA-256 of each."""
    folder.mkdir()
    ids = table.column("id").to_pylist()
    rank = {item: position for position, item in enumerate(ids)}
    files: list[str | None] = [None] * len(ids)
    hashes = [""] * len(ids)
    held: dict[int, Any] = {}
    for item, value in index.fetch(table):
        position = rank[item]
        if index.manifest.kind == "image":
            files[position] = f"{position:06d}{_suffix(item, value)}"
            (folder / str(files[position])).write_bytes(value)
            hashes[position] = item_sha256(value)
        else:
            held[position] = value
    values = [held[position] for position in sorted(held)]
    if index.manifest.kind == "text":
        lines = (
            json.dumps({"id": item, "text": text}, ensure_ascii=False)
            for item, text in zip(ids, values, strict=True)
        )
        (folder / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif index.manifest.kind == "table":
        rows = together(values)
        pq.write_table(rows, folder / "items.parquet")
        values = [rows.slice(row, 1) for row in range(len(rows))]
    elif index.manifest.kind == "embedding":
        buffer = io.BytesIO()  # np.save into a full disk says only how many values did not fit
        values = list(np.stack(values))  # in the one type that they have together
        np.save(buffer, np.stack(values))
        (folder / "embeddings.npy").write_bytes(buffer.getbuffer())
    return files, hashes if index.manifest.kind == "image" else [item_sha256(value) for value in values]


def item_sha256(item: Any) -> str:
    """SHA-256 of an item as `read_items` gives it."""
    return fingerprint(_as_bytes(item))


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return json.dumps(value.to_pylist(), sort_keys=True, default=str).encode()


def _suffix(item: str, data: bytes) -> str:
    form = format_of(data)
    return _SUFFIXES.get(form, f".{form.lower()}") if form else PurePosixPath(item).suffix.lower()


def joined(selection: pa.Table, items: Sequence[Any], kind: Kind) -> pa.Table:
    """A selection with its items as one table; a column of the selection that the items have, too, gets a prefix."""
    if kind == "table":
        table = pa.concat_tables(items)
        for name in selection.column_names:
            free = name if name not in table.column_names else OURS + name
            table = table.append_column(free, selection.column(name))
        return table
    values = pa.array(items) if kind != "embedding" else None
    if values is None:
        X = np.stack(items)
        values = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    return selection.append_column(kind, values)


def read_items(folder: Path, kind: Kind, rows: pa.Table) -> Iterator[Any]:
    """The items in order: bytes of an image, or None where its file is gone; texts, one-row tables, or (d,) arrays."""
    if kind == "image":
        for name in rows.column("file").drop_null().to_pylist():
            yield (folder / name).read_bytes() if (folder / name).is_file() else None
    elif kind == "text":
        with (folder / "items.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]
    elif kind == "table":
        table = pq.read_table(folder / "items.parquet")
        for row in range(len(table)):
            yield table.slice(row, 1)
    else:
        yield from np.load(folder / "embeddings.npy", allow_pickle=False)
