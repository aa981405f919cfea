"""Any function as an encoder: items in, (n, d) numbers out, and a name that both sides agree on.

A function cannot travel, and nothing here knows what it computes. So the name alone would be a promise that nobody checks.
Instead the probe carries one public item and the features that the cloud's function gives it; before anything is read or
spent, the owner's function has to give that item the same ones, twice.

On private data the function is called with one record at a time, and may do with it what it likes: raise, or return what are no
numbers. That record has no vote, and no other is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxyset.encoders import selftest
from proxyset.encoders.columns import NEVER, column_kind, numbers, texts
from proxyset.encoders.encoder import Encoded, EncoderSpec, checked
from proxyset.encoders.images import decode
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.fingerprint import canonical_json

NAME = "function"
_TOGETHER = 256  # public items in one call
_TRIED = 8  # of them are encoded alone too, to see that it makes no difference
_SHOWN = 64  # features of the public item that travel
_LONGEST_TEXT = 2000

Function = Callable[[Any], Any]
Kind = Literal["image", "text", "table", "embedding"]
Cell = float | str | None


class Readable(Protocol):
    """What is needed of a source (`sources.Source`)."""

    @property
    def kind(self) -> str: ...

    def shards(self) -> Sequence[Any]: ...

    def read(self, shard: Any) -> Iterator[Any]: ...


class FunctionParams(BaseModel):
    """What both sides agree on.

    Attributes:
        function: its name.
        takes: the kind of its items.
        columns: of a table: which it gets, and whether as numbers or as texts.
        width: of embeddings: how many numbers it gets.
        item: the public item that it is tried with; a picture is the one that `selftest` draws.
        features: the first of its features.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    function: str = Field(min_length=1, max_length=200)
    takes: Kind
    columns: dict[Annotated[str, Field(max_length=1000)], Literal["number", "text"]] = Field(
        default={}, max_length=4096
    )
    width: int = Field(default=0, ge=0, le=1 << 20)
    item: str | list[float] | dict[str, float | str | None] | None = None
    features: list[float] = Field(min_length=1, max_length=_SHOWN)

    @model_validator(mode="after")
    def _consistent(self) -> FunctionParams:
        item, takes = self.item, self.takes
        fits = {
            "image": item is None,
            "text": isinstance(item, str) and len(item) <= _LONGEST_TEXT,
            "embedding": isinstance(item, list) and len(item) == self.width > 0,
            "table": isinstance(item, dict) and self.columns and item.keys() == self.columns.keys(),
        }
        if not fits[takes]:
            raise ValueError(f"its item is none that a function of {takes} items takes")
        return self


@dataclass(frozen=True)
class FunctionEncoder:
    """A function that encodes, under a name.

    Attributes:
        name: what both sides call it. Another model, other weights, another preprocessing: another name.
        function: called with a list of texts, a list of PIL pictures (RGB, upright), an (n, width) float32 array, or, for tables,
            a list of mappings from column to a float, a text or None; returns n rows of d numbers: an array, a tensor, lists.

    Sensitivity:
        None by itself; `alone` says how private records are given to it.
    Unit:
        One record.
    Guarantee:
        On private data it is called with one record at a time, in objects of their own.
    Assumes:
        What it returns depends on what it is given, and on nothing that an earlier call left behind: it keeps no running mean, no
        list of what it saw, and draws no random numbers (a torch model is in `eval()`). That it gives one item the same features
        twice is tried; that no other item leaves a trace is its author's word. It returns, and does not end the process.
    """

    name: str
    function: Function

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidInput(
                f"the encoder {self.name!r} has no function but {type(self.function).__name__}"
            )
        if not self.name or len(self.name) > 200 or not self.name.isprintable():
            raise InvalidInput(f"an encoder's name has 1 to 200 printable characters, not {self.name!r}")

    def fitted(self, source: Readable) -> NamedFunction:
        """For a public pool, several items at a time.

        Raises:
            InvalidData: the pool is empty, the function raises, returns what are no features, gives an item others the second
                time, or others when it stands alone.
        """
        batch = next((batch for shard in source.shards() for batch in source.read(shard)), None)
        if batch is None:
            raise InvalidData(f"there is nothing to try the encoder {self.name!r} with: the pool is empty")
        columns = _columns(batch.items) if isinstance(batch.items, pa.Table) else {}
        width = int(batch.items.shape[1]) if isinstance(batch.items, np.ndarray) else 0
        reader = _Reader(source.kind, columns, width)
        few = batch.items[:_TRIED]
        read, unread = reader.read(few)
        single: dict[int, NDArray[np.float64]] = {}
        for row in range(len(read)):
            try:
                if row not in unread and _finite(read[row]):
                    single[row] = _rows(self.function(reader.joined([reader.read(few)[0][row]])), 1)[0]
            except Exception as error:  # noqa: BLE001 - a stranger's code; as long as it can do some items
                unread[row] = _words(error)
        good = list(single)
        if not good:
            why = next(iter(unread.values()), "they are not finite")
            raise InvalidData(f"the encoder {self.name!r} fails on the pool's first items: {why}")
        try:
            together = _rows(self.function(reader.joined([read[row] for row in good])), len(good))
        except Exception as error:
            raise InvalidData(f"the encoder {self.name!r} fails on the pool: {_words(error)}") from error
        for row, one, other in zip(good, together, single.values(), strict=True):
            if not np.linalg.norm(one - other) <= selftest.TOLERANCE * np.linalg.norm(other) + 1e-12:
                raise InvalidData(
                    f"the encoder {self.name!r} gives item {row} other features when it stands alone: it must treat every "
                    "item by itself (no mean over the batch; a torch model in eval())"
                )
        item = _public(reader.read(few)[0][good[0]])
        try:
            features = _tried(self.name, self.function, reader, item)
        except EncoderMismatch as error:
            raise InvalidData(str(error)) from error
        params = FunctionParams(
            function=self.name,
            takes=reader.kind,
            columns=dict(columns),
            width=width,
            item=item,
            features=[float(f"{value:.6g}") for value in features[:_SHOWN]],
        )
        spec = EncoderSpec(name=NAME, dim=len(features), params=params.model_dump(mode="json"))
        return NamedFunction(self.function, spec, alone=False)

    def rebuilt(self, spec: EncoderSpec, params: FunctionParams) -> NamedFunction:
        """For the encoder that a probe asks for: one record at a time.

        Raises:
            EncoderMismatch: it has another name, or gives the public item other features than the other side's.
        """
        if params.function != self.name:
            raise EncoderMismatch(
                f"the probe was made with the function {params.function!r}, this one is called {self.name!r}: give that one, "
                "or, if they are one and the same, call it by the same name"
            )
        reader = _Reader(params.takes, params.columns, params.width)
        features = _tried(self.name, self.function, reader, params.item)
        if len(features) != spec.dim:
            raise EncoderMismatch(
                f"the function {self.name!r} gives {len(features)} features here, {spec.dim} on the other side"
            )
        shown = features[: len(params.features)].astype(np.float32)
        selftest.compare(shown, params.features, selftest.TOLERANCE, f"the function {self.name!r}")
        return NamedFunction(self.function, spec, alone=True)


class _Reader:
    """Items of a source as a function takes them. What it makes of an item depends on that item alone."""

    def __init__(self, kind: str, columns: Mapping[str, Literal["number", "text"]], width: int) -> None:
        self.kind: Kind = kind  # type: ignore[assignment]
        self.columns = columns
        self.width = width

    def read(self, items: Any) -> tuple[list[Any], dict[int, str]]:
        """One object an item, new each time, and row → why it cannot be read."""
        match self.kind:
            case "image":
                return self._pictures(items)
            case "table":
                return self._mappings(items)
            case "embedding":
                with np.errstate(over="ignore"):
                    return list(np.array(items, np.float32)), {}
            case _:
                wrong = {row: "it is no text" for row, item in enumerate(items) if not isinstance(item, str)}
                return list(items), wrong

    def joined(self, items: list[Any]) -> Any:
        """Some of them, as the function is called."""
        return np.array(items) if self.kind == "embedding" else items

    def _pictures(self, items: Any) -> tuple[list[Any], dict[int, str]]:
        found, problems = list[Any](), dict[int, str]()
        for row, data in enumerate(items):
            try:
                found.append(decode(data, "RGB"))
            except InvalidData as error:
                found.append(None)
                problems[row] = str(error)
        return found, problems

    def _mappings(self, items: pa.Table) -> tuple[list[Any], dict[int, str]]:
        cells: dict[str, list[Cell]] = {}
        problems: dict[int, str] = {}
        for name, kind in self.columns.items():
            places = items.schema.get_all_field_indices(name)
            if len(places) != 1:
                why = f"there are {len(places)} columns named {name!r}, not one"
                return [None] * len(items), dict.fromkeys(range(len(items)), why)
            if kind == "number":
                values, wrong = numbers(items.column(places[0]), name)
                cells[name] = [None if value != value else value for value in values.tolist()]
            else:
                spelled, wrong = texts(items.column(places[0]), name)
                cells[name] = spelled.to_pylist()
            problems = wrong | problems
        return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)], problems


@dataclass(frozen=True)
class NamedFunction:
    """A function that was tried, as an `Encoder`.

    Attributes:
        alone: each item has a call of its own, as private records must.
    """

    function: Function
    spec: EncoderSpec
    alone: bool

    @cached_property
    def params(self) -> FunctionParams:
        return FunctionParams.model_validate_json(canonical_json(self.spec.params))

    @property
    def kind(self) -> str:
        return self.params.takes

    def encode(self, items: Any) -> Encoded:
        """Features of a batch. Whatever the function raises for an item is that item's problem.

        Sensitivity:
            With `alone`, a row depends on its own item.
        Unit:
            One record.
        Guarantee:
            It raises nothing that an item could decide.
        Assumes:
            As `FunctionEncoder`.
        """
        params = self.params
        reader = _Reader(params.takes, params.columns, params.width)
        X = np.zeros((len(items), self.spec.dim), np.float32)
        problems: dict[int, str] = {}
        step = 1 if self.alone else _TOGETHER
        for start in range(0, len(items), step):
            self._some(reader, items[start : start + step], start, X, problems)
        return Encoded(X, problems)

    def _some(
        self, reader: _Reader, items: Any, start: int, X: NDArray[np.float32], problems: dict[int, str]
    ) -> None:
        try:
            found, unread = reader.read(items)
            good = [row for row in range(len(found)) if row not in unread]
            if good:
                features = _rows(self.function(reader.joined([found[row] for row in good])), len(good))
                encoded = checked(features, self.spec.dim)
                X[[start + row for row in good]] = encoded.embeddings
                unread |= {good[row]: why for row, why in encoded.problems.items()}
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a stranger's code: whatever it raises is about these items
            if len(items) > 1:  # public items: which of them?
                for row in range(len(items)):
                    self._some(reader, items[row : row + 1], start + row, X, problems)
                return
            unread = {0: _words(error)}
        problems.update({start + row: why for row, why in unread.items()})


def _columns(table: pa.Table) -> dict[str, Literal["number", "text"]]:
    """What a function gets of a table: all that can be read, but what an item is called and where it is from."""
    found: dict[str, Literal["number", "text"]] = {}
    for column in table.schema:
        kind = column_kind(column.type)
        if column.name not in NEVER and kind in ("number", "category"):
            found[column.name] = "number" if kind == "number" else "text"
    return found


def _public(item: Any) -> Any:
    """An item of the pool as it travels; a picture does not."""
    if isinstance(item, str):
        return item[:_LONGEST_TEXT]
    if isinstance(item, np.ndarray):
        return item.tolist()
    return item if isinstance(item, dict) else None


def _finite(item: Any) -> bool:
    return not isinstance(item, np.ndarray) or bool(np.isfinite(item).all())


def _tried(name: str, function: Function, reader: _Reader, item: Any) -> NDArray[np.float64]:
    """The features of the public item, if they come out the same twice."""

    def once() -> NDArray[np.float64]:
        given: Any
        match reader.kind:
            case "image":
                given = reader.read([selftest.picture()])[0]
            case "embedding":
                given = np.array([item], np.float32)
            case "table":
                given = [dict(item)]
            case _:
                given = [item]
        features: NDArray[np.float64] = _rows(function(given), 1)[0]
        return features

    try:
        one, other = once(), once()
    except Exception as error:
        raise EncoderMismatch(f"the function {name!r} fails on a public item: {_words(error)}") from error
    if not np.isfinite(one).all() or not np.array_equal(one, other):
        raise EncoderMismatch(
            f"the function {name!r} gives one item other features each time, or some that are not finite: no dropout, no random "
            "numbers, no running mean (a torch model in eval())"
        )
    return one


def _rows(found: Any, count: int) -> NDArray[np.float64]:
    """What a function returned, as (count, d) float64."""
    if hasattr(found, "detach"):  # torch, wherever it lies
        found = found.detach().cpu().double().numpy()
    if isinstance(found, list | tuple) and found and hasattr(found[0], "detach"):
        found = [row.detach().cpu().double().numpy() for row in found]
    array = np.asarray(found)
    if array.dtype.kind not in "fiu" or array.ndim != 2 or len(array) != count or not array.shape[1]:
        raise InvalidData(
            f"for {count} items it returned {array.dtype} of shape {array.shape}, not ({count}, d) numbers"
        )
    return array.astype(np.float64)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
