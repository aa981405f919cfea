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

_LINKS = (
    ("/", "Campaigns"),
    ("/clients", "Clients"),
    ("/invitations", "Invitations"),
    ("/indexes", "Indexes"),
    ("/operators", "Operators"),
    ("/acts", "Log"),
    ("/progress", "In progress"),
)


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
        app: the server's application (`server.app.create_app`).
        state: its state.
        public_url: what the server is called; with it, the page answers under no other name but loopback ones.
        watched: folders whose progress is shown.
        provider: who else vouches for operators.

    Returns:
        The views; `close()` waits for what runs in the background.
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
        links=_LINKS,
        site="proxyset · operator",
        footer=_FOOTER,
    )
    desk = Desk(site, state, watched, provider)
    read, campaign, clients = Scope.read, Scope.campaigns, Scope.clients
    people, sets = desk.people, desk.sets
    site.get("/login", desk.login, public=True)
    site.post("/login", desk.enter, public=True)
    site.post("/logout", desk.logout)
    site.get("/oidc", desk.go, public=True)
    site.get(BACK, desk.back, public=True)
    at, cluster, drawn = "/campaigns/{campaign}", "/clusters/{cluster}", "/sets/{set}"
    site.get("/", desk.needs(read, desk.home, filters=True))
    for path, view in {
        "/indexes": desk.indexes,
        "/progress": desk.progress,
        "/progress/now": desk.building,
        "/clients": people.clients,
        "/invitations": people.invitations,
        "/operators": people.operators,
        "/acts": people.acts,
        at: desk.campaign,
        f"{at}/answers": desk.answers,
        f"{at}/arrivals": desk.arrivals,
        f"{at}/drawing": sets.drawing,
        f"{at}/opening": desk.opening,
        f"{at}/mapping": desk.mapping,
        f"{at}/clusters": desk.clusters,
        at + cluster: desk.cluster,
        f"{at}{cluster}/near": desk.near,
        f"{at}{cluster}/{{number}}.png": desk.item,
        at + drawn: sets.proxy,
        f"{at}{drawn}/{{rank}}.png": sets.picked,
        f"{at}{drawn}/judging": sets.judging,
        f"{at}{drawn}/file": sets.download,
    }.items():
        site.get(path, desk.needs(read, view))
    site.get("/new", desk.needs(campaign, desk.new, filters=True))
    site.post("/new", desk.needs(campaign, desk.create, filters=True))
    # what cannot be undone is asked for (GET) before it is done (POST)
    for path, scope, ask, act in (
        (f"{at}/close", campaign, desk.ask_close, desk.close_campaign),
        (f"{at}/open", campaign, desk.ask_open, desk.open_sum),
        ("/clients/{key}/revoke", clients, people.ask_revoke, people.revoke),
        ("/invitations/{id}/withdraw", clients, people.ask_withdraw, people.withdraw),
    ):
        site.get(path, desk.needs(scope, ask))
        site.post(path, desk.needs(scope, act))
    site.post(f"{at}/draw", desk.needs(campaign, sets.draw))
    site.post(f"{at}{drawn}/gain", desk.needs(read, sets.judge))
    site.post("/invitations", desk.needs(clients, people.invite))

    async def to_page(_: Request) -> Response:
        return RedirectResponse(f"{PREFIX}/", 303)

    app.add_route("/", to_page, include_in_schema=False)
    app.mount(PREFIX, site.app())
    return desk
