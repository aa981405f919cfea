"""Every id once, in memory that does not grow with the pool: hashes of ids are sorted bucket by bucket on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np

from proxyset.atomic import room_for
from proxyset.errors import InvalidData

_BUCKET = 1 << 20  # hashes in one bucket, about: 8 MB
_MOST_BITS = 8  # 256 files open at once


def check_unique(ids: Callable[[], Iterator[list[str]]], items: int) -> None:
    """Raise InvalidData when an id occurs twice.

    Args:
        ids: goes over all ids, in lists of bounded length; called again only when two hashes are equal.
        items: how many ids there are, about.

    Python's hashes stand for ids, split by their leading bits over temporary files of 8 bytes an id.
    """
    bits = min(_MOST_BITS, (items // _BUCKET).bit_length())
    with room_for(f"{tempfile.gettempdir()} (TMPDIR)"), ExitStack() as stack:
        buckets = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(1 << bits)]
        for part in ids():
            hashes = np.sort(np.fromiter(map(hash, part), np.int64, len(part)).view(np.uint64))
            starts = np.arange(len(buckets), dtype=np.uint64) << np.uint64(64 - bits) if bits else [0]
            for bucket, chunk in zip(
                buckets, np.split(hashes, np.searchsorted(hashes, starts[1:])), strict=True
            ):
                bucket.write(chunk.tobytes())
        suspects: set[int] = set()
        for bucket in buckets:
            bucket.seek(0)
            hashes = np.sort(np.frombuffer(bucket.read(), np.uint64))
            suspects.update(hashes[1:][hashes[1:] == hashes[:-1]].view(np.int64).tolist())
    if suspects:
        _compare(ids(), suspects)


def _compare(ids: Iterator[list[str]], suspects: set[int]) -> None:
    seen: set[str] = set()
    for part in ids:
        for item in part:
            if hash(item) not in suspects:
                continue
            if item in seen:
                raise InvalidData(f"the id {item!r} occurs more than once in the pool: ids must be unique")
            seen.add(item)
