"""Numbers as people read them: the filters of all templates."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


def size(count: int) -> str:
    """Bytes: 812 bytes, 14.2 kB, 3.1 MB."""
    if count < 1000:
        return f"{count} bytes"
    if count < 1_000_000:
        return f"{count / 1e3:.1f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:.2f} GB"


def thousands(number: float) -> str:
    """1,234, with a true minus."""
    return f"{number:,.0f}".replace("-", "−")


def short(number: float | None) -> str:
    """Four significant digits; 1e-5 as 1 × 10⁻⁵; a dash for None."""
    if number is None:
        return "–"
    if number == 0 or 1e-3 <= abs(number) < 1e6:
        return f"{number:.4g}".replace("-", "−")
    mantissa, _, exponent = f"{number:.2e}".partition("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{float(mantissa):g} × 10{raised}".replace("-", "−")


def percent(share: float) -> str:
    """0.123 → 12 %; what is above 0 and rounds to it is <1 %."""
    if 0 < share < 0.005:
        return "<1 %"
    return f"{100 * share:.0f} %"


def odds(epsilon: float) -> float:
    """e^ε, the most that one unit changes the odds of anything that can be seen."""
    return math.exp(min(epsilon, 100))


def factor(epsilon: float) -> str:
    """`odds`, in words."""
    if epsilon > 14:
        return "more than a million, which protects nobody"
    return f"{odds(epsilon):.2f}" if epsilon < 5 else f"{odds(epsilon):,.0f}"


def when(stamp: str) -> str:
    """An ISO 8601 time to the minute, in UTC."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def head(digest: str) -> str:
    """The first digits of a fingerprint."""
    return f"{digest[:12]}…" if len(digest) > 13 else digest


def place(path: str) -> str:
    """A path, with the user's home as ~."""
    home = str(Path.home())
    return f"~{path.removeprefix(home)}" if path == home or path.startswith(home + "/") else path


FILTERS: dict[str, Callable[..., str]] = {
    function.__name__: function for function in (size, thousands, short, percent, factor, when, head, place)
}
