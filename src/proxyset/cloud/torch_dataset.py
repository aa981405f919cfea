"""A proxy set as torch takes data. Imported by `ProxySet.to_torch` alone, since it needs torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import Dataset

from proxyset.cloud.proxy_set import ProxySet
from proxyset.encoders.images import decode


class ProxyDataset(Dataset[tuple[Any, int]]):
    """(item, class) in order of rank.

    An item is a PIL picture (RGB, upright), a text, a (d,) float32 tensor, or a mapping from column to cell. A class is the number
    of the item's label in `classes`, or -1 where the pool names none.

    Attributes:
        classes: the labels, sorted.
    """

    def __init__(self, proxy: ProxySet, transform: Callable[[Any], Any] | None = None) -> None:
        self._proxy = proxy  # a scratch folder stays as long as this does
        self._transform = transform
        self._labels = proxy.selection().column("label").to_pylist()
        self._items = list(proxy.items())
        self.classes: list[str] = sorted({label for label in self._labels if label is not None})
        self._numbers = {label: number for number, label in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        item = self._items[row]
        match self._proxy.card.kind:
            case "image":
                item = decode(item, "RGB")
            case "embedding":
                item = torch.from_numpy(item.astype("float32"))
            case "table":
                item = item.to_pylist()[0]
        if self._transform is not None:
            item = self._transform(item)
        return item, self._numbers.get(self._labels[row], -1)
