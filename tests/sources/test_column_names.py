"""One rule for the names of columns in every form: exactly, else the only one that differs in case alone."""

import csv
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxyset.sources import open_source
from proxyset.sources.columns import look_up
from proxyset.sources.private import open_private_files
from proxyset.sources.private.memory import open_private_memory
from proxyset.sources.private.records import Wanted

from .reading import everything, tar_of

TEXTS = {"ID": ["a", "b"], "Text": ["x", "y"], "LABEL": ["p", "q"], "License": ["CC0", "BY"]}
ROWS = {"Id": ["a", "b"], "Age": [1, 2], "age group": [3, 4], "Label": ["p", "q"]}


def csv_file(path, columns):
    with (path / "x.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])
    return path / "x.csv"


def parquet_file(path, columns):
    pq.write_table(pa.table(columns), path / "x.parquet")
    return path / "x.parquet"


def json_lines(path, columns):
    rows = pa.table(columns).to_pylist()
    (path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path / "x.jsonl"


FILES = [csv_file, parquet_file]
MEMORY = [lambda _, columns: pa.table(columns), lambda _, columns: pd.DataFrame(columns)]
MEMORY.append(lambda _, columns: pa.table(columns).to_pylist())


@pytest.mark.parametrize("write", [*FILES, json_lines, *MEMORY])
def test_of_texts(tmp_path, write):
    ids, items, columns = everything(open_source(write(tmp_path, TEXTS)))
    assert (ids, items) == (["a", "b"], ["x", "y"])
    assert (columns["label"], columns["licence"]) == (["p", "q"], ["CC0", "BY"])


@pytest.mark.parametrize("write", [*FILES, *MEMORY])
def test_of_tables_which_keep_their_own_names(tmp_path, write):
    source = open_source(write(tmp_path, ROWS), columns=["AGE"])
    ids, items, columns = everything(source)
    assert ids == ["a", "b"] and [list(item) for item in items] == [["age group"]] * 2
    assert columns == {"label": ["p", "q"], "AGE": ["1", "2"]}


def test_of_pictures_and_embeddings(tmp_path):
    assert open_source(parquet_file(tmp_path, {"Image": [b"1"], "n": [1]})).kind == "image"
    assert open_source(pa.table({"EMB": [[1.0]]})).kind == "embedding"
    (tmp_path / "x.tar").write_bytes(tar_of({"a.txt": b"t", "a.json": b'{"Label": "p", "LICENSE": "CC0"}'}))
    assert everything(open_source(tmp_path / "x.tar"))[2]["label"] == ["p"]
    (tmp_path / "clip" / "img_emb").mkdir(parents=True)
    (tmp_path / "clip" / "metadata").mkdir()
    np.save(tmp_path / "clip" / "img_emb" / "img_emb_0.npy", np.ones((1, 2)))
    pq.write_table(
        pa.table({"ID": ["z"], "Url": ["u"]}), tmp_path / "clip" / "metadata" / "metadata_0.parquet"
    )
    ids, _, columns = everything(open_source(tmp_path / "clip"))
    assert (ids, columns) == (["z"], {"uri": ["u"]})


@pytest.mark.parametrize("write", [*FILES, *MEMORY])
def test_where_two_differ_in_case_alone_neither_is_meant(tmp_path, write):
    ids, items, columns = everything(open_source(write(tmp_path, {"n": [1, 2], "Id": [3, 4], "ID": [5, 6]})))
    assert (ids, columns) == (["0", "1"], {}) and list(items[0]) == ["n", "Id", "ID"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_of_one_pool_may_differ_in_case(tmp_path, form):
    for part, names in enumerate((("n", "Label"), ("N", "label"))):
        (tmp_path / str(part)).mkdir()
        write = csv_file if form == "csv" else parquet_file
        write(tmp_path / str(part), {names[0]: [part], names[1]: [f"l{part}"]})
    _, items, columns = everything(open_source(tmp_path))
    assert columns == {"label": ["l0", "l1"]} and [str(item["n"]) for item in items] == ["0", "1"]


@pytest.mark.parametrize("write", [*FILES, *MEMORY])
def test_private_tables_are_read_by_the_same_rule(tmp_path, write):
    wanted = Wanted("table", features=("AGE", "age GROUP", "pAtient"), columns=("Patient",))
    data = write(tmp_path, ROWS | {"PATIENT": ["m", "n"]})
    where = isinstance(data, pa.Table | pd.DataFrame | list)
    opened = (open_private_memory if where else open_private_files)(data, wanted)
    (batch,) = opened.batches()
    assert batch.ids == ["a", "b"] and batch.columns == {"Patient": ["m", "n"]}
    assert batch.items.column_names == ["AGE", "age GROUP"]  # who somebody is is no feature
    assert [str(value) for value in batch.items.column("AGE").to_pylist()] == ["1", "2"]
    assert not hasattr(opened, "unfit") or opened.unfit(("patient",)) is None


def test_private_texts_are_read_by_the_same_rule(tmp_path):
    for write in (csv_file, parquet_file, json_lines):
        (batch,) = open_private_files(write(tmp_path, TEXTS), Wanted("text", columns=("label",))).batches()
        assert batch.items == ["x", "y"] and batch.columns == {"label": ["p", "q"]}


def test_look_up():
    assert look_up("a", ["A", "a"]) == "a" and look_up("a", ["A"]) == "A"
    assert look_up("a", ["A", "Ａ"]) == "A" and look_up("ss", ["ß"]) == "ß"
    assert look_up("a", []) is look_up("aB", ["AB", "ab"]) is None


def test_keys_that_are_no_texts():
    assert everything(open_source([{5: "x", "TEXT": "a"}]))[1] == ["a"]
