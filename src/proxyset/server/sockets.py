"""Sockets: uvicorn on a listener, with deadlines that it lacks for those who open a connection and then dawdle."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from proxyset.errors import InvalidInput, TransportError
from proxyset.server.limits import Limits

_BACKLOG = 2048
_GRACE_SECONDS = 20


@dataclass(frozen=True)
class Tls:
    """A certificate chain and its key, both PEM files; `password` of the key, or None."""

    certificate: Path
    key: Path
    password: str | None = None


class Patient(asyncio.Protocol):
    """uvicorn's protocol with two deadlines: a request's head must arrive, and an answer be read, within `seconds`.

    One timer a connection, which looks at the time when it rings: setting and taking back one a request costs more.
    """

    seconds = Limits.head_seconds

    def __init__(self, **settings: Any) -> None:
        self._inner: Any = AutoHTTPProtocol(**settings)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._since: float | None = None  # when the wait for a head began, while there is one
        self._full: float | None = None  # and for the other side to read
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._since = self._loop.time()
        self._timer = self._loop.call_later(self.seconds, self._look)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        before = self._inner.cycle
        self._inner.data_received(data)
        if self._inner.cycle is not before:  # a head is complete
            self._since = None
        elif self._since is None and (before is None or before.response_complete):  # the next begins
            self._since = self._loop.time()

    def eof_received(self) -> bool | None:
        return cast("bool | None", self._inner.eof_received())

    def pause_writing(self) -> None:
        self._full = self._loop.time()
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._full = None
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._inner.connection_lost(exc)

    def _look(self) -> None:
        """Give up a connection that is past a deadline; look again when it might be."""
        now = self._loop.time()
        waits = [began for began in (self._since, self._full) if began is not None]
        left = min(waits, default=now) + self.seconds - now
        if left <= 0 and self._transport is not None:
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(max(left, 0.01), self._look)


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


def server_of(app: ASGIApp, limits: Limits, *, tls: Tls | None = None, proxies: str = "") -> uvicorn.Server:
    """uvicorn, ready to run on a listener: `server_of(app, limits).run(sockets=[listener])`. It serves until SIGTERM or SIGINT;
    what was begun is answered before it returns.

    Args:
        proxies: addresses, separated by commas, whose X-Forwarded headers are believed; "" for none.

    Raises:
        InvalidInput: the certificate or its key cannot be used.
    """
    settings: dict[str, Any] = {}
    if tls:
        settings = {
            "ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key), "ssl_keyfile_password": tls.password,
        }  # fmt: skip
    config = uvicorn.Config(
        app,
        http=type("Patient", (Patient,), {"seconds": limits.head_seconds}),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        limit_concurrency=limits.connections,
        timeout_keep_alive=max(1, round(limits.head_seconds)),
        timeout_graceful_shutdown=_GRACE_SECONDS,
        **settings,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"the certificate or its key cannot be used: {error}") from None
    return uvicorn.Server(config)
