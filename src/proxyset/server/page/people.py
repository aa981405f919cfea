"""Who takes part, and who did what: clients, invitations, operators, acts. Each is a list to page through and to search."""

from __future__ import annotations

from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxyset.page.site import Confirmation, Site, Visit
from proxyset.printable import shortened
from proxyset.server.records import Client
from proxyset.server.state import State

_KEY_SHOWN = 12


class People:
    """The views of lists of people.

    Args:
        site: where they are shown.
        state: of the server.
        may: the scopes of who asks.
    """

    def __init__(self, site: Site, state: State, may: Callable[[Visit], set[str]]) -> None:
        self._site, self._state, self._may = site, state, may

    def clients(self, visit: Visit) -> Response:
        part = self._state.lists.clients(*looked_for(visit))
        return self._site.render(visit, "clients.html.j2", part=part, may=self._may(visit))

    def ask_revoke(self, visit: Visit) -> Response:
        client = self._client(visit)
        answers = len(self._state.answered(client.key))
        asked = Confirmation(
            f"Revoke {client.name}?",
            (
                f"It is answered no more, from this moment on: the key {client.key[:_KEY_SHOWN]}… can fetch no question and hand "
                "in no answer.",
                f"What it has sent is kept and still counts: {answers:,} {'answer' if answers == 1 else 'answers'}.",
                "A revoked key stays revoked. To take part again, that client needs a new ledger and a new invitation.",
            ),
            "Revoke it for good",
            f"/clients/{client.key}/revoke",
            "/clients",
        )
        return self._site.confirm(visit, asked)

    def revoke(self, visit: Visit) -> Response:
        client = self._state.revoke_client(visit.part("key"))
        visit.say(f"{client.name} is answered no more. What it sent is kept.")
        return self._site.redirect("/clients")

    def invitations(self, visit: Visit) -> Response:
        return self._show_invitations(visit, "", "")

    def invite(self, visit: Visit) -> Response:
        """Make an invitation; its secret is shown in this one response and can never be shown again."""
        name = visit.text("name")
        return self._show_invitations(visit, name, self._state.create_token(name))

    def ask_withdraw(self, visit: Visit) -> Response:
        id = visit.part("id")
        names = [token.name for token in self._state.tokens() if token.id == id and token.open()]
        if not names:
            raise HTTPException(404, f"there is no unused invitation {shortened(id, 40)!r}")
        asked = Confirmation(
            f"Withdraw the invitation for {names[0]}?",
            (
                "Nobody can enrol with it any more, from this moment on.",
                "Its token cannot be made valid again. You can invite the same client anew at any time.",
            ),
            "Withdraw it",
            f"/invitations/{id}/withdraw",
            "/invitations",
        )
        return self._site.confirm(visit, asked)

    def withdraw(self, visit: Visit) -> Response:
        self._state.withdraw_token(visit.part("id"))
        visit.say("Withdrawn: nobody can enrol with that token.")
        return self._site.redirect("/invitations")

    def operators(self, visit: Visit) -> Response:
        part = self._state.lists.operators(*looked_for(visit))
        return self._site.render(visit, "operators.html.j2", part=part)

    def acts(self, visit: Visit) -> Response:
        part = self._state.lists.acts(*looked_for(visit))
        return self._site.render(visit, "acts.html.j2", part=part)

    def _client(self, visit: Visit) -> Client:
        client = self._state.client(visit.part("key"))
        if client is None or client.revoked:
            raise HTTPException(404, "no client that was not revoked has this key")
        return client

    def _show_invitations(self, visit: Visit, name: str, token: str) -> Response:
        part = self._state.lists.invitations(*(("", 1) if token else looked_for(visit)))
        may = self._may(visit)
        return self._site.render(
            visit, "invitations.html.j2", part=part, may=may, name=name, token_value=token
        )


def looked_for(visit: Visit) -> tuple[str, int]:
    """What is searched for, and which page of it."""
    return visit.text("q")[:200], visit.whole("page", 1)
