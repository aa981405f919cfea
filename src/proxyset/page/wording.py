"""Items that are no pictures, in words: texts, rows of a table, ready embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

_NUMBERS = 6  # of an embedding


def in_words(item: Any, most: int = 600) -> str:
    """An item as a line of text, of about `most` characters at the most; templates escape it. "" for a picture.

    Args:
        item: as pools give them: file bytes, a text, a table of one row, or an array (d,).
    """
    if isinstance(item, bytes):
        return ""
    if isinstance(item, pa.Table):
        text = " · ".join(f"{name}: {_value(column[0].as_py())}" for name, column in _columns(item))
    elif isinstance(item, np.ndarray):
        shown = ", ".join(_value(float(number)) for number in item[:_NUMBERS])
        text = f"{len(item):,} numbers: {shown}{', …' if len(item) > _NUMBERS else ''}"
    else:
        text = str(item)
    return text if len(text) <= most else f"{text[:most].rstrip()} …"


def _columns(row: pa.Table) -> list[tuple[str, Any]]:
    return list(zip(row.column_names, row.columns, strict=True))


def _value(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value)
