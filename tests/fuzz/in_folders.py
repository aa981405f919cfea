"""Records in files of their own, in folders and tars, and arrays in one file."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.domains import Domain
from tests.fuzz.in_rows import cell, delimited, json_lines, marked, parquet
from tests.fuzz.records import Layout, Record, Rng, Written, stacked, twice


def npy(records: list[Record], layout: Layout, folder: Path) -> Written:
    path = folder.with_suffix(".npy")
    np.save(path, stacked([record.item for record in records], layout.domain))
    return path, [str(number) for number in range(len(records))]


def clip(records: list[Record], layout: Layout, folder: Path) -> Written:
    """As clip-retrieval writes it: an array, and beside it a Parquet file with a row for each of its rows."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    np.save(folder / "img_emb" / "img_emb_0.npy", stacked([record.item for record in records], layout.domain))
    described = {
        "person": pa.array([record.person for record in records], pa.string()),
        "label": pa.array([record.label for record in records], pa.string()),
        "id": pa.array([record.id for record in records], pa.string()),
    }
    pq.write_table(pa.table(described), folder / "metadata" / "metadata_0.parquet")
    return folder, []


def split(records: list[Record], layout: Layout, folder: Path) -> Written:
    """A file for each record, all of one form."""
    writers = _SPLIT[layout.domain.kind]
    return _split(writers[layout.step % len(writers)], records, layout, folder)


def split_npy(records: list[Record], layout: Layout, folder: Path) -> Written:
    """The same with arrays, which have no place for persons and labels."""
    return _split(npy, records, layout, folder)


def _split(
    write: Callable[[list[Record], Layout, Path], Written],
    records: list[Record],
    layout: Layout,
    folder: Path,
) -> Written:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for record in records:
        bare = replace(record, raw=None)
        written, _ = write([bare], replace(layout, step=1), folder / (record.id or "none"))
        assert isinstance(written, Path)
        data = written.read_bytes()
        match record.raw:
            case ("cut", share):
                written.write_bytes(data[: int(share * len(data))])
            case ("bytes", content):
                written.write_bytes(content)
            case ("bitten", seed):
                found = bytearray(data)
                for place in np.random.default_rng(seed).integers(len(found), size=4):
                    found[place] ^= 0x55
                written.write_bytes(bytes(found))
    return folder, []


def bad_whole_files(domain: Domain) -> Mapping[str, Callable[[Rng, Record], Record]]:
    def some(*contents: bytes) -> Callable[[Rng, Record], Record]:
        return lambda rng, record: replace(record, raw=("bytes", contents[rng.integers(len(contents))]))

    return {
        "a file cut off": lambda rng, record: replace(record, raw=("cut", rng.random())),
        "a file bitten": lambda rng, record: replace(record, raw=("bitten", int(rng.integers(1 << 30)))),
        "an empty file": some(b"", b"\n", b"\xef\xbb\xbf"),
        "a file of another form": some(
            b"PAR1", b"\x93NUMPY", b"\xff" * 100, b"a,b\n1,2\n", b"{}\n", b"\x1f\x8b\x08"
        ),
        "a file without columns": some(b"\n1,2\n", b",,\n", b"text,text\na,b\n", b'"a\n'),
    }


def image_folder(records: list[Record], layout: Layout, folder: Path) -> Written:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = []
    for record in records:
        path = folder / _folder(record) / f"{record.id}.png"
        path.parent.mkdir(exist_ok=True)
        match record.raw:
            case "link":
                path.symlink_to("nowhere")
            case "folder":
                path.mkdir()
            case None:
                path.write_bytes(record.item)
            case bytes() as name:
                path = path.with_name(os.fsdecode(name))
                path.write_bytes(record.item)
        names.append(str(path.relative_to(folder)))
    return folder, names


def _folder(record: Record) -> str:
    """Where an owner puts it: by person and label where they fit into a name."""
    label = record.label if record.label and len(record.label) < 100 and record.label.strip() else "none"
    return f"{record.person or 'nobody'}" if record.person and record.person[:1] in "pn" else label


def bad_files(domain: Domain) -> Mapping[str, Callable[[Rng, Record], Record]]:
    def named(name: bytes) -> Callable[[Rng, Record], Record]:
        return lambda rng, record: replace(record, raw=name)

    return {
        "a link to nowhere": marked("link"),
        "a folder like a picture": marked("folder"),
        "a name that is not UTF-8": named(b"\xff\xfe.png"),
        "a name with a line end": named(b"a\nb.png"),
        "a text beside": named(b"notes.txt"),
        "a table beside": named(b"list.csv"),
        "a tar beside": named(b"more.tar"),
        "a Parquet file beside": named(b"more.parquet"),
        "a hidden file": named(b".x.png"),
    }


def tar(records: list[Record], layout: Layout, folder: Path) -> Written:
    path = folder.with_suffix(".tar")
    extension = "png" if layout.domain.kind == "image" else "txt"
    with tarfile.open(path, "w") as archive:

        def put(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> None:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = (
                len(data),
                kind,
                "nowhere" if kind != tarfile.REGTYPE else "",
            )
            archive.addfile(info, io.BytesIO(data))

        for record in records:
            data = record.item if isinstance(record.item, bytes) else cell(record.item).encode()
            about = json.dumps({"person": record.person, "label": record.label}).encode()
            match record.raw:
                case None:
                    put(f"{record.id}.{extension}", data)
                    put(f"{record.id}.json", about)
                case "twice":
                    put(f"{record.id}.{extension}", data)
                    put(f"{record.id}.json", about)
                    put(f"{record.id}.json", b"{}")
                case "two":
                    put(f"{record.id}.{extension}", data)
                    put(f"{record.id}.json", about)
                    put(f"{record.id}.{'jpg' if extension == 'png' else 'png'}", data)
                case "link":
                    put(f"{record.id}.{extension}", b"", tarfile.SYMTYPE)
                case "name":
                    put(f"../{record.id}.{extension}", data)
                case "alone":
                    put(f"{record.id}.json", about)
                case ("json", content):
                    put(f"{record.id}.{extension}", data)
                    put(f"{record.id}.json", content)
                case ("cls", content):
                    put(f"{record.id}.{extension}", data)
                    put(f"{record.id}.cls", content)
    return path, [record.id for record in records]


def bad_samples(domain: Domain) -> Mapping[str, Callable[[Rng, Record], Record]]:
    def marked_as(raw: Any) -> Callable[[Rng, Record], Record]:
        return lambda rng, record: replace(record, raw=raw)

    ways = {
        "two members of one name": marked_as("twice"),
        "two pictures": marked_as("two"),
        "a link": marked_as("link"),
        "a name that leaves": marked_as("name"),
        "no item": marked_as("alone"),
        "broken JSON": marked_as(("json", b'{"a": ')),
        "JSON that is a list": marked_as(("json", b"[1]")),
        "JSON without a person": marked_as(("json", b"{}")),
        "JSON that is not UTF-8": marked_as(("json", b"\xff")),
        "a label that is not UTF-8": marked_as(("cls", b"\xff")),
        "id twice": twice,
    }
    if domain.kind == "text":
        ways["a text that is not UTF-8"] = lambda rng, record: replace(record, item=b"\xff\xfe left")
    return ways


_SPLIT = {
    "embedding": [parquet],
    "text": [json_lines, delimited(".csv", ","), parquet],
    "table": [delimited(".csv", ","), parquet],
}
