"""Images as training takes them: one array of pixels, decoded once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from proxyset.encoders.images import Framing, pixels
from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources.source import Source
from proxyset.wire.lineage import UNKNOWN, Lineage

MAX_CORRUPT = 0.01  # largest share of images that may be left out, as when an index is built
_BATCH = 256


@dataclass(frozen=True)
class Images:
    """Decoded images.

    Attributes:
        ids: (n,) of the images that could be decoded.
        rows: (n,) int64, their places among all that were given.
        pixels: (n, 3, S, S) uint8.
        labels: (n,) labels, None where the data has none.
        problems: id → what is wrong, for those left out.
        lineage: what these images have seen of private data.
    """

    ids: tuple[str, ...]
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    labels: tuple[str | None, ...]
    problems: dict[str, str]
    lineage: Lineage = UNKNOWN


def framing(size: int) -> Framing:
    """How a picture becomes S × S: all of it, stretched."""
    if size < 8:
        raise InvalidInput(f"images must be at least 8 pixels wide; the size asked for is {size}")
    return Framing(size=(size, size))


def decode(
    items: Iterable[tuple[str, bytes, str | None]], size: int, *, max_corrupt: float = MAX_CORRUPT
) -> Images:
    """Decode images.

    Args:
        items: id, bytes of the file, and label or None, each.
        size: S.
        max_corrupt: largest share of images that may be unreadable; they are left out and listed.

    Raises:
        InvalidData: no image, or too many that cannot be decoded; the message names the first of them.
    """
    frame, stream = framing(size), iter(items)
    ids: list[str] = []
    labels: list[str | None] = []
    problems: dict[str, str] = {}
    parts: list[NDArray[np.uint8]] = []
    places: list[int] = []
    seen = 0
    while batch := list(islice(stream, _BATCH)):
        decoded, bad = pixels([data for _, data, _ in batch], frame)
        problems |= {batch[row][0]: reason for row, reason in bad.items()}
        good = [row for row in range(len(batch)) if row not in bad]
        parts.append(decoded[good].transpose(0, 3, 1, 2))
        ids += [batch[row][0] for row in good]
        labels += [batch[row][2] for row in good]
        places += [seen + row for row in good]
        seen += len(batch)
    _check(len(ids), problems, max_corrupt)
    return Images(
        tuple(ids),
        np.array(places, np.int64),
        np.ascontiguousarray(np.concatenate(parts)),
        tuple(labels),
        problems,
    )


def load(source: Source, size: int, *, max_corrupt: float = MAX_CORRUPT) -> Images:
    """All images of a source: 3 · size² bytes of memory each. Raises what `decode` and the source raise."""
    if source.kind != "image":
        raise InvalidInput(f"{source.path} holds {source.kind} items, not images")

    def items() -> Iterable[tuple[str, bytes, str | None]]:
        for shard in source.shards():
            for batch in source.read(shard):
                labels = batch.columns.get("label") or [None] * len(batch.ids)
                yield from zip(batch.ids, batch.items, labels, strict=True)

    return decode(items(), size, max_corrupt=max_corrupt)


def _check(count: int, problems: dict[str, str], max_corrupt: float) -> None:
    listed = "; ".join(f"{item}: {reason}" for item, reason in list(problems.items())[:3])
    if not count:
        raise InvalidData(
            f"none of {len(problems)} images can be decoded: {listed}" if problems else "0 images"
        )
    total = count + len(problems)
    if len(problems) > max_corrupt * total:
        raise InvalidData(
            f"{len(problems)} of {total} images cannot be decoded, more than {max_corrupt:.1%}: {listed}. Mend them or "
            "leave them out"
        )
