"""How the neighbour fuzzer keeps data: in memory, in files of every format, in folders; with what can be wrong in each."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from proxyset.client.private_data import Data, wanted_of
from proxyset.encoders.cells import canonical
from proxyset.sources.private import PrivateFiles
from proxyset.sources.source import Batch
from tests.fuzz.domains import Domain

Rng = np.random.Generator


@dataclass(frozen=True)
class Record:
    """One record, before it is written.

    Attributes:
        item: an embedding, a text, the bytes of a picture or a row.
        raw: what stands in the file, or is done to it, in place of the record.
    """

    item: Any
    person: str | None
    label: str | None
    id: str
    raw: Any = None


@dataclass(frozen=True)
class Layout:
    """What the owner chose about their files: public, the same for D and D′."""

    domain: Domain
    step: int
    ids: bool
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    numbered: bool = False  # persons have numbers: 7, or 7.0 in all rows as soon as one has none


Written = tuple[Data | PrivateFiles, list[str]]  # and the id of each record


@dataclass(frozen=True)
class Form:
    """One way to keep data.

    Attributes:
        domains: what it can hold.
        write: records into a place; the same place each time, or memory.
        hostile: what can be wrong with a record of this form, beyond its item.
        holds: whether a hostile item of a domain can be written at all.
        person: the column that names it, "folder", or None where it has no place.
        labels: where labels may be: "label" (a column), "folder", "mapping".
    """

    domains: tuple[str, ...]
    write: Callable[[list[Record], Layout, Path], Written]
    hostile: Callable[[Domain], Mapping[str, Callable[[Rng, Record], Record]]] = lambda domain: {}
    holds: Callable[[str], bool] = lambda name: True
    person: str | None = "person"
    labels: tuple[str, ...] = ("label",)
    weight: float = 1.0
    typed: bool = False

    def layout(self, domain: Domain, rng: Rng) -> Layout:
        types = {}
        if domain.kind == "table" and self.typed:
            types = {name: some[rng.integers(len(some))] for name, some in TYPES.items()}
        return Layout(
            domain,
            int(rng.choice([1, 2, 7, 1000], p=[0.1, 0.1, 0.3, 0.5])),
            bool(rng.random() < 0.3),
            types,
            bool(rng.random() < 0.3),
        )


# --- in memory


@dataclass(frozen=True)
class Memory(PrivateFiles):
    """Records that lie in memory, read in batches like those of files: the bulk of the pairs, a hundred times faster."""

    records: tuple[Record, ...] = ()
    layout: Layout | None = None

    def batches(self) -> Iterator[Batch]:
        assert self.layout is not None
        for start in range(0, len(self.records), self.layout.step):
            some = self.records[start : start + self.layout.step]
            columns = {
                "person": [canonical(one.person) for one in some],
                "label": [canonical(one.label) for one in some],
            }
            items: Any = [one.item for one in some]
            if self.kind == "table":
                items = rows_of(items, self.layout)
            elif self.kind == "embedding":
                items = stacked(items, self.layout.domain)
            yield Batch([one.id for one in some], items, columns)


def stacked(items: list[Any], domain: Domain) -> np.ndarray:
    if not items:
        return np.empty((0, domain.encoder.spec.dim), domain.dtype)
    return np.stack(items)


def in_memory(records: list[Record], layout: Layout, folder: Path) -> Written:
    encoder = layout.domain.encoder
    wanted = wanted_of(encoder, "person", "label")
    return Memory("memory", (), wanted, tuple(records), layout), [record.id for record in records]


def array(records: list[Record], layout: Layout, folder: Path) -> Written:
    return stacked([record.item for record in records], layout.domain), [str(n) for n in range(len(records))]


def twice(rng: Rng, record: Record) -> Record:
    return replace(record, id="r0")


def mappings(records: list[Record], layout: Layout) -> list[Any]:
    """Records as Python objects; `raw` is an object in place of one."""
    kind, persons = layout.domain.kind, numbers_of(records)
    found: list[Any] = []
    for number, record in enumerate(records):
        if record.raw is not None:
            found.append(record.raw)
            continue
        item = dict(record.item) if kind == "table" else {kind: record.item}
        person = persons[number] if layout.numbered else record.person
        found.append(
            item | {"person": person, "label": record.label} | ({"id": record.id} if layout.ids else {})
        )
    return found


def listed(records: list[Record], layout: Layout, folder: Path) -> Written:
    return mappings(records, layout), []


def frame(records: list[Record], layout: Layout, folder: Path) -> Written:
    """A pandas frame whose columns take the types that pandas finds for them, from D and from D′."""
    import pandas as pd

    names = [*(TYPES if layout.domain.kind == "table" else (layout.domain.kind,)), "person", "label"]
    return pd.DataFrame(mappings(records, layout), columns=[*names, *(["id"] if layout.ids else [])]), []


class Raises(dict[str, Any]):
    """A record that cannot even be looked at."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("gone")

    get = items = keys = __getitem__  # type: ignore[assignment]


def bad_records(domain: Domain) -> Mapping[str, Callable[[Rng, Record], Record]]:
    strange: dict[str, Any] = {
        "no mapping": 7, "nothing": (), "a list of lists": [[1, 2], [3]], "an empty mapping": {}, "a mapping that raises": Raises(),
        "a function": print, "half a pair": "a\ud800", "a huge number": {"embedding": [10**400], "age": 10**5000, "text": 10**5000},
        "keys that are no texts": {1: 2, None: 3}, "a matrix": np.zeros((2, 2, 2, 2)), "of objects": np.array([None, {}], object),
        "not a time": np.datetime64("NaT"), "complex": {"embedding": [1j], "age": 1j},
    }  # fmt: skip
    return {
        name: lambda rng, record, value=value: replace(record, raw=value) for name, value in strange.items()
    } | {"id twice": twice, "no id": lambda rng, record: replace(record, id="")}


# --- tables by type: what a plain value of `domains.row` is in a column of a type

US = 86_400_000_000
TYPES: dict[str, list[pa.DataType]] = {
    "ward": [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view(), pa.int64(), pa.float64()],
    "age": [
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(),
        pa.decimal128(20, 3), pa.string(), pa.dictionary(pa.int8(), pa.int64()),
    ],
    "smoker": [pa.bool_(), pa.string(), pa.int64(), pa.dictionary(pa.int8(), pa.string())],
    "since": [
        pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"),
        pa.timestamp("us", "UTC"), pa.duration("us"), pa.int64(), pa.string(),
    ],
    "fit": [pa.bool_(), pa.uint8(), pa.float64(), pa.string()],
}  # fmt: skip


def as_type(value: Any, kind: pa.DataType) -> Any:
    """A plain value as a column of a type holds it; None where it cannot."""
    types = pa.types
    if types.is_dictionary(kind):
        return as_type(value, kind.value_type)
    if value is None:
        return None
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        text = value if isinstance(value, str) else str(value)
        return text.encode(errors="replace").decode()
    try:
        if types.is_temporal(kind):
            micros = pa.scalar(int(value), pa.int64())
            if types.is_duration(kind):
                return micros.cast(kind).as_py()
            stamp = micros.cast(pa.timestamp("us"))
            return stamp.cast(kind, safe=False).as_py()
        if types.is_boolean(kind):
            return bool(int(float(value)))
        number = float(value)
        return pa.scalar(int(number) if types.is_integer(kind) else number).cast(kind).as_py()
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        return None


def arrow(values: list[Any], kind: pa.DataType) -> pa.Array:
    cells = [as_type(value, kind) for value in values]
    if pa.types.is_dictionary(kind):
        return pa.array(cells, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_float16(kind):
        cells = [None if cell is None else np.float16(cell) for cell in cells]
    return pa.array(cells, kind)


def rows_of(items: list[Any], layout: Layout) -> pa.Table:
    names = list(TYPES)
    return pa.table({name: arrow([item[name] for item in items], layout.types[name]) for name in names})


# --- files of lines


def cell(value: Any) -> str:
    return "" if value is None else str(value).encode(errors="replace").decode()


def fields_of(record: Record, domain: Domain) -> dict[str, Any]:
    if domain.kind == "table":
        return dict(record.item)
    return {"text": record.item}


def delimited(suffix: str, delimiter: str) -> Callable[[list[Record], Layout, Path], Written]:
    def write(records: list[Record], layout: Layout, folder: Path) -> Written:
        names = [*(TYPES if layout.domain.kind == "table" else ("text",)), "person", "label"]
        names += ["id"] if layout.ids else []
        out = io.BytesIO()
        text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(names)
        persons = dict(zip((record.id for record in records), numbers_of(records), strict=True))
        for record in records:
            if record.raw is not None:
                out.write(record.raw.replace(b",", delimiter.encode()) + b"\n")
                continue
            there = fields_of(record, layout.domain) | {
                "person": persons[record.id] if layout.numbered else record.person, "label": record.label, "id": record.id,
            }  # fmt: skip
            writer.writerow([cell(there[name]) for name in names])
        path = folder.with_suffix(suffix)
        path.write_bytes(out.getvalue())
        return path, []

    return write


def numbers_of(records: list[Record]) -> list[Any]:
    """Persons as numbers, as pandas writes them: with a point, and NaN, as soon as one of them has none."""
    names = [record.person for record in records]
    found = [None if not name else int(name[1:]) if name[1:].isdigit() else 777 for name in names]
    return [math.nan if n is None else float(n) for n in found] if None in found else list(found)


def raws(**lines: bytes) -> dict[str, Callable[[Rng, Record], Record]]:
    return {
        name.replace("_", " "): lambda rng, record, line=line: replace(record, raw=line)
        for name, line in lines.items()
    }


def bad_rows(domain: Domain) -> Mapping[str, Callable[[Rng, Record], Record]]:
    return raws(
        short_row=b"01",
        long_row=b"01," * 20,
        quote_that_never_ends=b'01,"40',
        quote_inside=b'0"1,4"0',
        text_after_a_quote=b'"01"x,40',
        NUL_byte=b"01,\0,1",
        not_UTF8=b"01,\xff\xfe,1",
        carriage_return=b"01,4\r0,1",
        only_blanks=b"   ",
        empty_line=b"",
        only_commas=b",,,,",
        byte_order_mark=b"\xef\xbb\xbf01,40",
        seventeen_MB=b"x" * (17 << 20),
        cell_of_200_KB=b"x" * 200_000,
    ) | {"id twice": twice, "no id": lambda rng, record: replace(record, id="")}


def json_lines(records: list[Record], layout: Layout, folder: Path) -> Written:
    lines = []
    for record in records:
        if record.raw is not None:
            lines.append(record.raw)
            continue
        there = {"text": record.item, "person": record.person, "label": record.label}
        there |= {"id": record.id} if layout.ids else {}
        lines.append(json.dumps(there).encode())
    path = folder.with_suffix(".jsonl")
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path, []


def bad_objects(domain: Domain) -> Mapping[str, Callable[[Rng, Record], Record]]:
    return raws(
        broken=b'{"text": "a", ',
        a_list=b'["a"]',
        a_number=b"7",
        null=b"null",
        empty_object=b"{}",
        caption_for_text=b'{"caption": "left heart", "person": "q", "label": "a"}',
        no_person_key=b'{"text": "left heart"}',
        more_keys=b'{"text": "left heart", "person": "q", "label": "a", "id": "i", "caption": "c"}',
        text_is_a_number=b'{"text": 7, "person": "q", "label": "a"}',
        text_is_an_object=b'{"text": {"a": 1}, "person": "q", "label": "a"}',
        person_is_a_list=b'{"text": "left heart", "person": [1], "label": "a"}',
        label_is_NaN=b'{"text": "left heart", "person": "q", "label": NaN}',
        nested=b"[" * 100_000,
        nested_object=b'{"text": ' * 5000,
        huge_number=b'{"text": "a", "person": "q", "label": ' + b"1" * 5000 + b"}",
        NUL_byte=b'{"text": "a\0b"}',
        not_UTF8=b'{"text": "\xff"}',
        half_a_pair=b'{"text": "\\ud800", "person": "q", "label": "a"}',
        half_a_pair_as_person=b'{"text": "left", "person": "\\ud800", "label": "a"}',
        empty_line=b"",
        seventeen_MB=b"x" * (17 << 20),
    ) | {"id twice": twice, "no id": lambda rng, record: replace(record, id="")}


# --- Parquet


def parquet(records: list[Record], layout: Layout, folder: Path) -> Written:
    columns: dict[str, pa.Array] = {}
    kind, items, types = layout.domain.kind, [record.item for record in records], dict(layout.types)
    wide = next((record.raw for record in records if record.raw in ("wider", "texts")), None)
    if kind == "table":
        for name, given in types.items():
            columns[name] = arrow([item[name] for item in items], wider(given, wide) if wide else given)
    elif kind == "text":
        columns["text"] = texts_with_damage(items)
    elif kind == "image":
        columns["image"] = pa.array(items, pa.binary())
    else:
        lists = [None if record.raw == "null" else record.item.tolist() for record in records]
        dtype = stacked(items, layout.domain).dtype
        of = pa.float32() if dtype == np.float16 else pa.from_numpy_dtype(dtype)
        columns["embedding"] = pa.array(
            [
                one[:-1] if record.raw == "shorter" else one
                for record, one in zip(records, lists, strict=True)
            ],
            pa.list_(of),
        )
    persons = [record.person for record in records]
    columns["person"] = pa.array(numbers_of(records)) if layout.numbered else pa.array(persons, pa.string())
    columns["label"] = pa.array([record.label for record in records], pa.string())
    if layout.ids:
        columns["id"] = pa.array([record.id for record in records], pa.string())
    path = folder.with_suffix(".parquet")
    pq.write_table(pa.table(columns), path, row_group_size=layout.step)
    return path, []


def wider(kind: pa.DataType, how: str) -> pa.DataType:
    """The type that a writer takes when a record does not fit the first one; every value stays what it was."""
    types = pa.types
    if how == "texts" and (types.is_string(kind) or types.is_large_string(kind)):
        return pa.dictionary(pa.int32(), pa.string())
    if types.is_integer(kind) or types.is_float16(kind) or types.is_float32(kind):
        return pa.float64()
    if types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("us", kind.tz)
    if types.is_date32(kind):
        return pa.timestamp("ms")
    return kind


def texts_with_damage(items: list[Any]) -> pa.Array:
    """Strings, and bytes that are no UTF-8 in the place of one: no writer of ours makes such a file, others do."""
    data = [
        None if item is None else item if isinstance(item, bytes) else cell(item).encode() for item in items
    ]
    offsets = np.cumsum([0, *(len(one or b"") for one in data)]).astype(np.int32)
    valid = pa.array([one is not None for one in data], pa.bool_())
    mask = valid.buffers()[1] if data else None
    return pa.StringArray.from_buffers(
        len(data), pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(one or b"" for one in data)), mask
    )


def marked(raw: str) -> Callable[[Rng, Record], Record]:
    return lambda rng, record: replace(record, raw=raw)


def bad_cells(domain: Domain) -> Mapping[str, Callable[[Rng, Record], Record]]:
    ways: dict[str, Callable[[Rng, Record], Record]] = {
        "id twice": twice,
        "no id": lambda rng, record: replace(record, id=""),
    }
    match domain.kind:
        case "table":
            ways |= {"wider types": marked("wider"), "dictionaries": marked("texts")}
        case "embedding":
            ways |= {"a null vector": marked("null"), "a shorter vector": marked("shorter")}
        case "text":
            ways |= {"not UTF-8": lambda rng, record: replace(record, item=b"left \xff\xfe")}
        case "image":
            ways |= {"a null picture": lambda rng, record: replace(record, item=None)}
    return ways


# --- one file a record


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
IN_FILES = {"half a pair", "a list", "not a text"}
FORMS: dict[str, Form] = {
    "array": Form(("embedding", "orthogonal"), array, person=None, labels=("mapping",), weight=120),
    "memory": Form(
        ("embedding", "orthogonal", "wordllama", "hub", "hog", "onnx", "table"), in_memory,
        lambda domain: {"id twice": twice}, labels=("label", "mapping"), weight=60, typed=True,
    ),
    "list": Form(("embedding", "wordllama", "function", "hog", "table"), listed, bad_records, weight=4),
    "frame": Form(  # pandas itself holds no half of a pair
        ("embedding", "wordllama", "function", "hog", "table"), frame, lambda domain: {"id twice": twice},
        lambda name: name != "half a pair", weight=4,
    ),
    "csv": Form(("wordllama", "table"), delimited(".csv", ","), bad_rows, lambda name: name not in IN_FILES, weight=4),
    "tsv": Form(("wordllama", "table"), delimited(".tsv", "\t"), bad_rows, lambda name: name not in IN_FILES, weight=4),
    "jsonl": Form(("wordllama", "hub"), json_lines, bad_objects, weight=4),
    "parquet": Form(
        ("embedding", "wordllama", "hog", "onnx", "table"), parquet, bad_cells,
        lambda name: name not in IN_FILES, weight=4, typed=True,
    ),
    "npy": Form(("embedding",), npy, person=None, labels=("mapping",), weight=4),
    "clip": Form(("embedding",), clip, weight=4),
    "split": Form(
        ("embedding", "wordllama", "table"), split, bad_whole_files, lambda name: name not in IN_FILES, weight=2, typed=True,
    ),
    "split-npy": Form(
        ("embedding",), split_npy, bad_whole_files, person=None, labels=(), weight=2,
    ),
    "folder": Form(("hog", "onnx"), image_folder, bad_files, person="folder", labels=("folder", "mapping"), weight=2),
    "tar": Form(("hog", "onnx", "wordllama"), tar, bad_samples, labels=("label", "mapping"), weight=2),
}  # fmt: skip
