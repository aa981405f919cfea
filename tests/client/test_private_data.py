"""Reading is a total function of one record: no record changes another's, none stops the reading."""

from __future__ import annotations

import csv
import datetime
import io
import json
import tarfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from proxyset.client.private_data import open_private
from proxyset.encoders import load_encoder
from proxyset.encoders.encoder import Encoder
from proxyset.encoders.ready import EmbeddingsEncoder
from proxyset.encoders.tabular import Categories, Number, TabularEncoder, TabularParams
from proxyset.errors import InvalidData
from proxyset.sources import open_source

ENCODER = TabularEncoder(
    TabularParams(
        columns=[
            Categories(name="ward", values=["01", "2", "E11", "true"], missing=True),
            Number(name="age", centre=40.0, scale=10.0, missing=True),
            Number(name="since", centre=1.6e15, scale=1e14, missing=False),
        ]
    )
)
HEADER = ["ward", "age", "since", "who"]
ROWS = [
    ["01", "39", "2020-01-02", "ann"],
    ["2", "", "2021-01-02", "bob"],
    ["E11", "41.5", "", "ann"],
    ["03", "20", "1999-12-31", "carl"],
]
EVIL = [
    "E11", "", " ", "old", "1e999", "-inf", "nan", "True", "9" * 500, "2020-13-01", "25:99", "x" * 400_000, "é", "\ufeff", '"',
    "a\nb", ",",
]  # fmt: skip


def features(path: Path, encoder: Encoder = ENCODER, **options: Any) -> dict[str, bytes]:
    """Id → features of the records that vote; ids must be there and different."""
    private = open_private(path, encoder, **options)
    found = {
        name: row.tobytes()
        for batch in private.records()
        for name, row in zip(batch.ids, batch.X, strict=True)
    }
    assert len(found) == private.tally.votes == private.tally.total - private.tally.no_vote.total()
    return found


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(["id", *HEADER])
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@settings(max_examples=60, deadline=None)
@given(
    evil=st.lists(
        st.sampled_from(EVIL) | st.text(st.characters(exclude_categories=["Cs"])), min_size=4, max_size=4
    ),
    at=st.integers(0, 4),
)
def test_no_row_of_a_csv_changes_another(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, evil: list[str], at: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    rows = [[f"r{number}", *row] for number, row in enumerate(ROWS)]
    alone = features(write(folder / f"d.{suffix}", rows))
    beside = features(write(folder / f"e.{suffix}", [*rows[:at], ["evil", *evil], *rows[at:]]))
    beside.pop("evil", None)
    assert beside == alone and len(alone) == 4


RAW = [
    b'"',
    b'e,"never closed,1,2,3',
    b'"e"x,1,2,3,4',
    b"e,1",
    b"e,1,2,3,4,5,6",
    b"\xff\xfe,1,2,3,4",
    b"e,\x00,2,3,4",
    b'"e\x00",1,2,3,4',
    b'e,"a"b"c,1,2,3',
    b",,,,",
    b"\xef\xbb\xbf",
    b"e," + b"1" * (1 << 25) + b",2,3,4",
    b'"' + b"1" * (1 << 21),
]


@pytest.mark.parametrize("evil", RAW, ids=range(len(RAW)))
@pytest.mark.parametrize("at", [0, 2, 4])
def test_no_damaged_line_of_a_csv_costs_another_its_vote(tmp_path: Path, evil: bytes, at: int) -> None:
    lines = (
        write(tmp_path / "d.csv", [[f"r{number}", *row] for number, row in enumerate(ROWS)])
        .read_bytes()
        .splitlines()
    )
    alone = features(tmp_path / "d.csv")
    (tmp_path / "d.csv").write_bytes(b"\n".join([*lines[: at + 1], evil, *lines[at + 1 :]]))
    beside = features(tmp_path / "d.csv")
    assert {name: row for name, row in beside.items() if name in alone} == alone


def test_equal_cells_are_equal_whatever_the_file(tmp_path: Path) -> None:
    """CSV text, and Parquet of every type that can say the same."""
    day, moment = datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2)
    same: dict[str, list[pa.Array]] = {
        "ward": [pa.array([2, None], kind) for kind in (pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64())]
        + [pa.array([Decimal("2.0"), None]), pa.array(["2", ""]), pa.array([" 2", None], pa.large_string())]
        + [pa.array(["2.0", None]).dictionary_encode(), pa.array(["2", None], pa.string_view())],
        "age": [pa.array([40, None], kind) for kind in (pa.int8(), pa.float32(), pa.decimal128(9, 2), pa.string())
                if kind != pa.string()] + [pa.array(["40.0", "NA"]), pa.array([40.0, float("nan")]).dictionary_encode()],
        "since": [
            pa.array([moment, None], pa.timestamp(unit, zone))
            for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Asia/Tokyo")
        ]
        + [pa.array([day, None], kind) for kind in (pa.date32(), pa.date64())] + [pa.array(["2020-01-02 00:00:00+00:00", ""])],
    }  # fmt: skip
    (tmp_path / "x.csv").write_text("ward,age,since\n2,40,2020-01-02\n,,\n")
    expected = features(tmp_path / "x.csv")
    columns = {name: arrays[0] for name, arrays in same.items()}
    for name, arrays in same.items():
        for array in arrays:
            pq.write_table(pa.table(columns | {name: array}), tmp_path / "x.parquet")
            assert features(tmp_path / "x.parquet") == expected, (name, array.type)


HOSTILE: list[pa.Array] = [
    pa.array([[1], None]),
    pa.array([{"a": 1}, None]),
    pa.array([b"\xff", None]),
    pa.array([b"\xff", b"\xc3"], pa.binary()).view(pa.string()),
    pa.array([b"\xff", b"\xc3"], pa.binary()).view(pa.string()).dictionary_encode(),
    pa.array([2**62, -(2**62)], pa.timestamp("us")),
    pa.array([2**62 + 1, 7], pa.timestamp("ns", "Asia/Tokyo")),
    pa.array([2**31 - 1, None], pa.date32()),
    pa.array([2**62, 0], pa.duration("s")),
    pa.array([datetime.time(1), None]),
    pa.array([True, None]),
    pa.array([float("inf"), float("nan")]),
    pa.array([Decimal("9" * 70), None], pa.decimal256(76, 0)),
    pa.array([2**64 - 1, 0], pa.uint64()),
    pa.nulls(2),
]


@pytest.mark.parametrize("evil", HOSTILE, ids=[str(array.type) for array in HOSTILE])
@pytest.mark.parametrize("name", ["ward", "age", "since", "who", "id"])
def test_no_type_of_a_parquet_column_stops_the_reading(tmp_path: Path, evil: pa.Array, name: str) -> None:
    good = {
        "id": ["a", "b"],
        "ward": ["01", "2"],
        "age": [1, 2],
        "since": ["", "2020-01-02"],
        "who": ["x", "y"],
    }
    pq.write_table(pa.table(good | {name: evil}), tmp_path / "x.parquet")
    private = open_private(tmp_path / "x.parquet", ENCODER, person="who")
    list(private.records())
    assert private.tally.total == 2
    if name != "id":  # each row alone gives the same as both
        both = features(tmp_path / "x.parquet")
        for row in (0, 1):
            pq.write_table(pa.table(good | {name: evil}).slice(row, 1), tmp_path / "y.parquet")
            assert features(tmp_path / "y.parquet") == {k: v for k, v in both.items() if k == "ab"[row]}


def test_the_wards_of_the_issue(tmp_path: Path) -> None:
    """One E11 among 01, 02, 03 made all others "other"."""
    (tmp_path / "pool.csv").write_text(
        "ward,age\n" + "".join(f"{w},{a}\n" for a in range(9) for w in ("01", "02", "E11"))
    )
    encoder = load_encoder("tabular", source=open_source(tmp_path / "pool.csv"))
    rows = [f"r{number},0{number % 3},{number}\n" for number in range(300)]
    (tmp_path / "d.csv").write_text("id,ward,age\n" + "".join(rows))
    alone = features(tmp_path / "d.csv", encoder)
    (tmp_path / "d.csv").write_text("id,ward,age\n" + "".join(rows) + "e,E11,3\n")
    beside = features(tmp_path / "d.csv", encoder)
    assert beside.pop("e") and beside == alone
    assert np.frombuffer(alone["r1"], np.float32)[encoder.params.columns[0].values.index("01")] == 1  # type: ignore[attr-defined]


def test_one_file_whose_form_does_not_fit_is_refused_whatever_its_records(tmp_path: Path) -> None:
    """Its header is no record's; in a folder nothing is refused, since there a file may be one record."""
    for rows in ("", "a,01,2\n\xff", "a,01\n"):
        (tmp_path / "x.csv").write_text("id,ward\n" + rows)
        with pytest.raises(InvalidData, match="no column 'age', 'since'; its columns are: id, ward"):
            open_private(tmp_path / "x.csv", ENCODER)
    private = open_private(tmp_path, ENCODER)
    list(private.records())
    assert private.tally.no_vote["there are 0 columns named 'age', not one"] == 1
    write(tmp_path / "x.csv", [])
    with pytest.raises(InvalidData, match="no column 'nobody'"):
        open_private(tmp_path / "x.csv", ENCODER, person="nobody")
    for rows_of_five in (np.ones((0, 5)), np.ones((2, 5))):
        np.save(tmp_path / "x.npy", rows_of_five)
        with pytest.raises(InvalidData, match="5 numbers, not 3"):
            open_private(tmp_path / "x.npy", EmbeddingsEncoder(3))


@pytest.mark.parametrize("content", ["", "\n\n", "id,ward,age,since\n", '\n\n"', "\x00"])
def test_files_without_a_record(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.csv").write_text(content)
    assert features(tmp_path / "x.csv") == {}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["7", "7.0", " 7"], ["7", "7", "7"]),
        (["é", "e\u0301"], ["é", "é"]),
        (["", "nan", "NULL", "None", "a"], ["a"]),
        ([7.0, float("nan"), None], ["7"]),
        ([7, None], ["7"]),
        ([True], ["true"]),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_person_has_one_name(tmp_path: Path, form: str, cells: list[Any], expected: list[str]) -> None:
    rows = {"ward": ["01"] * len(cells), "age": ["1"] * len(cells), "since": ["0"] * len(cells), "who": cells}
    if form == "parquet":
        pq.write_table(pa.table(rows), tmp_path / "x.parquet")
    else:
        with (tmp_path / "x.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(rows)
            writer.writerows(zip(*rows.values(), strict=True))
    private = open_private(tmp_path / f"x.{form}", ENCODER, person="who")
    assert [person for batch in private.records() for person in batch.persons] == expected
    assert private.tally.total - private.tally.votes == len(cells) - len(expected)


def test_a_row_of_a_parquet_file_of_a_person_is_read_whatever_it_holds(tmp_path: Path) -> None:
    """pyarrow cannot give nanoseconds, far days and broken UTF-8 to Python."""
    rows = {"ward": ["01"], "age": [1], "since": pa.array([1], pa.timestamp("ns")), "who": ["x"]}
    pq.write_table(pa.table(rows), tmp_path / "x.parquet")
    found = open_private(tmp_path / "x.parquet", ENCODER, person="who").records()
    assert [batch.persons for batch in found] == [["x"]]


def picture(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((30, 30), shade, np.uint8) ^ np.eye(30, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def other_tar(path: Path) -> None:
    tar(path, [("s.png", picture(9)), ("s.json", b'{"who": 3}')])


def cut_tar(path: Path) -> None:
    other_tar(path)
    path.write_bytes(path.read_bytes()[:700])


def pictures_in_parquet(path: Path) -> None:
    pq.write_table(pa.table({"image": [picture(3), b"no picture", None]}), path)


BESIDE: list[tuple[str, Callable[[Path], object]]] = [
    ("a.tar", other_tar),
    ("b.tar", cut_tar),
    ("c.tar", lambda path: path.write_bytes(b"no tar")),
    ("d.parquet", pictures_in_parquet),
    ("e.parquet", lambda path: pq.write_table(pa.table({"n": [1]}), path)),
    ("f.pq", lambda path: path.write_bytes(b"PAR1")),
    ("g.jpg", lambda path: path.write_bytes(b"")),
    ("h.csv", lambda path: path.write_text("id\n1\n")),
    ("a/1.tar", other_tar),
    ("\udcff.png", lambda path: path.write_bytes(picture(1))),
]


@pytest.mark.parametrize(("name", "make"), BESIDE, ids=[ascii(name) for name, _ in BESIDE])
def test_a_file_more_in_a_folder_of_pictures_changes_no_other(
    tmp_path: Path, name: str, make: Callable[[Path], object]
) -> None:
    pytest.importorskip("skimage")
    encoder = load_encoder("hog")
    for person, shade in (("a", 10), ("a", 20), ("b", 30)):
        (tmp_path / person).mkdir(exist_ok=True)
        (tmp_path / person / f"{shade}.png").write_bytes(picture(shade))
    alone = features(tmp_path, encoder, person="folder")
    assert len(alone) == 3
    make(tmp_path / name)
    beside = features(tmp_path, encoder)
    assert {key: row for key, row in beside.items() if key in alone} == alone


def test_an_empty_folder_has_no_records(tmp_path: Path) -> None:
    assert features(tmp_path) == {}
    with pytest.raises(InvalidData, match="does not exist"):
        open_private(tmp_path / "nowhere", ENCODER)
    (tmp_path / "x.doc").write_bytes(b"")
    with pytest.raises(InvalidData, match="no items of kind table"):
        open_private(tmp_path / "x.doc", ENCODER)


EVIL_MEMBERS: list[list[tuple[str, bytes]]] = [
    [("/etc/passwd", b"")],
    [("../x.png", picture(1))],
    [("a.png", picture(2))],
    [("a.png", b"no picture"), ("a.json", b"{")],
    [("e.png", picture(1)), ("e.json", b"\xff"), ("e.cls", b"\xff")],
    [("e.json", b"[]")],
]


@pytest.mark.parametrize("evil", EVIL_MEMBERS, ids=range(len(EVIL_MEMBERS)))
def test_no_sample_of_a_tar_changes_another(tmp_path: Path, evil: list[tuple[str, bytes]]) -> None:
    pytest.importorskip("skimage")
    encoder = load_encoder("hog")
    a = [("a.png", picture(10)), ("a.json", b'{"who": 7.0}'), ("a.cls", b"owl")]
    b = [("b.png", picture(20)), ("b.json", b'{"who": "7"}')]

    def read(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        tar(tmp_path / "x.tar", members)
        private = open_private(tmp_path / "x.tar", encoder, person="who")
        return [
            (who, row.tobytes())
            for batch in private.records()
            for who, row in zip(batch.persons, batch.X, strict=True)
        ]

    alone = read([*a, *b])
    assert [who for who, _ in alone] == ["7", "7"]
    for members in ([*evil, *a, *b], [*a, *evil, *b], [*a, *b, *evil]):
        assert read(members) == alone


class Lengths:
    """An encoder of texts: their length."""

    kind = "text"
    spec = EmbeddingsEncoder(1).spec

    def encode(self, items: Any) -> Any:
        return EmbeddingsEncoder(1).encode(np.array([[len(item)] for item in items], np.float32))


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"7", b'{"text": 7}', b'{"id": 1}', b"\xff", b'{"text": "\\ud800"}', b"[" * 100_000, b"\x00",
        b'{"text": "x", "who": {}}', b'{"text": "x", "who": ' + b"9" * 5000 + b"}", b'{"text": "' + b"x" * (1 << 25),
    ],
    ids=range(13),
)  # fmt: skip
def test_no_line_of_json_changes_another(tmp_path: Path, line: bytes) -> None:
    good = [json.dumps({"id": str(n), "text": "t" * n, "who": n}).encode() for n in range(3)]

    def read(lines: list[bytes]) -> dict[str, bytes]:
        (tmp_path / "x.jsonl").write_bytes(b"\n".join(lines))
        return features(tmp_path / "x.jsonl", Lengths(), person="who")  # type: ignore[arg-type]

    alone = read(good)
    assert len(alone) == 3
    for at in range(4):
        assert read([*good[:at], line, *good[at:]]) == alone


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.large_list(pa.float16()), pa.list_(pa.int64()), pa.list_(pa.float64(), 2)],
)
def test_embeddings_of_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    values = [[1, 2], None, [3, None], [4, 5]]
    if kind.id != pa.list_(pa.float64(), 2).id:
        values += [[], [1, 2, 3]]
    table = pa.table({"id": [str(row) for row in range(len(values))], "emb": pa.array(values, kind)})
    pq.write_table(table, tmp_path / "x.parquet")
    found = features(tmp_path / "x.parquet", EmbeddingsEncoder(2))
    assert {name: np.frombuffer(row, np.float32).tolist() for name, row in found.items()} == {
        "0": [1, 2],
        "3": [4, 5],
    }


def test_arrays_in_a_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    alone = features(tmp_path, EmbeddingsEncoder(3))
    np.save(tmp_path / "0.npy", np.ones((2, 4)))
    np.save(tmp_path / "1.npy", np.array(["x"]))
    (tmp_path / "2.npy").write_bytes(b"")
    pq.write_table(pa.table({"embedding": [[1.0]], "n": [2]}), tmp_path / "3.parquet")
    private = open_private(tmp_path, EmbeddingsEncoder(3))
    list(private.records())
    assert (private.tally.total, private.tally.votes) == (7, 2)
    assert features(tmp_path, EmbeddingsEncoder(3)) == alone


def test_clip_retrieval_with_metadata_that_are_too_short(tmp_path: Path) -> None:
    for folder in ("img_emb", "metadata"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "img_emb" / "img_emb_0.npy", np.eye(3, dtype=np.float32))
    pq.write_table(pa.table({"who": ["x", "y"]}), tmp_path / "metadata" / "metadata_0.parquet")
    private = open_private(tmp_path, EmbeddingsEncoder(3), person="who")
    assert [list(batch.persons) for batch in private.records()] == [["x", "y"]]
