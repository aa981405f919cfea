"""The owner's page as an application: loopback only, one owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp

from proxyset.agent.page.settings import Settings
from proxyset.agent.page.views import Owner
from proxyset.client.ledger import Ledger
from proxyset.page.sessions import OneTimeToken
from proxyset.page.site import Site

LARGEST_PROBE = (
    64 << 20
)  # bytes of a file that is sent through the page; larger ones go in by --probe or --questions
_FOOTER = (
    "This page is served by your own machine to this browser alone. It loads nothing from anywhere else."
)


@dataclass(frozen=True)
class OwnerPage:
    """The application, and what ends with it.

    Attributes:
        app: to be served on loopback.
        token: what opens a session.
        close: waits for an answer that is being made, so that what was paid for is stored.
    """

    app: ASGIApp
    token: OneTimeToken
    close: Callable[[], None]


def owner_page(
    ledger: Ledger, settings: Settings, port: int, used: Callable[[], None] = lambda: None
) -> OwnerPage:
    """The owner's page.

    Args:
        ledger: whose.
        settings: how answers are given.
        port: where it is served, on 127.0.0.1, ::1 or localhost; under other names it answers 400.
        used: called after a one-time token was used: there is a new one.
    """
    names = {f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")}
    site = Site(
        "proxyset.agent.page",
        cookie=f"proxyset-owner-{port}",
        is_ours=lambda host: host.lower() in names,
        most=LARGEST_PROBE,
        links=(("/", "Overview"), ("/#sent", "What has left"), ("/report", "Report")),
        site="proxyset · data owner",
        footer=_FOOTER,
    )
    token = OneTimeToken()
    owner = Owner(site, ledger, settings, token, used)
    site.get("/login", owner.login, public=True)
    site.post("/logout", owner.logout)
    site.get("/", owner.home)
    site.get("/asks/{name}", owner.ask)
    site.get("/asks/{name}/progress", owner.progress)
    site.get("/probes/{probe}/{number:int}.png", owner.picture)
    site.get("/sent/{seq:int}", owner.sent)
    site.get("/sent/{seq:int}/release", owner.release)
    site.get("/report", owner.report)
    site.post("/pull", owner.pull)
    site.post("/file", owner.file)
    # what cannot be undone is asked for (GET) before it is done (POST)
    for path, ask, act in (
        ("/asks/{name}/approve", owner.ask_approve, owner.approve),
        ("/asks/{name}/remove", owner.ask_remove, owner.remove),
    ):
        site.get(path, ask)
        site.post(path, act)
    site.post("/asks/{name}/refuse", owner.refuse)
    site.post("/sent/{seq:int}/counts", owner.counts)
    site.post("/sent/{seq:int}/verify", owner.verify_sent)
    site.post("/verify", owner.verify)
    return OwnerPage(site.app(), token, owner.work.close)
