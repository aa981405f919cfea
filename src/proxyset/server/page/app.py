"""The operator's page, mounted into the server's application."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxyset.page.site import Site
from proxyset.server.oidc import BACK, Provider
from proxyset.server.page.sessions import StoredSessions
from proxyset.server.page.views import Desk
from proxyset.server.records import Scope
from proxyset.server.state import State

PREFIX = "/page"
_FOOTER = "Everything here is made of public items and of noisy counts that clients released. No private item is here."


def mount_page(
    app: FastAPI,
    state: State,
    *,
    public_url: str = "",
    watched: Sequence[Path] = (),
    provider: Provider | None = None,
) -> Desk:
    """Mount the operator's page at /page, and send / there.

    Args:
        app: the server's application (`cloud.app.create_app`).
        state: its state.
        public_url: what the server is called; with it, the page answers under no other name but loopback ones.
        watched: folders whose progress is shown.
        provider: who else vouches for operators.

    Returns:
        The views; `work.close()` waits for what runs in the background.
    """
    name = urlsplit(public_url).netloc.lower()

    def is_ours(host: str) -> bool:
        host = host.lower()
        return not name or host == name or host.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")

    site = Site(
        "proxyset.server.page",
        cookie="proxyset-operator",
        is_ours=is_ours,
        prefix=PREFIX,
        sessions=StoredSessions(state),
        site="proxyset · operator",
        footer=_FOOTER,
    )
    desk = Desk(site, state, watched, provider)
    read, campaign, people = Scope.read, Scope.campaigns, Scope.clients
    site.get("/login", desk.login, public=True)
    site.post("/login", desk.enter, public=True)
    site.post("/logout", desk.logout)
    site.get("/oidc", desk.go, public=True)
    site.get(BACK, desk.back, public=True)
    at, cluster, drawn = "/campaigns/{campaign}", "/clusters/{cluster}", "/sets/{set}"
    site.get("/", desk.needs(read, desk.home, filters=True))
    for path, view in {
        "/progress": desk.progress,
        "/progress/now": desk.building,
        "/clients": desk.clients,
        at: desk.campaign,
        f"{at}/arrivals": desk.arrivals,
        f"{at}/drawing": desk.drawing,
        at + cluster: desk.cluster,
        f"{at}{cluster}/near": desk.near,
        f"{at}{cluster}/{{number}}.png": desk.item,
        at + drawn: desk.proxy,
        f"{at}{drawn}/{{rank}}.png": desk.picked,
        f"{at}{drawn}/judging": desk.judging,
        f"{at}{drawn}/file": desk.download,
    }.items():
        site.get(path, desk.needs(read, view))
    site.get("/new", desk.needs(campaign, desk.new, filters=True))
    site.post("/new", desk.needs(campaign, desk.create, filters=True))
    for path, scope, view in (
        (f"{at}/close", campaign, desk.close),
        (f"{at}/draw", campaign, desk.draw),
        (f"{at}{drawn}/gain", read, desk.judge),
        ("/clients/invite", people, desk.invite),
        ("/clients/withdraw", people, desk.withdraw),
        ("/clients/{key}/revoke", people, desk.revoke),
    ):
        site.post(path, desk.needs(scope, view))

    async def to_page(_: Request) -> Response:
        return RedirectResponse(f"{PREFIX}/", 303)

    app.add_route("/", to_page, include_in_schema=False)
    app.mount(PREFIX, site.app())
    return desk
