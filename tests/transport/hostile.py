"""A server on a real socket that answers every connection as a test tells it to, byte by byte if need be."""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

Behaviour = Callable[[socket.socket], None]


@contextmanager
def hostile(behave: Behaviour) -> Iterator[str]:
    """The address of a server that reads the head of each request and then behaves."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (part := sock.recv(65536)):
                head += part
            behave(sock)

    def accept() -> None:
        while not stopping.is_set():
            with suppress(OSError):
                sock, _ = listener.accept()
                sock.settimeout(60)
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopping.set()
        with suppress(OSError), socket.create_connection(listener.getsockname(), 1):
            pass
        thread.join()
        listener.close()


def says(status: str, body: bytes = b"", *headers: str) -> Behaviour:
    """Answer at once. Without a header of its own the answer tells its true length."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"content-length: {len(body)}")
    return lambda sock: sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def trickles(start: bytes, part: bytes = b"x", every: float = 0.2) -> Behaviour:
    """`start`, then for ever a little more."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(start)
        while True:
            time.sleep(every)
            sock.sendall(part)

    return behave


def floods(start: bytes, part: bytes) -> Behaviour:
    """`start`, then for ever as much as the other side takes."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(start)
        while True:
            sock.sendall(part)

    return behave


@cache
def bomb(size: int = 1 << 28) -> bytes:
    """About a thousandth of `size` bytes that gzip makes into `size` zeros."""
    squeeze, part = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    return b"".join(squeeze.compress(part) for _ in range(size >> 20)) + squeeze.flush()
