import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.encoders import load_encoder
from proxyset.errors import InvalidData
from proxyset.sources import fetch, open_source

from .reading import everything, fetched

WORDS = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",)), max_size=6)


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
        {"age": " 1.5", "job": "cook"},
        {"age": "NA", "job": "x\r\ny"},
        {"age": "-2e3", "job": None},
    ]
    assert columns == {"label": ["yes", None, "no"]}


@pytest.mark.parametrize(
    ("cells", "missing", "count"),
    [
        (["1", "2.5"], False, 2),
        (["+5", " 7 "], False, 2),
        (["1e999", "1", "2"], False, 3),
        (["NA", "1", "?", "3"], True, 4),
        (["true", "False"], False, 2),
        (["1970-01-02", "", "1970-01-05"], True, 3),
        (["1970-01-01 01:00+01:00", "00:00:01.5"], False, 2),
        ([*map(str, range(0, 600, 2)), "-"], True, 301),
        ([*map(str, range(0, 600, 2)), "<NA>"], True, 301),
        ([*map(str, range(0, 600, 2)), "unknown", "n.d."], True, 302),
    ],
)
def test_texts_of_a_file_without_types_are_numbers_if_nearly_all_are(tmp_path, cells, missing, count):
    write(tmp_path / "x.csv", ["c", "d"], [(cell, row % 2) for row, cell in enumerate(cells)])
    source = open_source(tmp_path / "x.csv")
    encoder = load_encoder("tabular", source=source)
    column = encoder.params.columns[0]
    assert (column.kind, column.name, column.missing) == ("number", "c", missing)
    (batch,) = source.read(source.shards()[0])
    encoded = encoder.encode(batch.items)
    assert not encoded.problems and len(encoded.embeddings) == count
    assert [row["c"] for row in batch.items.to_pylist()] == [
        cell or None for cell in cells
    ]  # as it is written


@pytest.mark.parametrize("cells", [["1", "two"], ["1_000", "2"], ["0x10", "2"], ["NA", "x"], ["", "x"]])
def test_texts_that_are_no_numbers_are_categories(tmp_path, cells):
    write(tmp_path / "x.csv", ["c", "d"], [(cell, row) for row, cell in enumerate(cells)])
    encoder = load_encoder("tabular", source=open_source(tmp_path / "x.csv"))
    assert encoder.params.columns[0].kind == "category"


def test_what_could_not_be_read_is_said(tmp_path):
    rows = [(f"{row * 1.5}", "same", f"free text {row}") for row in range(299)] + [("-", "same", "x")]
    write(tmp_path / "x.csv", ["n", "one", "note"], rows)
    encoder = load_encoder("tabular", source=open_source(tmp_path / "x.csv"))
    assert encoder.doubts == {"n": "is taken as numbers: 1 of 300 cells, such as '-', count as missing"}
    assert encoder.dropped == {
        "one": "is always 'same'",
        "note": "is free text or names items (300 values or more)",
    }


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_every_cell_is_carried_as_it_is_written(tmp_path_factory, data):
    cells = st.one_of(st.floats().map(str), st.integers().map(str), st.sampled_from(["", "NA", "?"]), WORDS)
    width = data.draw(st.integers(2, 4))
    header = [f"c{place}" for place in range(width)]
    rows = data.draw(st.lists(st.tuples(*[cells] * width), min_size=1, max_size=15))
    path = tmp_path_factory.mktemp("types") / "x.csv"
    write(path, header, rows)
    source = open_source(path, shard_size=data.draw(st.integers(1, 5)))
    assert everything(source)[1] == [
        {name: cell or None for name, cell in zip(header, row, strict=True)} for row in rows
    ]


def test_ids_columns_and_fetch(tmp_path):
    (tmp_path / "x.tsv").write_text("person\tn\tlicense\nann\t1\tCC0\nbob\t2\t\nann\t3\tCC0\n")
    source = open_source(tmp_path / "x.tsv", columns=["person"], shard_size=2)
    columns = {"licence": ["CC0", None, "CC0"], "person": ["ann", "bob", "ann"]}
    assert everything(source) == (["0", "1", "2"], [{"n": "1"}, {"n": "2"}, {"n": "3"}], columns)
    assert {name: row.to_pylist() for name, row in fetched(source, {"0", "2"}).items()} == {
        "0": [{"n": "1"}],
        "2": [{"n": "3"}],
    }
    with pytest.raises(InvalidData, match="1 of 2 chosen items of shard 0"):
        list(fetch(source, {0: ["0", "2"]}))


def test_a_text_column_is_only_a_feature_if_a_table_is_wanted(tmp_path):
    (tmp_path / "x.csv").write_text("text,n\nhello,1\n")
    assert open_source(tmp_path / "x.csv").kind == "text"
    assert everything(open_source(tmp_path / "x.csv", kind="table"))[1] == [{"text": "hello", "n": "1"}]


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
