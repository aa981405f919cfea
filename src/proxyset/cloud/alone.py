"""One build at a time in a folder: another one would take away what the first is writing."""

from __future__ import annotations

import errno
import fcntl
import os
import weakref
from pathlib import Path

from proxyset.errors import InvalidInput

_CANNOT = (
    errno.ENOLCK,
    errno.EBADF,
    errno.EINVAL,
    errno.ENOTSUP,
)  # a file system without locks has no word to give


class Alone:
    """Holds a folder for this process until `release`, or until the process ends, however it ends.

    A build of this same process that failed, and that a traceback still holds, gives way.

    Raises:
        InvalidInput: another process holds it.
    """

    _held: dict[tuple[int, int], Alone] = {}  # noqa: RUF012 - of the process

    def __init__(self, folder: Path) -> None:
        found = folder.stat()
        self._key = found.st_dev, found.st_ino
        if earlier := self._held.get(self._key):
            earlier.release()
        descriptor = os.open(folder, os.O_RDONLY)
        self._close = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
            raise InvalidInput(
                f"another process is building in {folder}: wait for it, or choose another folder"
            ) from None
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
        self._held[self._key] = self

    def release(self) -> None:
        """Let others in. To do it twice does no harm."""
        self._close()
        if self._held.get(self._key) is self:
            del self._held[self._key]
