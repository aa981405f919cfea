"""Data on which the default rule was designed: their tables stand apart, and no average mixes them with others.

The rule's form and constants were chosen on mnist and mnist-m of Digits and on IconNet.
"""

from __future__ import annotations

_SOME = {"digits": ("mnist", "mnist-m"), "digits-small": ("mnist", "mnist-m")}
_WHOLE = ("iconnet",)


def designed_on(data_set: str, domain: str) -> bool:
    """Whether the rule was designed on this domain."""
    return data_set in _WHOLE or domain in _SOME.get(data_set, ())


def titled(data_set: str, designed: bool) -> str:
    """A data set's name as tables print it."""
    return f"{data_set}: the rule was designed on these" if designed else data_set
