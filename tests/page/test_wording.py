"""Items in words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from proxyset.page.wording import in_words


def test_each_kind():
    assert in_words(b"\x89PNG") == ""
    assert in_words("a\nb") == "a\nb"
    row = pa.table(
        {"height": [-1.23456], "colour": ["<b>"], "notes": pa.array([None], pa.string()), "n": [3]}
    )
    assert in_words(row) == "height: −1.235 · colour: <b> · notes: – · n: 3"
    assert in_words(np.array([0.5, -1], np.float32)) == "2 numbers: 0.5, −1"
    assert in_words(np.zeros(1280, np.float16)) == "1,280 numbers: 0, 0, 0, 0, 0, 0, …"


def test_what_is_long_is_cut_and_says_so():
    assert in_words("x" * 1000, most=10) == "xxxxxxxxxx …"
    assert in_words(pa.table({"a": ["y" * 1000]}), most=10) == "a: yyyyyyy …"
    assert in_words("x" * 10, most=10) == "x" * 10


def test_two_columns_of_one_name():
    row = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert in_words(row) == "a: 1 · a: 2"
