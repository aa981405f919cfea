"""The server's application: routes for agents and operators over one state.

    state = State.open("state/")
    app = create_app(state)              # an ASGI application; anything more is added to it:
    app.include_router(pages)            # its routes find the state with `context_of(request).state`

`serve INDEX` serves one probe to anybody instead (`cloud.server`), behind the same front.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxyset.errors import MissingExtra
from proxyset.server.state import State

if TYPE_CHECKING:
    from fastapi import FastAPI

    from proxyset.server.limits import Limits
    from proxyset.server.oidc import Provider
    from proxyset.server.telemetry import Telemetry


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
        MissingExtra: fastapi or prometheus-client is not installed.
        InvalidInput: the public URL has no host.
    """
    require_extra()
    from proxyset.server.application import service
    from proxyset.server.limits import Limits

    return service(state, public_url, limits or Limits(), provider, telemetry)


def require_extra() -> None:
    """Raises MissingExtra when what the server's routes need is not installed."""
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "server", "The server's routes") from None
