"""Rows of a pool that may be too large for memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rows_of(Z: NDArray[np.float32], rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
    """Z[rows]. Pages of a memory map that this read do not stay in the memory of this process."""
    if not isinstance(Z, np.memmap):
        return Z[rows]
    found = np.array(Z[rows])
    mapped: Any = Z._mmap  # type: ignore[attr-defined]
    mapped.madvise(mmap.MADV_DONTNEED)  # they stay in the system's cache, or in the file
    return found
