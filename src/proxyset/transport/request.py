"""The one function that speaks to a server. What comes back is bounded in bytes and in time, whatever the server does.

    bytes       of everything received, headers included: what the answer may have, and 128 KiB. An error's text: 4 KiB.
    time        from the first look-up of the name to the last byte: `timeout` seconds, and one more for each 16 KiB that
                moved. Nothing that trickles outlives it; a large probe over a slow line arrives.
    encoding    none. Nothing is decompressed: "identity" is asked for, and anything else is refused.
    redirects   none. A message goes where the owner said, or nowhere.

The name's look-up is the system's, with the system's own limits.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from proxyset.errors import InvalidInput, Rejected, TransportError
from proxyset.printable import printable

ANSWER_LIMIT = 1 << 16  # bytes of an answer that says no more than yes
_ERROR_LIMIT, _ERROR_TEXT = 4096, 300
_HEADERS_LIMIT = 128 << 10
_SLOWEST = 16 << 10  # bytes a second, once the time for a small message is over
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_LONGEST_WAIT = 3600.0


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        status: of HTTP.
        body: as sent; of an error, its beginning.
        retry_after: seconds that it asked to wait, at most an hour; 0 when it did not say.
    """

    status: int
    body: bytes
    retry_after: float

    def accepted(self, what: str) -> bytes:
        """The body.

        Raises:
            TransportError: the server did not do `what`, for now. Rejected: it never will.
        """
        if self.status in (200, 201):
            return self.body
        text = printable(" ".join(self.body.decode(errors="replace").split()))[:_ERROR_TEXT]
        message = f"{what}: HTTP {self.status} {text}"
        raise TransportError(message, self.retry_after) if self.status in _LATER else Rejected(message)


def request(
    method: str,
    url: str,
    *,
    most: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    ca: Path | None = None,
    attempts: int = 1,
) -> Answer:
    """One request, and what was answered. The module's docstring says what bounds it.

    Args:
        method, url, body, headers: of the request. Beside these it says "proxyset", and no more.
        most: bytes that an answer may have.
        timeout: seconds for all of it, all attempts together, and one more for each 16 KiB.
        ca: PEM file of the authority that signed the server's certificate; None for those the system trusts.
        attempts: how often a connection that fails before an answer is tried.

    Raises:
        InvalidInput: no URL of a server, or no certificate authority in `ca`.
        TransportError: no answer, or none that keeps the bounds.
    """
    target = _parsed(url)
    sent: dict[bytes | str, bytes | str] = {"user-agent": "proxyset", "accept-encoding": "identity"}
    sent.update((headers or {}).items())
    if body:
        sent.setdefault("content-type", "application/octet-stream")
    trusted = _trusted(ca) if target.scheme == b"https" else None
    bounds = _Bounds(url, timeout, most + _HEADERS_LIMIT)
    for attempt in range(1, attempts + 1):
        try:
            with _pool(target, trusted, bounds) as pool:
                return _answer(pool, method, target, sent, body, most, url)
        except httpcore2.UnsupportedProtocol as error:
            raise InvalidInput(f"{url!r} cannot be asked: {error}") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
            if attempt == attempts:
                reason = str(error) or type(error).__name__
                raise TransportError(f"cannot reach {url} ({attempt} attempts): {reason}") from error
            time.sleep(min(0.2 * 2**attempt, bounds.left()))
    raise AssertionError("unreachable")


def _answer(
    pool: httpcore2.ConnectionPool, method: str, target: httpcore2.URL, headers: Mapping[bytes | str, bytes | str], body: bytes,
    most: int, url: str,
) -> Answer:  # fmt: skip
    with pool.stream(method, target, headers=headers, content=body or None) as response:
        told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        wait = told.get("retry-after", "")
        retry = min(_LONGEST_WAIT, float(wait)) if wait.isascii() and wait.isdecimal() else 0.0
        good = response.status in (200, 201)
        if told.get("content-encoding", "identity") != "identity":
            if good:
                raise TransportError(
                    f"{url} sends its answer compressed, which was not asked for: nothing of it was read"
                )
            return Answer(response.status, b"(no plain text)", retry)
        limit, parts, size = most if good else _ERROR_LIMIT, [], 0
        for part in response.iter_stream():
            parts.append(part)
            size += len(part)
            if size > limit:
                break
        if good and size > limit:
            raise TransportError(f"{url} sends more than the {limit} bytes that this answer may have")
        return Answer(response.status, b"".join(parts)[:limit], retry)


@dataclass
class _Bounds:
    """What one request may still take of time and bytes."""

    url: str
    timeout: float
    most: int
    _begun: float = field(default_factory=time.monotonic)
    _sent: int = 0
    _received: int = 0

    def left(self) -> float:
        """Seconds. Raises TransportError when there are none."""
        allowed = self.timeout + (self._sent + self._received) / _SLOWEST
        left = self._begun + allowed - time.monotonic()
        if left <= 0:
            raise TransportError(
                f"cannot reach {self.url}: {self._received} bytes came in {allowed:.0f} s, which is all the time there is"
            )
        return left

    def sent(self, size: int) -> None:
        self._sent += size

    def received(self, size: int) -> None:
        """Count bytes. Raises TransportError when there are too many."""
        self._received += size
        if self._received > self.most:
            raise TransportError(
                f"{self.url} sends more than the {self.most} bytes that any answer may have here"
            )


class _Stream(httpcore2.NetworkStream):
    """A socket within bounds. Each step has the time that is left of the whole, not a time of its own."""

    def __init__(self, sock: socket.socket, bounds: _Bounds) -> None:
        self._sock, self._bounds = sock, bounds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as(httpcore2.ReadError, self._bounds):
            self._sock.settimeout(self._bounds.left())
            data = self._sock.recv(max_bytes)
        self._bounds.received(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        with _as(httpcore2.WriteError, self._bounds):
            while view:
                self._sock.settimeout(self._bounds.left())
                sent = self._sock.send(view)
                self._bounds.sent(sent)
                view = view[sent:]

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        with _as(httpcore2.ConnectError, self._bounds):
            self._sock.settimeout(self._bounds.left())  # of the whole handshake
            return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname), self._bounds)

    def get_extra_info(self, info: str) -> Any:
        return None


class _Backend(httpcore2.NetworkBackend):
    """Connections within bounds."""

    def __init__(self, bounds: _Bounds) -> None:
        self._bounds = bounds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore2.NetworkStream:
        with _as(httpcore2.ConnectError, self._bounds):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for left in range(len(found), 0, -1):
                family, kind, protocol, _, address = found[-left]
                sock = socket.socket(family, kind, protocol)
                try:
                    sock.settimeout(self._bounds.left() / left)  # a name of many dead addresses gets no more
                    sock.connect(address)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return _Stream(sock, self._bounds)
                except OSError:
                    sock.close()
                    if left == 1:
                        raise
        raise AssertionError("unreachable")


@contextmanager
def _as(kind: type[httpcore2.NetworkError], bounds: _Bounds) -> Iterator[None]:
    """A socket's errors as those of httpcore; a time-out is the end of all attempts."""
    try:
        yield
    except TimeoutError:
        bounds.left()
        raise kind("timed out") from None
    except OSError as error:
        raise kind(str(error) or type(error).__name__) from error


def _parsed(url: str) -> httpcore2.URL:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna"), parts.port
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            raise ValueError("it begins with https:// and a host")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not (path.isascii() and path.isprintable() and " " not in path):
            raise ValueError("its path holds characters that none may have")
    except ValueError as error:
        raise InvalidInput(f"{url!r} is not a URL of a server: {error}") from None
    return httpcore2.URL(scheme=parts.scheme.encode(), host=host, port=port, target=path.encode())


def _pool(target: httpcore2.URL, trusted: ssl.SSLContext | None, bounds: _Bounds) -> httpcore2.ConnectionPool:
    """Connections to the server, by the proxy that the environment names (HTTPS_PROXY, NO_PROXY) where it names one."""
    host, known = target.host.decode(), getproxies()
    proxy = known.get(target.scheme.decode()) or known.get("all")
    backend = _Backend(bounds)
    if not proxy or proxy_bypass(host):
        return httpcore2.ConnectionPool(trusted, network_backend=backend)
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme != "http":
        raise InvalidInput(
            f"the proxy of this machine's environment, {parts.hostname!r}, is not an http:// one"
        )
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    address = f"http://{parts.hostname}:{parts.port or 80}"
    return httpcore2.HTTPProxy(address, login, ssl_context=trusted, network_backend=backend)


def _trusted(ca: Path | None) -> ssl.SSLContext:
    if ca is None:
        return httpcore2.default_ssl_context()
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise InvalidInput(f"{ca} holds no certificate authority: {error}") from None
