"""What every request passes first: the limit of its address, the seal of its body, security headers, the log line, the metrics."""

from __future__ import annotations

import time

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxyset.page.bodies import Body
from proxyset.server.limits import Buckets, address_of
from proxyset.server.logs import request_line
from proxyset.server.metrics import Metrics

# what a route sets itself is left alone
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_OVER_TLS = (*_HEADERS, (b"strict-transport-security", b"max-age=31536000"))
_QUIET = ("/healthz", "/metrics")


class Front:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, addresses: Buckets, metrics: Metrics, body_seconds: float) -> None:
        self._app, self._addresses, self._metrics = app, addresses, metrics
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status, sent = time.perf_counter(), 500, 0
        body = Body.around(scope, receive, self._body_seconds)
        ours = _OVER_TLS if scope["scheme"] == "https" else _HEADERS

        async def watch(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                present = {name for name, _ in headers}  # lower case, as ASGI demands
                headers += [pair for pair in ours if pair[0] not in present]
                if not body.complete:  # nobody goes on to send what is not read
                    headers.append((b"connection", b"close"))
            else:
                sent += len(message.get("body", b""))
            await send(message)

        wait = self._addresses.wait(address_of((scope.get("client") or ("",))[0]))
        try:
            if wait:
                busy = JSONResponse({"detail": "too many requests"}, 429, {"retry-after": str(int(wait) + 1)})
                await busy(scope, body, watch)
            else:
                await self._app(scope, body, watch)
        finally:
            body.let_go()
            seconds = time.perf_counter() - begin
            told = scope.get("state", {})
            route = told.get("route") or getattr(scope.get("route"), "path", "other")
            self._metrics.request(scope["method"], route, status, seconds, sent)
            if route not in _QUIET:
                request_line(
                    method=scope["method"],
                    route=route,
                    status=status,
                    ms=round(1000 * seconds, 2),
                    bytes=sent,
                    who=told.get("who", ""),
                )
