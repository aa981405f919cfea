"""Columns beside the items: ids, the kept ones and those that were asked for by name."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from proxyset.errors import InvalidData
from proxyset.sources.source import KEPT_COLUMNS

ID = "id"
OURS = "proxyset_"  # how columns begin that an export adds to the pool's own; no item has them
TEXT_COLUMNS = ("text", "caption")

# What other tools call the kept columns, in order of preference: img2dataset (url), clip-retrieval
# (image_path).
_ALIASES = {"uri": ("uri", "url", "image_path"), "licence": ("licence", "license")}

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")

# An id becomes a file name or a CSV cell later: no control characters, and nothing that UTF-8 cannot write.
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def carried(available: Collection[str], asked: Sequence[str], where: str) -> dict[str, str]:
    """Name in Batch.columns → name in the data, for kept columns that are there and all that were asked for.

    Raises:
        InvalidData: a column that was asked for is not in the data.
    """
    names = {name: _found(name, available) for name in dict.fromkeys((*KEPT_COLUMNS, *asked))}
    missing = [name for name in asked if names[name] is None]
    if missing:
        there = ", ".join(list(available)[:50]) or "none"
        raise InvalidData(f"{where} has no column {', '.join(map(repr, missing))}; its columns are: {there}")
    return {name: found for name, found in names.items() if found is not None}


def look_up(name: str, names: Collection[str]) -> str | None:
    """The column that is called `name`: exactly, else the only one that differs from it in case alone; None if there is none."""
    if name in names:
        return name
    alike = [each for each in names if str(each).casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def features(names: Sequence[str], beside: Mapping[str, str]) -> list[str]:
    """The columns of a table that make its items: all but the id, those that are carried `beside`, and what others wrote there."""
    apart = {look_up(ID, names), *beside.values()}
    return [
        name
        for name in names
        if name not in apart and not name.startswith(OURS) and not _PANDAS_INDEX.fullmatch(name)
    ]


def _found(name: str, available: Collection[str]) -> str | None:
    places = (look_up(alias, available) for alias in _ALIASES.get(name, (name,)))
    return next((place for place in places if place is not None), None)


def values(record: Mapping[str, Any], names: Sequence[str]) -> list[str | None]:
    """The columns `names` of a JSON record, which may have them under other names, or not at all."""
    return [None if key is None else as_text(record[key]) for key in _keys(tuple(record), tuple(names))]


@lru_cache(maxsize=64)
def _keys(there: tuple[str, ...], names: tuple[str, ...]) -> list[str | None]:
    return [_found(name, there) for name in names]


def as_text(scalar: Any) -> str | None:
    """A JSON value as a column holds it: text as it is, null as None, anything else as JSON."""
    return scalar if scalar is None or isinstance(scalar, str) else json.dumps(scalar, ensure_ascii=False)


def json_object(text: str, where: str) -> dict[str, Any] | None:
    """The JSON object in `text`; None if it holds some other JSON value.

    Raises:
        InvalidData: it is not JSON, is nested too deeply, or has text that UTF-8 cannot write.
    """
    try:
        parsed = json.loads(text)
        if "\\ud" in text.lower():  # an escaped half of a surrogate pair gives text that no file can hold
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{where}: not valid JSON ({error})") from error
    return parsed if isinstance(parsed, dict) else None


def row_numbers(first: int, count: int) -> list[str]:
    """Ids of items that have none: the number of the row in the whole source."""
    return [str(row) for row in range(first, first + count)]


def checked_ids(ids: Sequence[str | None], where: str) -> list[str]:
    """The ids, if they can be ids: present, of printable characters, none twice.

    Raises:
        InvalidData: they cannot; the message names the row within `where` or the id.
    """
    for row, name in enumerate(ids):
        if not name:
            raise InvalidData(
                f"{where}: item {row} of this batch has an empty id; give every item an id, or none"
            )
    known = [name for name in ids if name]
    if _UNFIT.search("".join(known)):
        unfit = next(name for name in known if _UNFIT.search(name))
        raise InvalidData(f"{where}: the id {unfit!a} has control characters or is not UTF-8; rename it")
    if len(set(known)) < len(known):
        seen: set[str] = set()
        twice = next(name for name in known if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidData(f"{where}: the id {twice!r} appears twice; ids must be unique in a source")
    return known
