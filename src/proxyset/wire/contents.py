"""Public items that travel in a message as the pool has them, so that its reader can look at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proxyset.errors import ArtifactError
from proxyset.wire.container import Tensors


def names_of(prefix: str) -> set[str]:
    """The two tensors that hold items: their bytes in a row, and where each ends."""
    return {f"{prefix}contents", f"{prefix}ends"}


def join(prefix: str, contents: Sequence[bytes]) -> Tensors:
    """The tensors of items (file bytes, or UTF-8 text)."""
    return {
        f"{prefix}contents": np.frombuffer(b"".join(contents), np.uint8),
        f"{prefix}ends": np.cumsum([len(content) for content in contents], dtype=np.int64),
    }


def split(prefix: str, tensors: Tensors, count: int, what: str) -> tuple[bytes, ...]:
    """The `count` items out of the tensors of a `what`.

    Raises:
        ArtifactError: shapes, or ends, do not fit.
    """
    data, ends = tensors[f"{prefix}contents"], tensors[f"{prefix}ends"]
    fits = data.dtype == np.uint8 and data.ndim == 1 and ends.dtype == np.int64 and ends.shape == (count,)
    starts = np.concatenate([[0], ends[:-1]]) if fits else ends
    if not fits or (ends < starts).any() or int(ends[-1]) != len(data):
        raise ArtifactError(f"the items in this {what} do not fit their number and sizes")
    raw = data.tobytes()
    return tuple(raw[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
