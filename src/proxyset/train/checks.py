"""What training refuses before it starts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidData, InvalidInput


def check_items(items: NDArray[Any]) -> None:
    """Pixels or embeddings, at least one, all of them numbers.

    Raises:
        InvalidInput: none, or another shape or type.
        InvalidData: an embedding holds NaN or infinity.
    """
    if not len(items):
        raise InvalidInput("there is nothing to train on: 0 items")
    pixels = items.dtype == np.uint8 and items.ndim == 4
    if not pixels and not (items.dtype == np.float32 and items.ndim == 2):
        raise InvalidInput(
            f"items must be (n, 3, S, S) uint8 pixels or (n, d) float32 embeddings, not {items.shape} {items.dtype}"
        )
    if not pixels and len(bad := np.flatnonzero(~np.isfinite(items).all(axis=1))):
        raise InvalidData(
            f"{len(bad)} of {len(items)} embeddings are not finite, such as row {bad[0]}: mend or leave them out"
        )


def check_labels(items: NDArray[Any], labels: NDArray[np.int64]) -> None:
    """As `check_items`, and a label for each item, of at least two classes.

    Raises:
        InvalidInput: not so.
    """
    check_items(items)
    if labels.shape != (len(items),) or labels.dtype != np.int64:
        raise InvalidInput(
            f"labels must be ({len(items)},) int64, one an item; they are {labels.shape} {labels.dtype}"
        )
    if len(missing := np.flatnonzero(labels < 0)):
        raise InvalidInput(
            f"{len(missing)} of {len(labels)} rows have no label, such as rows {missing[:5].tolist()}: label them or "
            "leave them out"
        )
    if len(classes := np.unique(labels)) < 2:
        raise InvalidInput(
            f"all {len(labels)} labels are of class {classes[0]}: a classifier needs at least two classes"
        )


def check_weights(items: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) float64, scaled to mean 1, so that a learning rate means the same with and without.

    Raises:
        InvalidInput: not one an item, negative, not finite, or all zero.
    """
    found = np.asarray(weights, np.float64)
    if found.shape != (len(items),):
        raise InvalidInput(f"weights must be ({len(items)},), one an item; they are {found.shape}")
    if not np.isfinite(found).all() or (found < 0).any() or not found.any():
        raise InvalidInput("weights of items must be finite, not negative and not all zero")
    scaled: NDArray[np.float64] = found / found.mean()
    return scaled
