"""Putting an application together: the front, the routes, what happens to errors, and what starts and stops with it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from proxyset.errors import StateError, UnknownName
from proxyset.server import agents, operators
from proxyset.server.auth import operator
from proxyset.server.context import Context, Probes, context_of
from proxyset.server.direct import Direct
from proxyset.server.front import Front
from proxyset.server.identity import server_key
from proxyset.server.keeper import Keepers
from proxyset.server.limits import Buckets, Limits
from proxyset.server.logs import LOGGER, event
from proxyset.server.metrics import Metrics
from proxyset.server.records import Operator, Scope
from proxyset.server.state import State
from proxyset.wire.signed_request import audience_of

operations = APIRouter(tags=["operations"])


@operations.get("/healthz")
async def healthz(request: Request) -> dict[str, str]:
    """Whether the server answers, can read its state, and can store a release."""
    context = context_of(request)
    context.state.indexes()
    context.keepers.check()
    return {"status": "ok"}


@operations.get("/metrics", response_class=Response, responses={401: {}, 403: {}})
async def metrics(request: Request, who: Annotated[Operator, Depends(operator(Scope.read))]) -> Response:
    """Prometheus' text format; its token goes into `authorization.credentials` of the scrape configuration."""
    return Response(context_of(request).metrics.text(), media_type="text/plain; version=0.0.4")


def service(state: State, public_url: str, limits: Limits, keepers: int) -> FastAPI:
    """Campaigns over one state (`cloud.app.create_app`)."""
    metrics = Metrics()
    context = Context(
        state=state,
        limits=limits,
        metrics=metrics,
        keepers=Keepers(state.folder, keepers, metrics.commit),
        key=server_key(state.folder),
        probes=Probes(state),
        audience=audience_of(public_url) if public_url else "",
        started=time.time_ns() // 1_000_000,
    )

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        await context.keepers.start()
        event("started", campaigns=len(state.campaigns()))
        yield
        await context.keepers.stop()
        event("stopped")

    app = FastAPI(title="proxyset", docs_url=None, redoc_url=None, lifespan=running)
    app.state.context = context
    for router in (agents.router, operations, operators.router):
        app.include_router(router)
    app.add_exception_handler(StateError, _state_error)
    app.add_middleware(Direct, router=agents.router, state_error=_state_error)
    add_front(app, limits, metrics)
    return app


def add_front(app: FastAPI, limits: Limits, metrics: Metrics) -> None:
    """Put what every request passes first before an application."""
    addresses = Buckets(limits.address, limits.address_burst)
    app.add_middleware(Front, addresses=addresses, metrics=metrics)


async def _state_error(request: Request, error: Exception) -> Response:
    if isinstance(error, UnknownName):
        return JSONResponse({"detail": str(error)}, 404)
    LOGGER.error("state", exc_info=error)
    return JSONResponse(
        {"detail": "the state cannot be used now; try again later"}, 503, {"retry-after": "10"}
    )
