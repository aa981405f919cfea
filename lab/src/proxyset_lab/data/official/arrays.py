"""The file formats of the official digit sets, each read into (n, h, w[, 3]) uint8 and (n,) labels 0 … 9."""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidData, needing

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]

_IDX_BYTES = 8  # the code of unsigned bytes in an IDX file


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of bytes, plain or .gz, as MNIST is published and torchvision keeps it.

    Raises:
        InvalidData: not such a file, or cut off.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, axes = struct.unpack_from(">HBB", data)
        shape = struct.unpack_from(f">{axes}I", data, 4)
    except (OSError, EOFError, struct.error) as error:
        raise InvalidData(f"{path} is not a readable IDX file: {error}") from None
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * axes)
    if zero or kind != _IDX_BYTES or len(values) != int(np.prod(shape)):
        raise InvalidData(f"{path}: an IDX file of bytes with shape {shape} would have other contents")
    return values.reshape(shape)


def read_usps(path: Path) -> Labelled:
    """usps.bz2 or usps.t.bz2 in LIBSVM's format, as torchvision keeps it: 16×16, values −1 … 1, labels 1 … 10.

    Raises:
        InvalidData: not such a file.
    """
    try:
        lines = bz2.decompress(path.read_bytes()).decode("ascii").split("\n")
        rows = [line.split() for line in lines if line.strip()]
        labels = np.array([int(row[0]) - 1 for row in rows])
        values = np.array([[float(cell.partition(":")[2]) for cell in row[1:]] for row in rows])
        images = np.round((values.reshape(-1, 16, 16) + 1) / 2 * 255).astype(np.uint8)
    except (OSError, ValueError, IndexError) as error:
        raise InvalidData(f"{path} is not USPS in LIBSVM's format: {error}") from None
    return images, labels


def read_svhn(path: Path) -> Labelled:
    """train_32x32.mat or test_32x32.mat of SVHN: X (32, 32, 3, n), y in 1 … 10, where 10 is the digit 0.

    Raises:
        InvalidData: not such a file.
        MissingExtra: SciPy is not installed.
    """
    with needing("demo", "SVHN's files"):
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    try:
        found = loadmat(str(path))
        return np.ascontiguousarray(found["X"].transpose(3, 0, 1, 2)), found["y"].ravel().astype(
            np.int64
        ) % 10
    except (MatReadError, OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidData(f"{path} is not SVHN's cropped digits: {error}") from None


def read_fedbn(folder: Path) -> Labelled:
    """A domain as FedBN (Li et al., ICLR 2021) ships it: partitions/train_part0.pkl … and test.pkl.

    The files are pickles of (images, labels). Only NumPy arrays are unpickled; anything else in them is refused.

    Raises:
        InvalidData: no such files, or not such pickles.
    """
    paths = sorted((folder / "partitions").glob("train_part*.pkl")) + [
        path for path in [folder / "test.pkl"] if path.is_file()
    ]
    if not paths:
        raise InvalidData(f"{folder} has neither partitions/train_part*.pkl nor test.pkl")
    parts = []
    for path in paths:
        try:
            images, labels = _ArraysOnly(io.BytesIO(path.read_bytes())).load()
            parts.append((np.asarray(images, np.uint8), np.asarray(labels).astype(np.int64).ravel()))
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, OSError) as error:
            raise InvalidData(f"{path} is not a pickle of two arrays: {error}") from None
    images = np.concatenate([part[0] for part in parts])
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    return images, np.concatenate([part[1] for part in parts])


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays and plain containers; a pickle may otherwise call any function of this machine."""

    _ALLOWED = frozenset(
        (module, name)
        for module, names in (
            ("numpy", ("ndarray", "dtype")),
            ("numpy.core.multiarray", ("_reconstruct",)),
            ("numpy._core.multiarray", ("_reconstruct",)),
            ("_codecs", ("encode",)),
        )
        for name in names
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which is no array")
        return super().find_class(module, name)
