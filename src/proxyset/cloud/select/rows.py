"""Rows of a pool that may be too large for memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 128  # rows that lie apart; each brings the pages around it, up to 1 MB


def rows_of(Z: NDArray[np.float32], rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
    """Z[rows]. Of a memory map, the pages that this read are let go."""
    if not isinstance(Z, np.memmap):
        return Z[rows]
    if isinstance(rows, slice):
        found = np.array(Z[rows])
        let_go(Z)
        return found
    found = np.empty((len(rows), Z.shape[1]), Z.dtype)
    for start in range(0, len(rows), _CHUNK):
        found[start : start + _CHUNK] = Z[rows[start : start + _CHUNK]]
        let_go(Z)
    return found


def let_go(Z: np.memmap[Any, Any]) -> None:
    """Let go the pages of a map that were read: they stay in the system's cache, or in the file."""
    mapped: Any = Z._mmap  # type: ignore[attr-defined]
    mapped.madvise(mmap.MADV_DONTNEED)
