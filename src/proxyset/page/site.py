"""A site: routes, templates and logins, with everything guarded that can be guarded in one place.

Every view is a plain function that runs in a thread and gets a `Visit`. Without a session only what is marked public can
be seen; a POST is looked at only when its Origin is this site and its form carries the token of its session.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from proxyset.errors import DiskFull, LedgerError, ProxysetError, Refused, TransportError
from proxyset.page.bodies import allow
from proxyset.page.environment import environment
from proxyset.page.guard import Guard, same_origin
from proxyset.page.sessions import Session, Sessions, Store
from proxyset.page.work import Work
from proxyset.printable import shortened

# "page.css" begins with the colours that the demo's report shares
_PARTS = {"page.css": ("colours.css", "page.css")}
_STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_STATUS = ((Refused, 409), (TransportError, 502), (LedgerError, 503), (DiskFull, 507), (ProxysetError, 422))


@dataclass(frozen=True)
class Visit:
    """What a view gets to know.

    Attributes:
        request: as Starlette has it.
        session: of the visitor; a public view may get None.
        form: of a POST; empty otherwise.
    """

    request: Request
    session: Session | None = None
    form: FormData = field(default_factory=FormData)

    def text(self, name: str) -> str:
        """A field of the form, or of the address, as text; "" when it is missing or a file."""
        value = self.form.get(name, self.request.query_params.get(name, ""))
        return value.strip() if isinstance(value, str) else ""

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def number(self, name: str, default: float) -> float:
        """A field as a finite number; `default` when it is empty.

        Raises:
            HTTPException: 422, it is something else.
        """
        try:
            number = float(self.text(name) or default)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise HTTPException(422, f"{name} must be a number, not {shortened(self.text(name), 100)!r}")
        return number

    def whole(self, name: str, default: int) -> int:
        """A field as a whole number of at most nine digits; `default` when it is empty.

        Raises:
            HTTPException: 422, it is something else.
        """
        number = self.number(name, default)
        if abs(number) >= 1e9 or number != int(number):
            raise HTTPException(422, f"{name} must be a whole number below 1,000,000,000, not {number:g}")
        return int(number)

    def count(self, name: str) -> int:
        """A part of the path as a whole number. Raises HTTPException 404 when it cannot be the number of anything."""
        digits = self.part(name)
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
            raise HTTPException(404, f"there is no {name} of that number")
        return int(digits)

    def say(self, message: str) -> None:
        """Tell the visitor at the top of the next page."""
        if self.session:
            self.session.say(message)


View = Callable[[Visit], Response]


@dataclass(frozen=True)
class Confirmation:
    """What is asked before something is done that cannot be undone: a page of its own, which works without script.

    Attributes:
        title: the question.
        told: what will happen, and what will stay as it is; one sentence or more an item.
        button: what the button that does it says.
        action: where its form goes.
        back: where somebody goes who had rather not.
        fields: that the form carries on.
    """

    title: str
    told: Sequence[str]
    button: str
    action: str
    back: str
    fields: Mapping[str, str] = field(default_factory=dict)


class Site:
    """Routes, templates and sessions of one site.

    Args:
        package: whose folder `templates` has its templates; those of this package are found too.
        cookie: name of the session's cookie.
        is_ours: whether a Host header names this site.
        prefix: where it is mounted, "" or "/name".
        most: bytes of a request's body.
        sessions: who is logged in; None keeps them in memory.
        links: path and name of what the head of every page leads to.
        values: what every template gets.
    """

    def __init__(
        self,
        package: str,
        *,
        cookie: str,
        is_ours: Callable[[str], bool],
        prefix: str = "",
        most: int = 64 << 10,
        sessions: Store | None = None,
        links: Sequence[tuple[str, str]] = (),
        **values: Any,
    ) -> None:
        self.sessions: Store = sessions or Sessions()
        self.prefix = prefix
        self._cookie, self._is_ours, self._most = cookie, is_ours, most
        self._routes: list[Route] = []
        self._templates = environment(package)
        folder = resources.files("proxyset.page") / "static"
        self._files = {
            name: b"\n".join((folder / part).read_bytes() for part in _PARTS.get(name, (name,)))
            for name in _STATIC
        }
        versions = {name: sha256(data).hexdigest()[:12] for name, data in self._files.items()}
        self._templates.globals.update(values, base=prefix, versions=versions, links=links)
        self.get("/static/{name}", self._static, public=True)
        self.get("/meaning", self._meaning)

    def get(self, path: str, view: View, *, public: bool = False) -> None:
        """Show `view` at `path`."""

        async def endpoint(request: Request) -> Response:
            session = await run_in_threadpool(self._session, request)
            self._note(request, path, session)
            if session is None and not public:
                return self.redirect("/login")
            return await self._run(view, Visit(request, session))

        self._routes.append(Route(path, endpoint, methods=["GET"]))

    def post(self, path: str, view: View, *, public: bool = False) -> None:
        """Let forms be sent to `path`. Public ones (a login) have no session's token, but the check of the origin."""

        async def endpoint(request: Request) -> Response:
            headers, session = request.headers, await run_in_threadpool(self._session, request)
            self._note(request, path, session)
            secure = request.url.scheme == "https"
            if not same_origin(headers.get("origin", ""), headers.get("host", ""), secure):
                raise HTTPException(403, "this form was not sent from this site")
            if session is None and not public:
                raise HTTPException(403, "log in first")
            allow(request, self._most)
            async with request.form(max_files=1, max_fields=50) as form:
                offered = form.get("csrf", "")
                if not public and not (session and _equal(offered, session.csrf)):
                    raise HTTPException(403, "this form is not of your session: load the page again")
                return await self._run(view, Visit(request, session, form))

        self._routes.append(Route(path, endpoint, methods=["POST"]))

    def render(self, visit: Visit, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page. Values are escaped unless they are Markup."""
        session = visit.session
        text = self._templates.get_template(template).render(
            session=session,
            messages=session.take_messages() if session else [],
            here=visit.request.url.path,
            **values,
        )
        return HTMLResponse(text, status)

    def confirm(self, visit: Visit, asked: Confirmation) -> HTMLResponse:
        """Ask before something is done that cannot be undone. The form of the page does it; nothing is done before."""
        return self.render(visit, "confirm.html.j2", asked=asked)

    def fragment(self, template: str, done: bool, **values: Any) -> HTMLResponse:
        """A part of a page that is asked for again and again until `done`."""
        text = self._templates.get_template(template).render(**values)
        return HTMLResponse(text, headers={"x-done": "yes" if done else "no"})

    def working(self, work: Work, name: str, template: str = "working.html.j2") -> HTMLResponse:
        """How far a job is: a part of a page that is asked for until it has ended."""
        state, words = work.state(name)
        return self.fragment(template, state != "running", work=state, words=words)

    def redirect(self, path: str) -> RedirectResponse:
        """On to another page of this site, with GET."""
        return RedirectResponse(self.prefix + path, 303)

    def log_in(self, visit: Visit, name: str, shown: Response | None = None) -> Response:
        """Begin a session and go on to the first page, or show something else.

        Over HTTPS the cookie is for HTTPS and for this very host only: neither a page without TLS nor a neighbour's subdomain can
        put another in its place.
        """
        response = shown or self.redirect("/")
        response.set_cookie(
            value=self.sessions.begin(name), samesite="strict", **self._cookie_of(visit.request)
        )
        return response

    def log_out(self, visit: Visit) -> Response:
        """End the session."""
        cookie = self._cookie_of(visit.request)
        self.sessions.end(visit.request.cookies.get(cookie["key"], ""))
        response = self.redirect("/login")
        response.delete_cookie(samesite="strict", **cookie)
        return response

    def leave(self, place: str, visit: Visit, secret: str) -> Response:
        """Send a browser to another site, from which it comes back within ten minutes with `secret` in a cookie."""
        response, cookie = RedirectResponse(place, 303), self._cookie_of(visit.request, "-away")
        response.set_cookie(value=secret, samesite="lax", max_age=600, **cookie)
        return response

    def left(self, visit: Visit) -> str:
        """The secret of a browser that is back, or ""."""
        return visit.request.cookies.get(self._cookie_of(visit.request, "-away")["key"], "")

    def app(self) -> ASGIApp:
        """The site as an ASGI application."""
        handlers: dict[Any, Any] = {HTTPException: self._http_error}
        return Guard(Starlette(routes=self._routes, exception_handlers=handlers), self._is_ours, self._most)

    def _note(self, request: Request, path: str, session: Session | None) -> None:
        """Tell whoever writes the log which route this is and who asks."""
        request.state.route = self.prefix + path
        request.state.who = session.name if session else ""

    async def _run(self, view: View, visit: Visit) -> Response:
        try:
            return await run_in_threadpool(view, visit)
        except ProxysetError as error:
            status = next(status for kind, status in _STATUS if isinstance(error, kind))
            return await run_in_threadpool(self._error, visit.request, status, str(error))

    async def _http_error(self, request: Request, error: HTTPException) -> Response:
        return await run_in_threadpool(self._error, request, error.status_code, error.detail)

    def _error(self, request: Request, status: int, message: str) -> Response:
        visit = Visit(request, self._session(request))
        title = "Refused" if status in (403, 409) else HTTPStatus(status).phrase
        return self.render(visit, "error.html.j2", status, title=title, message=message)

    def _session(self, request: Request) -> Session | None:
        cookie = request.cookies.get(self._cookie_of(request)["key"], "")
        return self.sessions.find(cookie) if cookie else None

    def _cookie_of(self, request: Request, end: str = "") -> dict[str, Any]:
        """Name and attributes of the session's cookie, or of another whose name has that end. The prefix __Host- has browsers
        demand Secure and the path /."""
        if request.url.scheme == "https":
            return {"key": f"__Host-{self._cookie}{end}", "path": "/", "secure": True, "httponly": True}
        return {"key": self._cookie + end, "path": self.prefix or "/", "secure": False, "httponly": True}

    def _meaning(self, visit: Visit) -> Response:
        return self.render(visit, "meaning.html.j2")

    def _static(self, visit: Visit) -> Response:
        name = visit.part("name")
        if name not in self._files:
            raise HTTPException(404, f"there is no {name!r} here")
        return Response(
            self._files[name], media_type=_STATIC[name], headers={"cache-control": "max-age=86400"}
        )


def _equal(offered: object, secret: str) -> bool:
    return isinstance(offered, str) and secrets.compare_digest(offered.encode(), secret.encode())
