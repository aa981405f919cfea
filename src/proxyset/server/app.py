"""The server's application: the front, the routes for agents and operators over one state, what happens to errors.

    state = State.open("state/")
    app = create_app(state)              # an ASGI application; anything more is added to it:
    app.include_router(pages)            # its routes find the state with `context_of(request).state`

`serve INDEX` serves one probe to anybody instead (`single`), behind the same front.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from proxyset.errors import InvalidInput, NameTaken, StateError, TransportError, UnknownName
from proxyset.server import agents, operators
from proxyset.server.auth import Reader
from proxyset.server.context import Context, context_of
from proxyset.server.front import Front
from proxyset.server.limits import Buckets, Limits
from proxyset.server.logs import LOGGER, event
from proxyset.server.metrics import Metrics
from proxyset.server.oidc import Provider
from proxyset.server.state import State
from proxyset.server.telemetry import Telemetry
from proxyset.wire.signed_request import audience_of

operations = APIRouter(tags=["operations"])


@operations.head("/healthz", include_in_schema=False)
@operations.get("/healthz")
async def healthz(request: Request) -> dict[str, str]:
    """Whether the server answers, can read its state, and can store a release."""
    await run_in_threadpool(context_of(request).state.check)
    return {"status": "ok"}


@operations.get("/metrics", response_class=Response, responses={401: {}, 403: {}})
async def metrics(request: Request, who: Reader) -> Response:
    """Prometheus' text format; its token goes into `authorization.credentials` of the scrape configuration."""
    return Response(context_of(request).metrics.text(), media_type="text/plain; version=0.0.4")


def create_app(
    state: State,
    *,
    public_url: str = "",
    limits: Limits | None = None,
    provider: Provider | None = None,
    telemetry: Telemetry | None = None,
) -> FastAPI:
    """The application of one state.

    Args:
        state: stays the caller's to close, after the application has stopped.
        public_url: what clients call this server. With it, requests that were signed for another server are refused; without
            it, the Host header is believed, which any server between could have set.
        limits: None for the defaults.
        provider: whose ID tokens are good beside operators' tokens, if any.
        telemetry: where traces and metrics go, if anywhere; the caller closes it.

    Raises:
        InvalidInput: the public URL has no host.
    """
    limits, metrics = limits or Limits(), Metrics(telemetry)
    context = Context(
        state=state,
        limits=limits,
        metrics=metrics,
        audience=audience_of(public_url) if public_url else "",
        provider=provider,
    )

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        event("started", campaigns=len(state.campaigns()))
        yield
        event("stopped")

    app = FastAPI(title="proxyset", docs_url=None, redoc_url=None, lifespan=running)
    app.state.context = context
    for router in (agents.router, operations, operators.router):
        app.include_router(router)
    app.add_exception_handler(StateError, state_error)
    app.add_exception_handler(InvalidInput, _invalid)
    app.add_exception_handler(TransportError, _no_provider)
    add_front(app, limits, metrics)
    return app


def add_front(app: FastAPI, limits: Limits, metrics: Metrics) -> None:
    """Put what every request passes first before an application."""
    addresses = Buckets(limits.address, limits.address_burst)
    app.add_middleware(Front, addresses=addresses, metrics=metrics, body_seconds=limits.body_seconds)


async def _invalid(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


async def _no_provider(request: Request, error: Exception) -> Response:
    LOGGER.error("provider", exc_info=error)
    return JSONResponse(
        {"detail": "the provider of operators cannot be asked now"}, 503, {"retry-after": "10"}
    )


async def state_error(request: Request, error: Exception) -> Response:
    """What a route answers when the state says no: 404 and 409 for names, 503 where it cannot be used."""
    if isinstance(error, UnknownName):
        return JSONResponse({"detail": str(error)}, 404)
    if isinstance(error, NameTaken):
        return JSONResponse({"detail": str(error)}, 409)
    LOGGER.error("state", exc_info=error)
    return JSONResponse(
        {"detail": "the state cannot be used now; try again later"}, 503, {"retry-after": "10"}
    )
