import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from proxyset.encoders.columns import column_kind, numbers, texts
from proxyset.errors import InvalidData

DAY = datetime.date(2020, 1, 2)


def column(values, dtype=None):
    return pa.chunked_array([pa.array(values, dtype)])


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, None, 3], pa.int64(), [1, np.nan, 3]),
        ([1.5, float("nan"), float("inf")], pa.float32(), [1.5, np.nan, np.inf]),
        ([True, None, False], None, [1, np.nan, 0]),
        ([decimal.Decimal("1.25"), None], None, [1.25, np.nan]),
        ([2**63 - 1], pa.int64(), [2.0**63]),
        ([DAY, None], None, [18263 * 86400e6, np.nan]),
        ([datetime.datetime(1970, 1, 1, 0, 0, 1), None], pa.timestamp("ns"), [1e6, np.nan]),
        ([datetime.datetime(1970, 1, 1, 0, 0, 1)], pa.timestamp("s", "Europe/Berlin"), [1e6]),
        ([datetime.time(0, 0, 2)], pa.time32("s"), [2e6]),
        ([datetime.timedelta(seconds=3)], pa.duration("ms"), [3e6]),
        ([None, None], pa.null(), [np.nan, np.nan]),
        ([], pa.int8(), []),
    ],
)
def test_numbers(values, dtype, expected):
    out, problems = numbers(column(values, dtype), "c")
    assert out.dtype == np.float64 and not problems
    np.testing.assert_array_equal(out, expected)


def test_numbers_that_were_read_as_text():
    out, problems = numbers(column(["1", " 2.5 ", "", None, "n/a", "-3e2"]), "age")
    np.testing.assert_array_equal(out, [1, 2.5, np.nan, np.nan, np.nan, -300])
    assert problems == {4: "column 'age' holds 'n/a', not a number"}


def test_numbers_in_a_dictionary_column():
    out, _ = numbers(column([4, None, 4]).dictionary_encode(), "c")
    np.testing.assert_array_equal(out, [4, np.nan, 4])


def test_texts():
    assert texts(column(["a", None, "é"]).dictionary_encode(), "c").to_pylist() == ["a", None, "é"]
    assert texts(column([7030, None]), "zip").to_pylist() == ["7030", None]
    assert texts(column([None], pa.null()), "c").to_pylist() == [None]


@pytest.mark.parametrize("values", [[[1, 2]], [{"a": 1}], [b"bytes"]])
def test_other_columns_are_refused_by_name(values):
    for read in (numbers, texts):
        with pytest.raises(InvalidData, match="'nested'"):
            read(column(values), "nested")
    assert column_kind(column(values).type) == "other"
