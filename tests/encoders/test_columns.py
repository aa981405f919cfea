import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from proxyset.encoders.columns import column_kind, numbers, texts

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
    out, problems = numbers(column(["1", " 2.5 ", "", None, "n/a", "-3e2", "old"]), "age")
    np.testing.assert_array_equal(out, [1, 2.5, np.nan, np.nan, np.nan, -300, np.nan])
    assert problems == {6: "column 'age' holds a text that is no number"}


def test_numbers_in_a_dictionary_column():
    out, _ = numbers(column([4, None, 4]).dictionary_encode(), "c")
    np.testing.assert_array_equal(out, [4, np.nan, 4])


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["a", None, "é"], None, ["a", None, "é"]),
        (
            ["a ", "", "e\u0301", "07", "7.0", "7.50", "NA"],
            pa.large_string(),
            ["a", None, "é", "07", "7", "7.50", "NA"],
        ),
        (["True", "false", "TRUE"], pa.string_view(), ["true", "false", "true"]),
        ([True, None], None, ["true", None]),
        ([7030, None], None, ["7030", None]),
        ([7.0, 0.1, float("nan"), -0.0], pa.float64(), ["7", "0.1", None, "0"]),
        ([7.0, 0.1, None], pa.float32(), ["7", "0.1", None]),
        ([decimal.Decimal("7.00"), decimal.Decimal("1.50")], pa.decimal32(5, 2), ["7", "1.5"]),
        ([DAY, None], None, ["2020-01-02", None]),
        ([datetime.datetime(2020, 1, 2)], pa.timestamp("ns"), ["2020-01-02"]),
        ([datetime.datetime(2020, 1, 2, 3)], pa.timestamp("s", "Asia/Tokyo"), ["2020-01-02T03:00:00"]),
        (["2020-01-02 12:00+09:00", "2020-01-02T00:00:00.000Z"], None, ["2020-01-02T03:00:00", "2020-01-02"]),
        ([2**62], pa.timestamp("s"), ["9223372036854000000"]),
        ([datetime.time(1, 2, 3)], None, ["01:02:03"]),
        (["1:2", "25:00", "2020-13-01"], None, ["1:2", "25:00", "2020-13-01"]),
        ([None], pa.null(), [None]),
    ],
)
def test_texts(values, dtype, expected):
    for cells in (column(values, dtype), column(values, dtype).slice(0)):
        out, problems = texts(cells, "c")
        assert out.to_pylist() == expected and not problems


def test_texts_in_a_dictionary_column():
    several = pa.chunked_array(
        [pa.array(["a", None, "a"]).dictionary_encode(), pa.array(["b"]).dictionary_encode()]
    )
    assert texts(several, "c")[0].to_pylist() == ["a", None, "a", "b"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_every_unit_of_a_moment_is_the_same_number(unit, zone):
    moment = column([DAY, None]).cast(pa.timestamp("s")).cast(pa.timestamp(unit, zone))
    np.testing.assert_array_equal(numbers(moment, "c")[0], numbers(column(["2020-01-02", ""]), "c")[0])
    assert texts(moment, "c")[0].to_pylist() == ["2020-01-02", None]


@pytest.mark.parametrize("values", [[[1, 2], None], [{"a": 1}, None], [b"bytes", None]])
def test_other_values_are_problems_of_their_rows(values):
    for read in (numbers, texts):
        _, problems = read(column(values), "nested")
        assert list(problems) == [0] and "'nested' holds" in problems[0]
    assert column_kind(column(values).type) == "other"


def test_bytes_that_are_not_utf8_are_a_problem_of_their_row():
    damaged = pa.chunked_array([pa.array([b"\xff", b"7", None], pa.binary()).view(pa.string())])
    out, problems = texts(damaged, "c")
    assert out.to_pylist() == [None, "7", None] and problems == {
        0: "column 'c' holds a text that is not UTF-8"
    }
    values, problems = numbers(damaged, "c")
    np.testing.assert_array_equal(values, [np.nan, 7, np.nan])
    assert list(problems) == [0]
