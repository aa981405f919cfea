"""What one cell of a table says: the one grammar of numbers, and the one spelling of texts.

Both sides read every cell by these two functions, whatever file it lies in, so that 7 and "7", true and "True", a date in days
and a date in nanoseconds meet. A cell is read by itself: what stands above and below it says nothing about it.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Any

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?"))  # what says "no number", whatever its case

_LONGEST_NUMBER = 1000  # characters; nothing that is longer was meant as one
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity)", re.IGNORECASE)
_INTEGRAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.0")  # as pandas writes whole numbers beside missing ones
_CLOCK = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
_MOMENT = re.compile(
    rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})(?:[T ]{_CLOCK} ?(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?"
)
_TIME = re.compile(_CLOCK)
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400_000_000  # microseconds


def number(text: str) -> float | None:
    """A text as a number; NaN where it says that there is none (MISSING), None where it is no number.

    Numbers are decimal, with a point and without thousands ("-1.5", "2e3", "inf"); true is 1 and false is 0; dates and times
    (ISO 8601) are microseconds since 1970 in UTC, or since midnight. White space around it does not count.
    """
    text = text.strip()
    lower = text.lower()
    if lower in MISSING:
        return float("nan")
    if lower in ("true", "false"):
        return float(lower == "true")
    if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text):
        return float(text)
    moment = _microseconds(text)
    return None if moment is None else float(moment)


def canonical(value: Any) -> str | None:
    """A cell's one spelling: of a category, a person, a label. None where there is no value.

    Texts are stripped and in Unicode's form NFC; else "01" stays "01". Whole numbers have no point (7, 7.0 and "7.0" are "7"),
    booleans are "true" and "false" (so are those words in any case), dates and times are ISO 8601 in UTC, without the time
    at midnight. An empty text and NaN are no value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _spelled(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, Decimal):
        if value.is_nan():
            return None
        return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
    return None


def person(text: str | None) -> str:
    """A person's id out of the canonical text of its cell; "" where it names nobody (MISSING)."""
    return "" if text is None or text.lower() in MISSING else text


def _spelled(text: str) -> str | None:
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        return None
    if text.lower() in ("true", "false"):
        return text.lower()
    if _INTEGRAL.fullmatch(text):
        return "0" if text == "-0.0" else text[:-2]
    moment = _microseconds(text)
    if moment is None:
        return text
    return time_text(moment) if _TIME.fullmatch(text) else moment_text(moment)


def moment_text(microseconds: int) -> str:
    """The ISO 8601 text of microseconds since 1970, UTC; the number itself where no calendar has the day."""
    day, rest = divmod(microseconds, _DAY)
    try:
        written = date.fromordinal(_EPOCH + day).isoformat()
    except (ValueError, OverflowError):
        return str(microseconds)
    return f"{written}T{time_text(rest)}" if rest else written


def time_text(microseconds: int) -> str:
    """The ISO 8601 text of microseconds since midnight."""
    seconds, part = divmod(microseconds, 1_000_000)
    written = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{written}.{part:06}".rstrip("0") if part else written


def _microseconds(text: str) -> int | None:
    """Of a date or moment since 1970 in UTC, of a time since midnight; None if the text is none of them."""
    if found := _TIME.fullmatch(text):
        return _of_day(*found.groups())
    if not (found := _MOMENT.fullmatch(text)):
        return None
    year, month, day, hour, minute, second, part, zone = found.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH
    except ValueError:
        return None
    rest = _of_day(hour or "0", minute or "0", second, part)
    if rest is None:
        return None
    if zone and zone != "Z":
        shift = int(zone[1:3]) * 60 + int(zone[-2:])
        rest -= (-shift if zone[0] == "-" else shift) * 60_000_000
    return days * _DAY + rest


def _of_day(hour: str, minute: str, second: str | None, part: str | None) -> int | None:
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + int((part or "")[:6].ljust(6, "0"))
