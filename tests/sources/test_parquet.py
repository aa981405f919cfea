import datetime
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.errors import InvalidData
from proxyset.sources import fetch, open_source

from .reading import everything, fetched, same

NAN, F4 = np.nan, pa.float32()


def write(path, columns, rows_in_group=None, types=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns, schema=pa.schema(types) if types else None)
    pq.write_table(table, path, row_group_size=rows_in_group)
    return path


@pytest.mark.parametrize(
    ("name", "cells", "kind", "expected"),
    [
        ("jpg", pa.array([b"1", None]), "image", [b"1", b""]),
        ("bytes", pa.array([b"1", b"2"], pa.large_binary()), "image", [b"1", b"2"]),
        ("image", [{"bytes": b"1", "path": "x"}, None], "image", [b"1", b""]),
        ("image", [{"bytes": None, "path": "x"}, {"bytes": b"2", "path": None}], "image", [b"", b"2"]),
        ("text", ["é", None], "text", ["é", ""]),
        ("caption", pa.array(["a", "a"]).dictionary_encode(), "text", ["a", "a"]),
        ("text", pa.array(["a", "b"], pa.large_string()), "text", ["a", "b"]),
        ("emb", pa.array([[1.0, 2], [3, 4]]), "embedding", [[1, 2], [3, 4]]),
        ("embedding", pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2)), "embedding", [[1, 2], [3, 4]]),
        ("embedding", pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), "embedding", [[1, 2], [NAN, NAN]]),
        ("emb", pa.array([None, [1, None]], pa.large_list(F4)), "embedding", [[NAN, NAN], [1, NAN]]),
        ("embedding", pa.array([[1], [2]], pa.list_(pa.float16())), "embedding", [[1], [2]]),
        ("image", ["not bytes", "but names"], "table", [{"image": "not bytes"}, {"image": "but names"}]),
        ("text", [1, 2], "table", [{"text": 1.0}, {"text": 2.0}]),
    ],
)  # fmt: skip
def test_the_kind_is_that_of_the_columns(tmp_path, name, cells, kind, expected):
    source = open_source(write(tmp_path / "x.parquet", {"label": ["p", "q"], name: cells}))
    assert source.kind == kind
    ids, items, columns = everything(source)
    assert (ids, columns) == (["0", "1"], {"label": ["p", "q"]})
    np.testing.assert_equal(list(map(list, items)) if kind == "embedding" else items, expected)


def test_images_come_before_texts_and_texts_before_embeddings(tmp_path):
    path = write(tmp_path / "x.parquet", {"embedding": [[1.0]], "caption": ["t"], "jpg": [b"i"], "n": [1]})
    assert everything(open_source(path))[1] == [b"i"]
    assert everything(open_source(path, kind="text"))[1] == ["t"]
    assert everything(open_source(path, kind="embedding"))[1][0].tolist() == [1.0]
    whole = {"embedding": [1.0], "caption": "t", "jpg": b"i", "n": 1}
    assert everything(open_source(path, kind="table"))[1] == [whole]


def test_a_kind_without_its_column(tmp_path):
    path = write(tmp_path / "x.parquet", {"n": [1], "text": [2]})
    with pytest.raises(
        InvalidData, match=r"no text column; looked for text, caption .* among: n \(int64\), text \(int64\)"
    ):
        open_source(path, kind="text")


def test_what_a_table_has(tmp_path):
    columns = {
        "id": [7, 8],
        "flag": [True, None],
        "whole": pa.array([2**64 - 1, 0], pa.uint64()),
        "price": [decimal.Decimal("1.50"), None],
        "half": pa.array([0.5, 1.5], pa.float16()),
        "day": [datetime.date(1970, 1, 2), None],
        "when": pa.array([1000, None], pa.timestamp("us", "UTC")),
        "took": pa.array([3, 4], pa.duration("s")),
        "job": pa.array(["cook", None]).dictionary_encode(),
        "size": pa.array([1, 2]).dictionary_encode(),
        "nothing": pa.nulls(2),
        "license": ["CC0", None],
        "a.b": [1, 2],
        "__index_level_0__": [0, 1],
    }
    ids, rows, kept = everything(open_source(write(tmp_path / "x.parquet", columns)))
    assert (ids, kept) == (["7", "8"], {"licence": ["CC0", None]})
    assert rows == [
        {"flag": True, "whole": 2**64 - 1, "price": decimal.Decimal("1.50"), "half": 0.5, "day": datetime.date(1970, 1, 2),
         "when": datetime.datetime(1970, 1, 1, 0, 0, 0, 1000, datetime.UTC), "took": datetime.timedelta(seconds=3),
         "job": "cook", "size": 1, "nothing": None, "a.b": 1},
        {"flag": None, "whole": 0, "price": None, "half": 1.5, "day": None, "when": None,
         "took": datetime.timedelta(seconds=4), "job": None, "size": 2, "nothing": None, "a.b": 2},
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 99), max_size=9), min_size=1, max_size=3).filter(any),
    st.integers(1, 4),
    st.integers(1, 6),
    st.booleans(),
)
def test_shards_of_any_size_over_row_groups_of_any_size(tmp_path_factory, files, group, size, has_id):
    folder = tmp_path_factory.mktemp("any")
    for number, values in enumerate(files):
        texts = pa.array([f"t{value}" for value in values], pa.string())
        ids = (
            {"id": pa.array([f"{number}-{row}" for row in range(len(values))], pa.string())} if has_id else {}
        )
        write(folder / f"{number}.parquet", {**ids, "text": texts}, group)
    source = open_source(folder, shard_size=size)
    ids, items, _ = everything(source)
    assert items == [f"t{value}" for values in files for value in values]
    expected = [f"{number}-{row}" for number, values in enumerate(files) for row in range(len(values))]
    assert ids == (expected if has_id else [str(row) for row in range(len(items))])
    sizes = [sum(len(batch.ids) for batch in source.read(shard)) for shard in source.shards()]
    assert all(0 < rows < size + group for rows in sizes)
    assert same(fetched(source, {ids[-1]})[ids[-1]], items[-1])


def test_columns_that_were_asked_for(tmp_path):
    path = write(
        tmp_path / "x.parquet", {"person": [1, None], "n": [1.5, 2.5], "url": ["u", "v"], "z": [1, 2]}
    )
    source = open_source(path, columns=["person", "n"])
    assert everything(source)[1:] == (
        [{"z": 1.0}, {"z": 2.0}],
        {"uri": ["u", "v"], "person": ["1", None], "n": ["1.5", "2.5"]},
    )
    with pytest.raises(InvalidData, match="no column 'who'; its columns are: person, n, url, z"):
        open_source(path, columns=["who"])


def test_fetch_reads_no_other_file(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.parquet", {"text": [f"{number}a", f"{number}b"]})
    source = open_source(tmp_path)
    assert len(source.shards()) == 3
    (tmp_path / "0.parquet").write_bytes(b"damaged since")
    assert dict(fetch(source, {1: ["3"], 2: ["4"]})) == {"3": "1b", "4": "2a"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": pa.array([], pa.string())}, "is empty: 1 Parquet files without a row"),
        ({"id": ["a", "a"], "text": ["x", "y"]}, "the id 'a' appears twice"),
        ({"id": ["a", None], "text": ["x", "y"]}, "item 1 of this batch has an empty id"),
        ({"id": [["a"]], "text": ["x"]}, "of type list.* cannot be carried as text"),
        ({"id": ["a"], "label": ["x"]}, "no columns of numbers, times or texts .*: only id"),
        ({"n": [{"a": 1}]}, r"only n \(struct<a: int64>\)"),
        ({"n": [b"1"]}, r"only n \(binary\)"),
        ({"embedding": [[1.0], [1.0, 2.0]]}, "from 1 to 2 numbers"),
        ({"embedding": pa.array([None], pa.list_(pa.float32()))}, "have no value"),
        ({"embedding": pa.array([[]], pa.list_(pa.float32()))}, "from 0 to 0 numbers"),
        ({"label": [b"\xff"], "text": ["x"]}, "the column 'label' of type binary cannot be carried"),
    ],
)
def test_bad_columns(tmp_path, columns, message):
    with pytest.raises(InvalidData, match=message):
        everything(open_source(write(tmp_path / "x.parquet", columns)))


def test_text_that_is_not_utf8_is_refused(tmp_path):
    offsets, data = pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")
    write(tmp_path / "x.parquet", {"text": pa.StringArray.from_buffers(1, offsets, data)})
    with pytest.raises(InvalidData, match=r"x\.parquet .*utf-8"):
        everything(open_source(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"text": ["a"]}, {"txt": ["b"]}, r"b\.parquet has 0 columns named 'text'"),
        (
            {"text": ["a"]},
            {"text": [1]},
            r"b\.parquet: the column 'text' is int64, in a\.parquet it is string",
        ),
        ({"n": [1]}, {"n": ["x"]}, "the column 'n' is string, in a.parquet it is int64"),
        ({"id": ["a"], "n": [1]}, {"n": [1]}, "0 columns named 'id'"),
    ],
)
def test_files_that_do_not_go_together(tmp_path, first, second, message):
    write(tmp_path / "a.parquet", first)
    write(tmp_path / "b.parquet", second)
    with pytest.raises(InvalidData, match=message):
        open_source(tmp_path)


def test_numbers_of_different_types_go_together(tmp_path):
    write(tmp_path / "a.parquet", {"n": [1]})
    write(tmp_path / "b.parquet", {"n": [2.5]})
    assert everything(open_source(tmp_path))[1] == [{"n": 1.0}, {"n": 2.5}]


def test_a_column_name_twice(tmp_path):
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(InvalidData, match="2 columns named 'text'"):
        open_source(tmp_path / "x.parquet")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_anywhere_is_either_refused_or_harmless(tmp_path_factory, data):
    path = write(
        tmp_path_factory.mktemp("damaged") / "x.parquet", {"id": list("abcd"), "text": list("efgh")}, 2
    )
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    try:
        ids, items, _ = everything(open_source(path))
    except InvalidData:
        return
    assert len(ids) == len(items) <= 4


def test_memory_is_that_of_a_batch(tmp_path):
    """One row group of 200 images of 1 MB: read 64 at a time, and Arrow holds little more."""
    rng = np.random.default_rng(0)
    schema = pa.schema([("image", pa.binary())])
    options = {"use_dictionary": False, "compression": "none", "write_batch_size": 4}  # pages of 4 MB
    with pq.ParquetWriter(tmp_path / "x.parquet", schema, **options) as writer:
        writer.write_table(pa.table({"image": [rng.bytes(1 << 20) for _ in range(200)]}, schema))
    source = open_source(tmp_path / "x.parquet")
    before, most, sizes = pa.total_allocated_bytes(), 0, []
    for shard in source.shards():
        for batch in source.read(shard):
            sizes.append(len(batch.ids))
            most = max(most, pa.total_allocated_bytes() - before)
    assert sum(sizes) == 200
    assert max(sizes) <= 64
    assert most < 80e6


def test_a_file_with_other_row_groups_than_planned_is_noticed(tmp_path):
    path = write(tmp_path / "x.parquet", {"text": list("abcd")}, 2)
    source = open_source(path)
    write(path, {"text": list("abcd")}, 3)
    with pytest.raises(InvalidData, match="has changed since it was planned"):
        everything(source)
