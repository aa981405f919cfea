"""Principal components: the space in which the pool is clustered and selected from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput


@dataclass(frozen=True)
class Projection:
    """z = (x − mean) @ matrix: principal components of the pool in units of its root-mean-square spread.

    Attributes:
        mean: (d,) float32.
        matrix: (d, D) float32; orthogonal columns of equal length 1/scale, in order of falling variance.
        scale: root-mean-square distance of a pool item to the mean, in units of the features.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]
    scale: float

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.float32]:
        """Features (n, d) → components (n, D) float32."""
        Z: NDArray[np.float32] = np.subtract(X, self.mean, dtype=np.float32) @ self.matrix
        return Z

    def back(self, Z: NDArray[np.float32]) -> NDArray[np.float32]:
        """The point of feature space that components stand for: (n, D) → (n, d) float32."""
        return np.asarray(self.mean + Z.astype(np.float64) @ self.matrix.T * self.scale**2, np.float32)

    @property
    def dim(self) -> int:
        return int(self.matrix.shape[1])


def fit_projection(X: NDArray[np.float32], dim: int) -> Projection:
    """Principal components of a sample.

    Args:
        X: (n, d) float32, a sample of the pool, n ≥ 1.
        dim: D, 1 ≤ D ≤ d. With D = d this is a rotation: all distances are kept.

    Raises:
        InvalidInput: D is out of range.
    """
    if not 1 <= dim <= X.shape[1]:
        raise InvalidInput(f"cannot project {X.shape[1]} features to {dim} dimensions")
    mean = X.mean(axis=0, dtype=np.float64)
    centred = X - mean
    spread = float(np.sqrt(np.einsum("ij,ij->", centred, centred) / len(X)))
    scale = spread if spread > 0 else 1.0
    centred /= scale
    values, vectors = np.linalg.eigh(centred.T @ centred)
    components = vectors[:, np.argsort(-values, kind="stable")[:dim]]
    # an eigenvector's sign is arbitrary: fix it, so that equal data gives equal bytes
    signs = np.sign(components[np.abs(components).argmax(axis=0), np.arange(dim)])
    return Projection(mean.astype(np.float32), (components * signs / scale).astype(np.float32), scale)
