"""Rows of a .npy file at a URL: what a memory map is to one here."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from proxyset.sources.remote import RemotePath

_HEADER = 1 << 14  # bytes that hold the header


@dataclass(frozen=True)
class RemoteArray:
    """An array of which nothing is held; a slice of rows is one request for their bytes.

    Attributes:
        path: of the file.
        shape, dtype: of the array.
        offset: bytes before its first row.
    """

    path: RemotePath
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def open(cls, path: RemotePath) -> RemoteArray:
        """Read the header.

        Raises:
            ValueError: it is not a .npy file of numbers, is cut short, or its rows do not lie one after another.
        """
        begins = io.BytesIO(path.part(0, min(_HEADER, path.size)))
        version = npy.read_magic(begins)  # type: ignore[no-untyped-call]
        read: Any = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, columns_first, dtype = read(begins)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
        if columns_first and len(shape) > 1:
            raise ValueError("its columns lie one after another, not its rows (Fortran order)")
        found = cls(path, shape, dtype, begins.tell())
        if path.size < found.offset + math.prod(shape) * dtype.itemsize:
            raise ValueError(f"it has {path.size} bytes, too few for an array of shape {shape}")
        return found

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | int) -> NDArray[Any]:
        start, stop, _ = rows.indices(len(self)) if isinstance(rows, slice) else (rows, rows + 1, 1)
        width = math.prod(self.shape[1:]) * self.itemsize
        data = self.path.part(self.offset + start * width, self.offset + stop * width)
        found = np.frombuffer(data, self.dtype).reshape(-1, *self.shape[1:])
        return found if isinstance(rows, slice) else found[0]
