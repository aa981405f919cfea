"""Features of table rows, from public statistics of the pool alone.

The pool decides which columns count, of which kind, in which order, and how each is scaled; the private side
only applies that, cell by cell, whatever type its own file has (`cells`). A number becomes
(value − centre) / scale, cut off at ±CLIP so that one wild value cannot decide the nearest centroid. A category
becomes one-hot over the pool's most frequent values and "other": two categories then lie √2 apart, like two
typical values of a number. A column with missing values in the pool gets one indicator more. How the statistics
are found: `tabular_fit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxyset.encoders.columns import column_kind, numbers, texts
from proxyset.encoders.encoder import Encoded, EncoderSpec, checked
from proxyset.errors import InvalidData

CLIP = 4.0
MOST_COLUMNS = 4096
MOST_CATEGORIES = 1000
LONGEST_CATEGORY = 256
LONGEST_NAME = 1000
MOST_FEATURES = 65536

Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Category = Annotated[str, Field(max_length=LONGEST_CATEGORY)]


class Number(BaseModel):
    """A column of numbers, booleans, dates or times. A missing value lies at the centre.

    A text that is no number ("-", "unknown") is a missing value where the pool has missing values in the column (`missing`), and
    a problem of its row where it has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["number"] = "number"
    name: Name
    centre: float = Field(allow_inf_nan=False)
    scale: float = Field(gt=0, allow_inf_nan=False)
    missing: bool

    @property
    def width(self) -> int:
        return 1 + self.missing

    def encode(self, column: pa.ChunkedArray, out: NDArray[np.float32]) -> dict[int, str]:
        """Fill `out` (n, width), which is zero; return row → problem."""
        values, problems = numbers(column, self.name)
        absent = np.isnan(values)
        with np.errstate(over="ignore"):
            out[:, 0] = np.where(absent, 0, np.clip((values - self.centre) / self.scale, -CLIP, CLIP))
        if self.missing:
            out[:, 1] = absent
            if column_kind(column.type) == "category":
                return {}
        return problems


class Categories(BaseModel):
    """A column of texts, in their canonical spelling (`cells.canonical`). A missing value is in no category."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["category"] = "category"
    name: Name
    values: list[Category] = Field(min_length=1, max_length=MOST_CATEGORIES)
    missing: bool

    @property
    def width(self) -> int:
        return len(self.values) + 1 + self.missing

    def encode(self, column: pa.ChunkedArray, out: NDArray[np.float32]) -> dict[int, str]:
        """Fill `out` (n, width), which is zero; return row → problem."""
        values, problems = texts(column, self.name)
        absent = values.is_null().to_numpy(zero_copy_only=False)
        codes = (
            pc.index_in(values, pa.array(self.values, pa.large_string()))
            .fill_null(len(self.values))
            .to_numpy(zero_copy_only=False)
        )
        out[np.arange(len(out)), codes] = ~absent
        if self.missing:
            out[:, -1] = absent
        return problems


class TabularParams(BaseModel):
    """The statistics, column by column in the order of the features."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[3] = 3
    clip: float = Field(default=CLIP, ge=CLIP, le=CLIP)
    columns: list[Annotated[Number | Categories, Field(discriminator="kind")]] = Field(
        min_length=1, max_length=MOST_COLUMNS
    )

    @model_validator(mode="after")
    def _consistent(self) -> TabularParams:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("a column is listed twice")
        for column in self.columns:
            if isinstance(column, Categories) and len(set(column.values)) < len(column.values):
                raise ValueError(f"a category of {column.name!r} is listed twice")
        if self.dim > MOST_FEATURES:
            raise ValueError(
                f"these would be {self.dim} features, more than {MOST_FEATURES}: drop columns or categories"
            )
        return self

    @property
    def dim(self) -> int:
        return sum(column.width for column in self.columns)


@dataclass(frozen=True)
class TabularEncoder:
    """Applies the pool's statistics to rows of a table.

    Attributes:
        params: the statistics; they travel in the probe.
        dropped: column of the pool → why it is not a feature; empty when rebuilt from a probe.
        doubts: column of the pool that is a feature → what of it could not be read; empty when rebuilt from a probe.
    """

    kind: ClassVar[str] = "table"
    params: TabularParams
    dropped: dict[str, str] = field(default_factory=dict, compare=False)
    doubts: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(name="tabular", dim=self.params.dim, params=self.params.model_dump(mode="json"))

    def encode(self, items: Sequence[Any]) -> Encoded:
        """`items`: a pyarrow.Table → (n, dim) float32, each row out of its own cells in the columns of `params`.

        Columns may have any order and any type; those with other names are ignored. What is not what its column asks (a text
        where a number belongs, a list) is a problem of its row; a column that is absent, or there twice, is one of every row.

        Raises:
            InvalidData: not a table.
        """
        if not isinstance(items, pa.Table):
            raise InvalidData(f"the tabular encoder takes a table, not {type(items).__name__}")
        X = np.zeros((len(items), self.params.dim), np.float32)
        problems: dict[int, str] = {}
        start = 0
        for column in self.params.columns:
            found = items.schema.get_all_field_indices(column.name)
            if len(found) == 1:
                wrong = column.encode(items.column(found[0]), X[:, start : start + column.width])
            else:
                problem = f"there are {len(found)} columns named {column.name!r}, not one"
                wrong = dict.fromkeys(range(len(items)), problem)
            problems = wrong | problems
            start += column.width
        X[list(problems)] = 0
        return checked(X, self.params.dim, problems)
