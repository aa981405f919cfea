import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from proxyset.encoders.cells import canonical
from proxyset.encoders.tabular import CLIP, Categories, Number, TabularEncoder, TabularParams
from proxyset.errors import InvalidData

PARAMS = TabularParams(
    columns=[
        Number(name="age", centre=40.0, scale=10.0, missing=True),
        Categories(name="city", values=["Rome", "Oslo"], missing=False),
        Number(name="height", centre=170.0, scale=8.0, missing=False),
        Categories(name="job", values=["cook"], missing=True),
    ]
)


def slow_row(row, params=PARAMS):
    """One row, one value at a time; a dictionary stands for the row."""
    out = []
    for column in params.columns:
        value = row[column.name]
        absent = value is None or value != value
        if column.kind == "number":
            out.append(0.0 if absent else max(-CLIP, min(CLIP, (value - column.centre) / column.scale)))
        else:
            value = canonical(value)
            absent = value is None
            out += [float(value == known) for known in column.values]
            out.append(float(not absent and value not in column.values))
        if column.missing:
            out.append(float(absent))
    return out


rows = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.none() | st.floats(),
            "city": st.none() | st.sampled_from(["Rome", "Oslo", "Bonn"]),
            "height": st.none() | st.integers(-(2**50), 2**50),
            "job": st.none()
            | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
            | st.just("cook"),
        }
    ),
    max_size=20,
)
SCHEMA = pa.schema(
    [("age", pa.float64()), ("city", pa.string()), ("height", pa.int64()), ("job", pa.string())]
)


@settings(max_examples=200, deadline=None)
@given(rows)
def test_equals_a_slow_reference(rows):
    encoded = TabularEncoder(PARAMS).encode(pa.Table.from_pylist(rows, SCHEMA))
    assert not encoded.problems and encoded.embeddings.shape == (len(rows), PARAMS.dim)
    for row, features in zip(rows, encoded.embeddings, strict=True):
        np.testing.assert_allclose(features, slow_row(row), rtol=1e-6)


def table(**columns):
    full = {"age": [50], "city": ["Rome"], "height": [178], "job": ["cook"]} | columns
    return pa.table(full)


def test_order_and_further_columns_do_not_matter():
    ours = table()
    shuffled = ours.select(["job", "height", "city", "age"]).append_column("name", [["Ada"]])
    a, b = (TabularEncoder(PARAMS).encode(t).embeddings for t in (ours, shuffled))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, [[1, 0, 1, 0, 0, 1, 1, 0, 0]])


def test_chunks_and_slices_do_not_matter():
    big = pa.concat_tables([table(), table(city=["Bonn"]), table(age=pa.nulls(1, pa.int64()))])
    whole = TabularEncoder(PARAMS).encode(big).embeddings
    np.testing.assert_array_equal(whole[1:], TabularEncoder(PARAMS).encode(big.slice(1)).embeddings)
    np.testing.assert_array_equal(whole, TabularEncoder(PARAMS).encode(big.combine_chunks()).embeddings)


def test_a_column_that_is_absent_or_double_is_a_problem_of_every_row():
    encoder = TabularEncoder(PARAMS)
    assert encoder.encode(table().drop_columns(["height"])).problems == {
        0: "there are 0 columns named 'height', not one"
    }
    assert encoder.encode(table().append_column("age", [[1]])).problems == {
        0: "there are 2 columns named 'age', not one"
    }


def test_only_tables():
    with pytest.raises(InvalidData, match="takes a table"):
        TabularEncoder(PARAMS).encode([{"age": 3}])


def test_a_word_where_a_number_belongs_is_a_problem_of_its_row():
    encoded = TabularEncoder(PARAMS).encode(pa.concat_tables([table(height=["tall"]), table(height=["186"])]))
    assert encoded.problems == {0: "column 'height' holds a text that is no number"}
    assert not encoded.embeddings[0].any() and encoded.embeddings[1, 5] == 2


def test_it_is_a_missing_value_where_the_pool_has_such():
    encoded = TabularEncoder(PARAMS).encode(pa.concat_tables([table(age=["old"]), table(age=["60"])]))
    assert not encoded.problems
    assert encoded.embeddings[:, :2].tolist() == [[0, 1], [2, 0]]
    lists = TabularEncoder(PARAMS).encode(
        table(age=[[1]])
    )  # what no file of texts can hold is one of its row
    assert "neither a number nor a text" in lists.problems[0]


@settings(max_examples=100, deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(min_value=5e-324, allow_nan=False, allow_infinity=False),
    st.floats(),
)
def test_no_statistics_and_no_value_give_anything_but_bounded_features(centre, scale, value):
    params = TabularParams(columns=[Number(name="x", centre=centre, scale=scale, missing=False)])
    encoded = TabularEncoder(params).encode(pa.table({"x": [value]}))
    assert not encoded.problems and abs(encoded.embeddings[0, 0]) <= CLIP


def test_statistics_survive_json():
    spec = TabularEncoder(PARAMS).spec
    again = TabularParams.model_validate_json(json.dumps(spec.params))
    assert TabularEncoder(again).spec.fingerprint == spec.fingerprint


NUMBER = {"kind": "number", "name": "x", "centre": 0.0, "scale": 1.0, "missing": False}
CATEGORY = {"kind": "category", "name": "c", "values": ["a"], "missing": False}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"columns": []},
        {"columns": [NUMBER, NUMBER]},
        {"columns": [NUMBER | {"scale": 0.0}]},
        {"columns": [NUMBER | {"scale": -1.0}]},
        {"columns": [NUMBER | {"scale": float("inf")}]},
        {"columns": [NUMBER | {"centre": float("nan")}]},
        {"columns": [NUMBER | {"kind": "code"}]},
        {"columns": [NUMBER | {"extra": 1}]},
        {"columns": [NUMBER | {"name": "n" * 1001}]},
        {"columns": [CATEGORY | {"values": []}]},
        {"columns": [CATEGORY | {"values": ["a", "a"]}]},
        {"columns": [CATEGORY | {"values": [3]}]},
        {"columns": [CATEGORY | {"values": ["v" * 257]}]},
        {"columns": [CATEGORY | {"values": [str(i) for i in range(1001)]}]},
        {"columns": [NUMBER | {"name": str(i)} for i in range(4097)]},
        {
            "columns": [
                CATEGORY | {"name": str(i), "values": [str(v) for v in range(1000)]} for i in range(66)
            ]
        },
        {"columns": [NUMBER], "clip": 1e9},
        {"columns": [NUMBER], "version": 1},
    ],
)
def test_hostile_statistics_are_refused(wrong):
    with pytest.raises(ValidationError):
        TabularParams.model_validate(wrong)
