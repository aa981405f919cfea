"""How a command meets the machine: its standard streams, its signals and its exit status, the same everywhere.

* A sign that a console cannot show is written as its JSON escape: a line of JSON stays that JSON, and no letter fails a command.
* Standard output that is full, closed or broken ends a command with status 1 and one line, whether Python buffers or not.
* What is said beside the result fails nothing: where standard error cannot be written, there is nobody to tell.
* A stream that was closed before the start is filled, so that no file of ours takes its number, and with it what libraries print.
* Text of files and their names is UTF-8, whatever the locale says.
* Ctrl-C ends with 130 without a traceback; SIGTERM and SIGHUP end the process as they always do (143 and 129 to a shell), but
  after everything has been put away.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

from proxyset.atomic import room_for
from proxyset.errors import DiskFull, ProxysetError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

INTERRUPTED = 128 + signal.SIGINT
_OUTPUT = "standard output"
_ESCAPE = "proxyset.escape"


def command(module: str) -> NoReturn:
    """Run `module.run` on the arguments of this process, and exit with the status that it returns.

    Args:
        module: name of a module with a function `run(arguments) -> status`; what importing it takes can be interrupted too.
    """
    try:
        _speak_utf8()
        _open_streams()
        _end_in_order()
        status = _delivered(import_module(module).run(sys.argv[1:]))
    except KeyboardInterrupt:
        status = INTERRUPTED
    except _Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        signal.raise_signal(ended.number)
    finally:
        # what could not be written was told; the interpreter, which tries once more as it exits, would tell it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # CPython 3.11 remembers an interrupt of an `exec`, caught or not, and would die of it; another `exec` makes it forget
    exec("")
    sys.exit(status)


@contextmanager
def told_to_end(*numbers: int) -> Iterator[threading.Event]:
    """An event that any of these signals sets while the block runs. Call it in the main thread.

    A handler runs between two steps of the main thread, maybe in the midst of a wait for this very event, whose lock a `set` would
    then await for ever: so another thread sets it. And a signal that comes right before a wait without an end does not wake it:
    wait for a second at most, and again.
    """
    told = threading.Event()

    def tell(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=told.set).start()

    before = {number: signal.signal(number, tell) for number in numbers}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Ended(SystemExit):
    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def _delivered(status: int) -> int:
    try:
        sys.stdout.flush()
    except ProxysetError as error:
        if not status:
            sys.stderr.write(f"error: {error}\n")
            return 1
    return status


def _speak_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale has another encoding; the console keeps its own."""
    if sys.flags.utf8_mode or sys.getfilesystemencoding() == "utf-8":
        return
    os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding if sys.stdout else "utf-8")
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _end_in_order() -> None:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does; one that the parent ignores, as nohup does, stays ignored."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise _Ended(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


def _open_streams() -> None:
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):  # to write to 1 shall fail
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # the lowest number that is free
    codecs.register_error(_ESCAPE, _escaped)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a number, for good
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Notes(2, "w", closefd=False), sys.stderr)


def _text(device: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    encoding = before.encoding if before else "utf-8"
    lines = device.isatty() or isinstance(device, _Notes)
    return io.TextIOWrapper(io.BufferedWriter(device), encoding, _ESCAPE, line_buffering=lines)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


class _Device(io.FileIO):
    """A device that waits where it would not block."""

    def write(self, data: ReadableBuffer, /) -> int:
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


class _Output(_Device):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            with room_for(_OUTPUT):
                return super().write(data)
        except DiskFull:
            raise
        except OSError as error:  # of a broken pipe click would make an exit without a word
            raise ProxysetError(f"{_OUTPUT}: {error.strerror}") from None


class _Notes(_Device):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes
