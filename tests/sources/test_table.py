import csv
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.errors import InvalidData
from proxyset.sources import fetch, open_source

from .reading import everything, fetched

WORDS = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",)), max_size=6)
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")


def as_number(cell):
    """The slow reference: None if missing, the float, or ValueError."""
    cell = cell.strip()
    if cell.lower() in MISSING:
        return None
    if cell.lower() in ("true", "false"):
        return float(cell.lower() == "true")
    if "_" in cell or not cell.isascii():
        raise ValueError
    return float(cell)


def write(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def test_numbers_and_strings(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'\xef\xbb\xbfid,age,job,label\r\na, 1.5,cook,yes\r\nb,NA,"x\r\ny",\r\nc,-2e3,,no\r\n')
    source = open_source(path)
    assert source.kind == "table"
    ids, items, columns = everything(source)
    assert ids == ["a", "b", "c"]
    assert items == [
        {"age": 1.5, "job": "cook"},
        {"age": None, "job": "x\r\ny"},
        {"age": -2000.0, "job": None},
    ]
    assert columns == {"label": ["yes", None, "no"]}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2.5"], [1.0, 2.5]),
        (["+5", " 7 "], [5.0, 7.0]),
        (["1e999", "-1e999"], [math.inf, -math.inf]),
        (["9" * 400, "1"], [math.inf, 1.0]),
        (["1", "two"], ["1", "two"]),
        (["1_000", "2"], ["1_000", "2"]),
        (["0x10", "2"], ["0x10", "2"]),
        (["1,000", "2"], ["1,000", "2"]),
        (["NA", "x"], ["NA", "x"]),
        (["NA", "?"], ["NA", "?"]),
        (["", "x"], [None, "x"]),
        (["", ""], [None, None]),
        (["true", "False"], [1.0, 0.0]),
        (["1970-01-02", ""], [86_400e6, None]),
        (["1970-01-01 01:00+01:00", "00:00:01.5"], [0.0, 1.5e6]),
    ],
)
def test_what_is_a_number(tmp_path, cells, expected):
    write(tmp_path / "x.csv", ["c", "d"], [(cell, "1") for cell in cells])
    assert [row["c"] for row in everything(open_source(tmp_path / "x.csv"))[1]] == expected


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_types_are_those_of_the_whole_file_in_every_shard(tmp_path_factory, data):
    cells = st.one_of(st.floats().map(str), st.integers().map(str), st.sampled_from(["", "NA", "?"]), WORDS)
    width = data.draw(st.integers(2, 4))
    header = [f"c{place}" for place in range(width)]
    rows = data.draw(st.lists(st.tuples(*[cells] * width), min_size=1, max_size=15))
    path = tmp_path_factory.mktemp("types") / "x.csv"
    write(path, header, rows)
    source = open_source(path, shard_size=data.draw(st.integers(1, 5)))
    batches = [batch for shard in source.shards() for batch in source.read(shard)]
    for place, name in enumerate(header):
        column = [row[place] for row in rows]
        try:
            expected = [as_number(cell) for cell in column]
            kind = pa.float64() if any(value is not None for value in expected) else pa.string()
        except ValueError:
            kind = pa.string()
        if kind == pa.string():
            expected = [cell or None for cell in column]
        assert {batch.items.schema.field(name).type for batch in batches} == {kind}
        found = [value for batch in batches for value in batch.items.column(name).to_pylist()]
        assert list(map(repr, found)) == list(map(repr, expected))


def test_a_word_in_the_last_row_makes_the_first_shard_strings(tmp_path):
    write(tmp_path / "x.csv", ["a", "b"], [(row, row) for row in range(40_000)] + [("x", 1)])
    source = open_source(tmp_path / "x.csv", shard_size=30_000)
    sizes = [[len(batch.ids) for batch in source.read(shard)] for shard in source.shards()]
    assert sizes == [[16_384, 13_616], [10_001]]
    first = next(source.read(source.shards()[0])).items
    assert first.schema == pa.schema([("a", pa.string()), ("b", pa.float64())])


def test_ids_columns_and_fetch(tmp_path):
    (tmp_path / "x.tsv").write_text("person\tn\tlicense\nann\t1\tCC0\nbob\t2\t\nann\t3\tCC0\n")
    source = open_source(tmp_path / "x.tsv", columns=["person"], shard_size=2)
    columns = {"licence": ["CC0", None, "CC0"], "person": ["ann", "bob", "ann"]}
    assert everything(source) == (["0", "1", "2"], [{"n": 1.0}, {"n": 2.0}, {"n": 3.0}], columns)
    assert {name: row.to_pylist() for name, row in fetched(source, {"0", "2"}).items()} == {
        "0": [{"n": 1.0}],
        "2": [{"n": 3.0}],
    }
    with pytest.raises(InvalidData, match="1 of 2 chosen items of shard 0"):
        list(fetch(source, {0: ["0", "2"]}))


def test_a_text_column_is_only_a_feature_if_a_table_is_wanted(tmp_path):
    (tmp_path / "x.csv").write_text("text,n\nhello,1\n")
    assert open_source(tmp_path / "x.csv").kind == "text"
    assert everything(open_source(tmp_path / "x.csv", kind="table"))[1] == [{"text": "hello", "n": 1.0}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n", "is empty: it has no records"),
        (b",a\n0,1\n", "column 1 has no name"),
        (b"a,a\n0,1\n", "more than one column named 'a'"),
        (b"id,label\n0,1\n", "no columns to make features of: only id, label"),
        (b"a,b\n1,2\n3\n", "line 3: 1 cells, the header has 2"),
        (b"a,b\n1,2\n3,4,5\n", "line 3: 3 cells"),
        (b"id,a\n1,2\n1,3\n", "the id '1' appears twice"),
        (b"id,a\n1,2\n,3\n", "item 1 of this batch has an empty id"),
    ],
)
def test_bad_tables(tmp_path, data, message):
    (tmp_path / "x.csv").write_bytes(data)
    with pytest.raises(InvalidData, match=message):
        everything(open_source(tmp_path / "x.csv"))


def test_a_number_that_became_a_word_after_the_plan_is_noticed(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    source = open_source(path)
    source.shards()
    path.write_text("a,b\nx,2\n")
    with pytest.raises(InvalidData, match=r"has changed since it was planned: column 'a' holds a text"):
        everything(source)
