"""The agents' routes without the framework's layers, which would cost as much as the answers themselves.

The routes stand in the application too: for the OpenAPI document, and for what is asked of them with another method.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from proxyset.errors import StateError

Handler = Callable[[Request, Any], Awaitable[Response]]


class Direct:
    """ASGI middleware that calls a router's endpoints with the request and the parameters in its path; the endpoints do all
    checks of their own.

    Args:
        app: answers everything else.
        router: routes whose parameters are text.
        state_error: makes the answer to a StateError.
    """

    def __init__(self, app: ASGIApp, *, router: APIRouter, state_error: Handler) -> None:
        self._app, self._state_error = app, state_error
        routes = [route for route in router.routes if isinstance(route, APIRoute)]
        self._routes = [
            (method, route.path_regex, route) for route in routes for method in route.methods or ()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for method, pattern, route in self._routes:
                if method == scope["method"] and (match := pattern.match(scope["path"])):
                    scope["route"] = route
                    response = await self._answer(route, Request(scope, receive, send), match.groupdict())
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, route: APIRoute, request: Request, facts: dict[str, str]) -> Response:
        try:
            answer: Response = await route.endpoint(request, **facts)
        except HTTPException as error:
            answer = await http_exception_handler(request, error)
        except StateError as error:
            answer = await self._state_error(request, error)
        return answer
