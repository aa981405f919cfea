"""The guard around a site: which hosts it is, how much it reads, and the headers of every response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from proxyset.page.bodies import Body

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # not "no-referrer": with it browsers send "Origin: null", and the check of the origin needs the true one
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Guard:
    """An ASGI application around another.

    Attributes:
        app: what is guarded.
        is_ours: whether a Host header names this site. A page on another name that resolves here (DNS rebinding) is sent
            away with 400 before anything else happens.
        most: bytes of a request's body; more is 413, and a body of undeclared length 411.
    """

    app: ASGIApp
    is_ours: Callable[[str], bool]
    most: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                extra = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}

        async def refuse(status: int, reason: str) -> None:
            await PlainTextResponse(reason + "\n", status)(scope, receive, with_headers)

        if not self.is_ours(headers.get(b"host", "")):
            await refuse(400, "this is not a name of this site")
        elif b"transfer-encoding" in headers:
            await refuse(411, "send the length of the body")
        elif not _at_most(headers.get(b"content-length", "0"), self.most):
            await refuse(413, f"a request may have at most {self.most} bytes")
        else:
            body = Body.around(scope, receive)
            try:
                await self.app(scope, body, with_headers)
            finally:
                body.let_go()


def same_origin(origin: str, host: str, secure: bool = False) -> bool:
    """Whether an Origin header names the host that the request was sent to. Without the header: no.

    A page without TLS is no part of a `secure` site. The other way round it is one: a proxy in front may have the TLS.
    """
    scheme, found, rest = origin.partition("://")
    return (
        bool(found)
        and scheme in (("https",) if secure else ("http", "https"))
        and bool(host)
        and rest.lower() == host.lower()
    )


def _at_most(length: str, most: int) -> bool:
    return length.isascii() and length.isdigit() and len(length) < 20 and int(length) <= most
