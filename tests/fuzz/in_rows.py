"""Records as rows of one file: CSV, TSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.domains import Domain
from tests.fuzz.records import TYPES, Layout, Record, Rng, Written, arrow, numbers_of, stacked, twice


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
        for record, number in zip(records, numbers_of(records), strict=True):
            if record.raw is not None:
                out.write(record.raw.replace(b",", delimiter.encode()) + b"\n")
                continue
            there = fields_of(record, layout.domain) | {
                "person": number if layout.numbered else record.person, "label": record.label, "id": record.id,
            }  # fmt: skip
            writer.writerow([cell(there[name]) for name in names])
        path = folder.with_suffix(suffix)
        path.write_bytes(out.getvalue())
        return path, []

    return write


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
