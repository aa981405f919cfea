"""Sockets: uvicorn on a listener, with the limits and deadlines that it lacks.

A `Door` meets every connection first. It turns away those that are too many, in all or from one address, and gives a TLS handshake
that never begins no more time than a request's head. What it lets in goes on to `Patient`, uvicorn's own protocol with deadlines
for those who open a connection and then dawdle, and with a limit for what comes without a byte of a body.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from traceback import clear_frames
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxyset.errors import InvalidInput, TransportError
from proxyset.server.limits import Limits, address_of, plain_address
from proxyset.server.logs import LOGGER, event

_BACKLOG = 2048
_GRACE_SECONDS = 20
_TELL_SECONDS = 10.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True)
class Tls:
    """A certificate chain and its key, both PEM files; `password` of the key, or None."""

    certificate: Path
    key: Path
    password: str | None = None

    def context(self) -> ssl.SSLContext:
        """Raises InvalidInput: they cannot be used."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key, lambda: self.password or "")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise InvalidInput(f"the certificate or its key cannot be used: {error}") from None
        return context


@dataclass
class House:
    """What all doors of one server share: who is in, and the certificate that is shown to those who come."""

    limits: Limits
    proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    tls: Tls | None
    context: ssl.SSLContext | None = None
    inside: Counter[str] = field(default_factory=Counter)
    _turned_away: Counter[str] = field(default_factory=Counter)
    _told: float = 0.0

    def __post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Read the certificate and its key again. Raises InvalidInput; then the one before stays."""
        self.context = self.tls.context() if self.tls else None

    def enter(self, host: str) -> str | None:
        """The name under which a caller is counted; None when there is no room for it."""
        name = address_of(host)
        most = self.limits.connections if self._is_proxy(host) else self.limits.address_connections
        if self.inside.total() >= self.limits.connections or self.inside[name] >= most:
            why = "one address has too many" if self.inside[name] >= most else "there are too many"
            self.turned_away(why)
            return None
        self.inside[name] += 1
        return name

    def leave(self, name: str) -> None:
        self.inside[name] -= 1
        if not self.inside[name]:
            del self.inside[name]

    def turned_away(self, why: str) -> None:
        """Count a connection that was ended before a request, and say so in the log, but not for each."""
        self._turned_away[why] += 1
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._told = time.monotonic()
            facts = {"connections": self.inside.total(), **self._turned_away}
            LOGGER.warning("connections turned away", extra={"facts": facts})
            self._turned_away.clear()

    def _is_proxy(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(plain_address(host).partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self.proxies)


class Door(asyncio.Protocol):
    """Meets a connection, sees to its TLS handshake, and hands it over to uvicorn's protocol."""

    def __init__(self, house: House, make: Callable[[], Patient]) -> None:
        self._house, self._make = house, make
        self._name: str | None = None
        self._early = b""  # what came right behind a handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast(asyncio.Transport, transport)
        peer = plain.get_extra_info("peername")
        self._name = self._house.enter(peer[0] if peer else "")
        if self._name is None:
            plain.abort()
        elif self._house.context is None:
            self._hand_over(plain)
        else:  # the task's first step is taken before anything is read
            self._opening = asyncio.get_running_loop().create_task(self._open(plain, self._house.context))

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        if self._name is not None:
            self._house.leave(self._name)
            self._name = None

    async def _open(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        seconds, loop = self._house.limits.head_seconds, asyncio.get_running_loop()
        try:
            secure = await loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=seconds, ssl_shutdown_timeout=seconds
            )  # fmt: skip
        except (OSError, EOFError) as error:  # no handshake, or none in time; ssl.SSLError is an OSError
            clear_frames(
                error.__traceback__
            )  # one of them refers to the error: see `Patient.connection_lost`
            secure = None
        if secure is None:
            self._house.turned_away("no TLS handshake")
            plain.abort()
            self.connection_lost(None)
        else:
            self._hand_over(secure)

    def _hand_over(self, transport: asyncio.Transport) -> None:
        inner = self._make()
        inner.on_end(self.connection_lost)
        transport.set_protocol(inner)
        inner.connection_made(transport)
        if self._early:
            inner.data_received(self._early)


class Patient(HttpToolsProtocol):
    """uvicorn's protocol with two deadlines: a request's head must arrive, and an answer be read, within `head_seconds`.

    One timer a connection, which looks at the time when it rings: setting and taking back one a request costs more.
    """

    limits = Limits()

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._since: float | None = None  # when the wait for a head began, while there is one
        self._full: float | None = None  # and for the other side to read
        self._head = 0  # bytes of names and values in this request's head
        self._bodiless = 0  # bytes that came since the last ones of a body, or since the last head
        self._timer: asyncio.TimerHandle | None = None
        self._ended: Callable[[Exception | None], None] | None = None

    def on_end(self, ended: Callable[[Exception | None], None]) -> None:
        """Whom to tell when the connection is over."""
        self._ended = ended

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._since = self.loop.time()
        self._timer = self.loop.call_later(self.limits.head_seconds, self._look)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        self._bodiless += len(data)
        super().data_received(data)
        if self._bodiless > self.limits.head_bytes:
            self.send_400_response("")
        elif self.cycle is not before:  # a head is complete
            self._since = None
        elif self._since is None and (before is None or before.response_complete):  # the next begins
            self._since = self.loop.time()

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:  # of the head, or behind a body in chunks
        self._head += len(name) + len(value) + 4  # colon, space and the end of the line
        if self._head > self.limits.head_bytes:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._bodiless = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bodiless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bodiless = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if max(self._head, self._bodiless) > self.limits.head_bytes:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        self._full = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._full = None
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._ended is not None:
            self._ended(exc)
            self._ended = None
        super().connection_lost(exc)
        # uvicorn's cycle refers to this: with it, the quarter of a MiB that a TLS connection has would wait for the collector,
        # which comes seldom in a server (`cli.serve`)
        self.cycle = None  # type: ignore[assignment]

    def _look(self) -> None:
        """Give up a connection that is past a deadline; look again when it might be."""
        now = self.loop.time()
        waits = [began for began in (self._since, self._full) if began is not None]
        left = min(waits, default=now) + self.limits.head_seconds - now
        if left <= 0:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(max(left, 0.01), self._look)


class _PlainAddresses:
    """ASGI middleware: IPv4 callers of a socket that listens on `::` keep their IPv4 addresses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if client := scope.get("client"):
            scope["client"] = (plain_address(client[0]), client[1])
        await self._app(scope, receive, send)


class Server(uvicorn.Server):
    """uvicorn, ready to run on a listener: `server.run(sockets=[listener])`. It serves until SIGTERM or SIGINT; what was begun is
    answered before it returns.

    Attributes:
        house: `house.reload()` has the certificate read again.
    """

    def __init__(self, config: uvicorn.Config, house: House) -> None:
        super().__init__(config)
        self.house = house

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but the signal is not raised again at the end: who asked to stop gets the status 0."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        TransportError: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(cast(Any, address))
        listener.listen(_BACKLOG)
    except OSError as error:
        raise TransportError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return listener


def url_of(listener: socket.socket, host: str, tls: Tls | None) -> str:
    """What a client on this machine calls the server."""
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{name}:{listener.getsockname()[1]}"


def server_of(app: ASGIApp, limits: Limits, *, tls: Tls | None = None, proxies: str = "") -> Server:
    """A server of an application.

    Args:
        proxies: addresses or networks, separated by commas, whose X-Forwarded headers are believed; "" for none.

    Raises:
        InvalidInput: the certificate or its key cannot be used, or `proxies` are no addresses.
    """
    house = House(limits, _networks(proxies), tls)
    if proxies:
        app = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, app), [str(each) for each in house.proxies]))
    patient = type("Patient", (Patient,), {"limits": limits})

    def door(**settings: Any) -> Door:
        return Door(house, lambda: patient(**settings))

    config = uvicorn.Config(
        _PlainAddresses(app),
        http=cast(Any, door),
        ws="none",
        loop="asyncio",  # the other one loses a handshake whose first bytes come early, see `Door`
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=None,  # the door's affair
        timeout_keep_alive=max(1, round(limits.head_seconds)),
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    config.load()
    return Server(config, house)


def reload_on_hangup(house: House) -> None:
    """Have SIGHUP read the certificate again. Call it in the main thread."""

    def reload(*_: object) -> None:
        try:
            house.reload()
        except InvalidInput as error:
            LOGGER.error("certificate is not replaced", extra={"facts": {"why": str(error)}})
        else:
            event("certificate read again")

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, reload)


def _networks(proxies: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(each.strip()) for each in proxies.split(",") if each.strip())
    except ValueError as error:
        raise InvalidInput(
            f"proxies are addresses and networks, as 127.0.0.1 or 10.0.0.0/8, separated by commas: {error}"
        ) from None
