"""What the server and its keeper say to each other: lists, each in a frame of its own, over a pair of sockets.

A frame is its length in 4 bytes and the list in Python's own `marshal` form: both ends are one program on one machine, and
nobody else has the sockets.

    question    (ticket, "verify", key, signature, text)      str, str, bytes
                (ticket, "store", campaign, client, release)  str, str, bytes
    answer      (ticket, verdict, detail)                     detail: a release's fingerprint, or what is wrong
"""

from __future__ import annotations

import marshal
import struct
from enum import StrEnum
from typing import Any

Question = tuple[int, str, str, str, bytes]
Answer = tuple[int, str, str]
_LENGTH = struct.Struct("<I")


class Verdict(StrEnum):
    """An answer that is not the `Outcome` of storing a release."""

    valid = "valid"  # a signature
    forged = "forged"
    unfit = "unfit"  # a release that does not answer the campaign
    failed = "failed"  # the state could not be read or written
    broken = "broken"  # our own mistake


def framed(messages: list[Any]) -> bytes:
    """One frame."""
    data = marshal.dumps(messages)
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Bytes in, as they come; lists out, as they are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[list[Any]]:
        self._buffer += data
        found = []
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            found.append(marshal.loads(memoryview(self._buffer)[_LENGTH.size : end]))
            del self._buffer[:end]
        return found
