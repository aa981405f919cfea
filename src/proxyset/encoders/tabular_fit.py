"""The statistics of a pool's columns, in one streaming pass and bounded memory.

Numbers: centre is the median and scale half the distance of the 15.87 % and 84.13 % quantiles (the standard
deviation, if the values were Gaussian), over a sample of SAMPLE rows whose choice depends on row numbers
alone. Texts are numbers where nearly all of them are (MOST_UNREAD): at once if their file has no types (CSV), else where they
could be no categories. Columns that carry no feature are dropped: see `fit`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset.encoders.columns import GOLDEN, NEVER, column_kind, is_written, numbers, splitmix64, texts
from proxyset.encoders.tabular import (
    LONGEST_CATEGORY,
    LONGEST_NAME,
    MOST_CATEGORIES,
    Categories,
    Number,
    TabularEncoder,
    TabularParams,
)
from proxyset.errors import InvalidData

SAMPLE = 20_000
MOST_DISTINCT = 10_000  # texts of more distinct values are free text
MOST_UNREAD = 0.05  # share of texts that are no numbers, up to which the others make a column of numbers
_FEW = 20  # with fewer rows, all values may differ by chance


class FitOptions(BaseModel):
    """Choices of whoever owns the pool.

    Attributes:
        categories: most values of a text column that get their own feature; the rest is "other".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    categories: int = Field(default=32, ge=1, le=MOST_CATEGORIES)


def fit(batches: Iterable[pa.Table], options: FitOptions | None = None) -> TabularEncoder:
    """Statistics of a pool.

    Never features: the columns of NEVER; columns named `uuid` or `…_id`; row numbers (each value one more
    than the one before); texts of which more than half differ, or more than MOST_DISTINCT; columns with one
    value only; columns of lists, structs or bytes. `TabularEncoder.dropped` says which went and why, `doubts` in which columns
    of numbers some texts were taken as missing.

    Args:
        batches: the pool's tables, in order, all with the same columns.
        options: choices of the pool's owner.

    Raises:
        InvalidData: no rows, no column left, tables with different columns or types.
    """
    categories = (options or FitOptions()).categories
    profiles: dict[str, _Profile] = {}
    rows = 0
    for table in batches:
        if len(table) == 0:
            continue
        names = table.column_names
        if len(set(names)) < len(names):
            raise InvalidData(f"the pool's table has a column name twice: {names}")
        if rows == 0:
            profiles = {name: _Profile(name) for name in names}
        if different := sorted(set(names) ^ set(profiles)):
            raise InvalidData(
                f"parts of the pool have different columns: {different[0]!r} is not in all of them"
            )
        priorities = _shuffled(rows, len(table))
        for name, profile in profiles.items():
            profile.add(table.field(name), table.column(name), priorities)
        rows += len(table)
    if rows == 0:
        raise InvalidData("the pool is empty: the tabular encoder needs rows to take its statistics from")
    columns, dropped, doubts = [], {}, {}
    for name, profile in profiles.items():
        column = profile.feature(rows, categories)
        if isinstance(column, str):
            dropped[name] = column
            continue
        columns.append(column)
        if isinstance(column, Number) and profile.unread:
            doubts[name] = (
                f"is taken as numbers: {profile.unread:,} of {profile.texts:,} cells, such as {profile.odd[:50]!r}, "
                "count as missing"
            )
    if not columns:
        why = "; ".join(f"{name!r} {reason}" for name, reason in dropped.items())
        raise InvalidData(f"no column of the pool can be a feature: {why}")
    try:
        params = TabularParams(columns=columns)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InvalidData(f"the pool's {len(columns)} columns of features are too much: {message}") from None
    return TabularEncoder(params, dropped, doubts)


class _Profile:
    """What one column of the pool has shown so far.

    Attributes:
        present: numbers in it.
        texts, unread, odd: cells that are texts, those that are no number and no word for a missing one, and one of these.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = "empty"
        self.written = False
        self.present = self.texts = self.unread = 0
        self.odd = ""
        self.counts: Counter[str] = Counter()
        self.sample = _Sample()
        self.low, self.high = np.inf, -np.inf
        self.last: float | None = None
        self.counting = True  # every number so far is one more than the number before

    def add(self, field: pa.Field, column: pa.ChunkedArray, priorities: NDArray[np.uint64]) -> None:
        if self.name in NEVER or (kind := column_kind(column.type)) == "empty":
            return
        if self.kind not in ("empty", kind):
            raise InvalidData(
                f"column {self.name!r} is {self.kind} in one part of the pool and {kind} in another: "
                "give it one type"
            )
        self.kind, self.written = kind, is_written(field)
        if kind == "number":
            self._add_numbers(numbers(column, self.name)[0], priorities)
        elif kind == "category":
            self._add_texts(column, priorities)

    def _add_texts(self, column: pa.ChunkedArray, priorities: NDArray[np.uint64]) -> None:
        """As texts until there are too many different ones, and as numbers until too many are none."""
        if len(self.counts) <= MOST_DISTINCT:
            for entry in pc.value_counts(texts(column, self.name)[0].drop_null()):
                self.counts[entry["values"].as_py()] += entry["counts"].as_py()
        self.texts += len(column) - column.null_count
        if self.unread <= MOST_DISTINCT:
            values, problems = numbers(column, self.name)
            if problems and not self.odd:
                self.odd = str(column[next(iter(problems))].as_py())
            self.unread += len(problems)
            self._add_numbers(values, priorities)

    def _add_numbers(self, values: NDArray[np.float64], priorities: NDArray[np.uint64]) -> None:
        found = ~np.isnan(values)
        self.present += int(found.sum())
        usable = np.isfinite(values)
        values, priorities = values[usable], priorities[usable]
        if not len(values):
            return
        self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
        before = values[:1] - 1 if self.last is None else [self.last]
        with np.errstate(over="ignore"):
            self.counting = self.counting and bool((np.diff(values, prepend=before) == 1).all())
        self.last = float(values[-1])
        self.sample.add(priorities, values)

    def feature(self, rows: int, categories: int) -> Number | Categories | str:
        """The column's statistics, or why it is dropped."""
        if self.name in NEVER or self.name == "uuid" or self.name.endswith("_id"):
            return "names items"
        if len(self.name) > LONGEST_NAME:
            return f"has a name of more than {LONGEST_NAME} characters"
        if self.kind == "other":
            return "is neither a number nor a text"
        if self.present == 0 and not self.counts:
            return "has no values"
        numeric = self.present > 0 and self.unread <= MOST_UNREAD * (self.present + self.unread)
        if self.kind == "number" or (self.written and numeric):
            return self._number(rows)
        found = self._categories(rows, categories)
        if isinstance(found, str) and len(self.counts) > 1 and numeric:
            return self._number(rows)
        return found

    def _number(self, rows: int) -> Number | str:
        missing = self.present < rows
        if self.low > self.high:
            return "has no finite value"
        if self.low == self.high and not missing:
            return f"is always {self.low:g}"
        if self.counting and rows >= _FEW:
            return "numbers the rows"
        values = self.sample.values()
        low, centre, high = np.quantile(values, [0.1587, 0.5, 0.8413], method="inverted_cdf")
        with np.errstate(over="ignore", invalid="ignore"):
            # Most values equal: the quantiles say nothing, the spread of the others does.
            scale = (high - low) / 2 or float(values.std()) or (self.high - self.low) / 2 or 1.0
        if not np.isfinite(scale):
            return f"reaches from {self.low:g} to {self.high:g}, more than a double can hold"
        return Number(name=self.name, centre=_short(centre), scale=_short(scale), missing=missing)

    def _categories(self, rows: int, categories: int) -> Categories | str:
        distinct, present = len(self.counts), self.counts.total()
        missing = present < rows
        if distinct > MOST_DISTINCT or (present >= _FEW and distinct > present / 2):
            return f"is free text or names items ({distinct} values or more)"
        if distinct == 1 and not missing:
            return f"is always {next(iter(self.counts))[:50]!r}"
        ranked = sorted(self.counts.items(), key=lambda entry: (-entry[1], entry[0]))
        values = [value for value, _ in ranked if len(value) <= LONGEST_CATEGORY][:categories]
        if not values:
            return f"has only texts longer than {LONGEST_CATEGORY} characters"
        return Categories(name=self.name, values=values, missing=missing)


class _Sample:
    """The SAMPLE values of lowest priority: a sample without replacement, whatever the batches."""

    def __init__(self) -> None:
        self._priorities: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._values: NDArray[np.float64] = np.empty(0)
        self._waiting: list[tuple[NDArray[np.uint64], NDArray[np.float64]]] = []

    def add(self, priorities: NDArray[np.uint64], values: NDArray[np.float64]) -> None:
        self._waiting.append((priorities, values))
        if sum(len(values) for _, values in self._waiting) >= SAMPLE:
            self._keep_lowest()

    def values(self) -> NDArray[np.float64]:
        self._keep_lowest()
        return self._values

    def _keep_lowest(self) -> None:
        priorities = np.concatenate([self._priorities, *(waiting[0] for waiting in self._waiting)])
        values = np.concatenate([self._values, *(waiting[1] for waiting in self._waiting)])
        kept = np.argsort(priorities)[:SAMPLE]
        self._priorities, self._values, self._waiting = priorities[kept], values[kept], []


def _shuffled(start: int, count: int) -> NDArray[np.uint64]:
    """A fixed pseudo-random number for each of `count` rows from row `start` (splitmix64): all distinct."""
    return splitmix64(np.arange(start, start + count, dtype=np.uint64) * GOLDEN)


def _short(value: float) -> float:
    """Nine digits: what is left of a sum's order of addition does not reach the fingerprint."""
    return float(f"{value:.9g}")
