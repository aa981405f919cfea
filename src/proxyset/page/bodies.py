"""Bodies of requests: sealed until somebody allows one, then at most so many bytes, within so much time.

A server puts a `Body` in the place of ASGI's `receive`. Whatever reads it, a framework's own parser too, gets nothing but 413
until a view has seen who asks and calls `allow`. So no route can read before it knows the asker, without a limit, or for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

SECONDS = 20.0
SLOWEST = 16 << 10  # bytes a second, once the time for a small body is over
_PLACE = "proxyset.body"


class Body:
    """ASGI's `receive` for one request.

    Args:
        receive: the server's.
        headers: of the request.
        seconds: that a small body may take from its first read to its end; each `SLOWEST` bytes allow one more.
    """

    def __init__(self, receive: Receive, headers: Mapping[str, str], seconds: float) -> None:
        self._receive, self._seconds = receive, seconds
        self._most = self._seen = 0
        announced = headers.get("content-length", "0")
        self._announced = int(announced) if announced.isdecimal() and len(announced) < 20 else 1 << 63
        self._end: float | None = None
        self.complete = self._announced == 0 and "transfer-encoding" not in headers

    @classmethod
    def around(cls, scope: Scope, receive: Receive, seconds: float = SECONDS) -> Body:
        """The body of a request, put into its scope, where `allow` finds it; the one that is there already, if any."""
        if _PLACE not in scope:
            scope[_PLACE] = cls(receive, Headers(scope=scope), seconds)
        return cast(Body, scope[_PLACE])

    def allow(self, most: int) -> None:
        """Let up to `most` bytes be read. Raises HTTPException 413 when more is announced."""
        self._most = most
        if self._announced > most:
            raise self._too_large()

    def let_go(self) -> None:
        """Forget the server's end, when the request is over: it refers to the scope, where this is, and to all of a connection."""
        self._receive = _over

    async def __call__(self) -> Message:
        if self.complete:
            return await self._receive()
        if self._most == 0:
            raise self._too_large()
        now = asyncio.get_running_loop().time()
        self._end = now + self._seconds if self._end is None else self._end
        try:
            async with asyncio.timeout(self._end + self._seen / SLOWEST - now):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408,
                f"{self._seen} bytes of the body came in time: {self._seconds:g} s and 1 s more for 16 KiB",
            ) from None
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "the sender went away")
        self._seen += len(message.get("body", b""))
        if self._seen > self._most:
            raise self._too_large()
        self.complete = not message.get("more_body", False)
        return message

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"at most {self._most} bytes are accepted here")


async def _over() -> Message:
    return {"type": "http.disconnect"}


def allow(request: Request, most: int) -> None:
    """Let a view read up to `most` bytes of the body. Call it when it is known who asks.

    Raises:
        HTTPException: 413, more is announced.
    """
    cast(Body, request.scope[_PLACE]).allow(most)


async def read(request: Request, most: int) -> bytes:
    """The whole body, of at most `most` bytes.

    Raises:
        HTTPException: 413, too large; 408, too slow; 400, the sender went away.
    """
    allow(request, most)
    return b"".join([part async for part in request.stream()])
