"""The views of the operator's page, over the state that the server and the commands use too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from proxyset.cloud.export import FORMS
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.select import STRATEGIES
from proxyset.errors import InvalidInput, Refused, UnknownName
from proxyset.page.pictures import picture
from proxyset.page.site import Site, View, Visit
from proxyset.page.wording import in_words
from proxyset.page.work import Work
from proxyset.printable import shortened
from proxyset.server import campaigns
from proxyset.server.acting import acting, actor
from proxyset.server.oidc import Provider
from proxyset.server.page.archive import pack
from proxyset.server.page.gain import Gain, estimate
from proxyset.server.page.library import Library, Neighbour
from proxyset.server.page.maps import draw_map, level_of, levels
from proxyset.server.page.watched import look
from proxyset.server.records import Campaign, Operator, Scope, Selection
from proxyset.server.state import State
from proxyset.wire.campaign import Ask

_PAGE = 120


class Desk:
    """The operator's views.

    Args:
        site: where they are shown.
        state: of the server.
        watched: folders where indexes are built or models trained; a finished index among them is registered.
        provider: who vouches for operators without a token, or None.
    """

    def __init__(
        self, site: Site, state: State, watched: Sequence[Path], provider: Provider | None = None
    ) -> None:
        self._site, self._state, self._watched, self._provider = site, state, watched, provider
        self._library = Library(state)
        self._gains: dict[tuple[str, int], Gain] = {}
        self.work = Work()

    def needs(self, scope: Scope, view: View, filters: bool = False) -> View:
        """The view, for operators that have `scope`, in the campaign of the path if there is one, and were not revoked since they
        logged in. With `filters` also for those of some campaigns: the view itself keeps others from them."""

        def checked(visit: Visit) -> Response:
            who = self._operator(visit)
            if who is None:
                return self._site.log_out(visit)
            if not (who.may(scope, _place(visit)) or (filters and who.somewhere(scope))):
                raise HTTPException(403, f"you lack the scope {scope.value!r} here: ask for it")
            with acting(who.name, "page"):
                return view(visit)

        return checked

    # Logging in

    def login(self, visit: Visit) -> Response:
        if visit.session:
            return self._site.redirect("/")
        return self._site.render(visit, "login.html.j2", failed=False, provider=bool(self._provider))

    def enter(self, visit: Visit) -> Response:
        who = self._state.operator(visit.text("token"))
        if who is None:
            return self._site.render(visit, "login.html.j2", 403, failed=True, provider=bool(self._provider))
        with acting(who.name, "page"):
            return self._site.log_in(visit, who.name)

    def go(self, visit: Visit) -> Response:
        """Off to the provider."""
        place, secret = self._asked().begin()
        return self._site.leave(place, visit, secret)

    def back(self, visit: Visit) -> Response:
        """Back from it."""
        provider = self._asked()
        if not visit.text("code"):
            raise Refused(
                f"the provider says no: {shortened(visit.text('error') or 'without a reason', 100)}"
            )
        who = provider.finish(self._site.left(visit), visit.text("state"), visit.text("code"))
        if not self._state.vouch(who):
            raise Refused(f"{who.name} was revoked here")
        with acting(who.name, "page"):
            # not a redirect: a browser that comes from elsewhere would not bring the new session's cookie along
            shown = self._site.render(visit, "vouched.html.j2", name=who.name)
            shown.headers["refresh"] = f"0; url={self._site.prefix}/"
            return self._site.log_in(visit, who.name, shown)

    def _asked(self) -> Provider:
        if self._provider is None:
            raise HTTPException(404, "operators come by their tokens here")
        return self._provider

    def logout(self, visit: Visit) -> Response:
        return self._site.log_out(visit)

    # Looking

    def home(self, visit: Visit) -> Response:
        counts, who = self._state.release_counts(), self._operator(visit)
        found = [each for each in self._state.campaigns() if who and who.may(Scope.read, each.id)]
        clients = [client for client in self._state.clients() if not client.revoked]
        answers = {each.id: self._state.releases(each.id) for each in found}
        return self._site.render(
            visit,
            "home.html.j2",
            campaigns=[
                {
                    "it": each,
                    "answers": counts.get(each.id, 0),
                    "bytes": sum(r.size for r in answers[each.id]),
                }
                for each in reversed(found)
            ],
            clients=len(clients),
            indexes=self._state.indexes(),
            may=self._may(visit),
            watched=len(self._watched),
        )

    def progress(self, visit: Visit) -> Response:
        return self._site.render(
            visit, "progress.html.j2", watched=[look(folder) for folder in self._watched]
        )

    def building(self, visit: Visit) -> Response:
        found = [look(folder) for folder in self._watched]
        done = all(each.finished for each in found)
        return self._site.fragment("building.html.j2", done=done, watched=found)

    def new(self, visit: Visit) -> Response:
        self._register_finished()
        return self._site.render(
            visit, "new.html.j2", indexes=self._state.indexes(), strategies=STRATEGIES.names()
        )

    def campaign(self, visit: Visit) -> Response:
        campaign = self._campaign(visit)
        index, atlas = self._library.index(campaign.index)
        coverage = self._library.coverage(campaign.id)
        answers, sets = self._state.releases(campaign.id), self._state.selections(campaign.id)
        picked = self._picked(sets[-1]) if sets else Counter()
        names = {client.key: client.name for client in self._state.clients()}
        link = f"{self._site.prefix}/campaigns/{campaign.id}/clusters/"
        state, words = self.work.state(f"draw {campaign.id}")
        classes = level_of(coverage) or ["c0"] * len(atlas.sizes)
        order = np.argsort(-coverage.counts if coverage else -atlas.sizes, kind="stable")
        return self._site.render(
            visit,
            "campaign.html.j2",
            campaign=campaign,
            accepting=campaign.accepting(),
            answers=answers,
            shown=len(answers),
            names=names,
            enrolled=sum(1 for client in self._state.clients() if not client.revoked),
            probe=self._state.probe_size(campaign.probe),
            index=index,
            atlas=atlas,
            chart=draw_map(atlas, coverage, link),
            legend=levels(coverage),
            coverage=coverage,
            rows=[
                {
                    "cluster": int(j),
                    "size": int(atlas.sizes[j]),
                    "share": float(atlas.sizes[j] / atlas.sizes.sum()),
                    "count": float(coverage.counts[j]) if coverage else None,
                    "name": classes[j],
                    "picked": picked[int(j)],
                }
                for j in order
            ],
            sets=sets[::-1],
            gains={each.id: self._gains.get((campaign.id, each.id)) for each in sets},
            strategies=STRATEGIES.names(),
            model=self._state.model(campaign.id),
            may=self._may(visit),
            work=state,
            words=words,
        )

    def arrivals(self, visit: Visit) -> Response:
        """The part of a campaign's page that changes while answers come in."""
        campaign = self._campaign(visit)
        answers = self._state.releases(campaign.id)
        enrolled = sum(1 for client in self._state.clients() if not client.revoked)
        return self._site.fragment(
            "arrivals.html.j2",
            done=not campaign.accepting(),
            campaign=campaign,
            accepting=campaign.accepting(),
            answers=answers,
            enrolled=enrolled,
            shown=visit.whole("shown", len(answers)),
        )

    def drawing(self, visit: Visit) -> Response:
        state, words = self.work.state(f"draw {self._campaign(visit).id}")
        return self._site.fragment("working.html.j2", done=state != "running", work=state, words=words)

    def cluster(self, visit: Visit) -> Response:
        return self._site.render(visit, "cluster.html.j2", **self._near(visit))

    def near(self, visit: Visit) -> Response:
        """What the map shows beside itself when a circle is pointed at."""
        return self._site.fragment("near.html.j2", done=True, **self._near(visit))

    def item(self, visit: Visit) -> Response:
        campaign, cluster, number = self._campaign(visit), self._cluster(visit), visit.count("number")
        near = self._library.near(campaign.index, cluster)
        return _picture(near[number].item if number < len(near) else None)

    def proxy(self, visit: Visit) -> Response:
        campaign, selection, proxy = self._proxy(visit)
        table = proxy.selection()
        pages = max(1, -(-len(table) // _PAGE))
        page = min(max(1, visit.whole("page", 1)), pages)
        rows = table.slice((page - 1) * _PAGE, _PAGE).to_pylist()
        state, words = self.work.state(f"gain {campaign.id} {selection.id}")
        return self._site.render(
            visit,
            "proxy.html.j2",
            campaign=campaign,
            it=selection,
            card=proxy.card,
            rows=rows,
            words_of=_in_words(proxy, page) if proxy.card.kind != "image" else [],
            page=page,
            pages=pages,
            reasons=Counter(table.column("reason").to_pylist()).most_common(12),
            labels=Counter(
                label for label in table.column("label").to_pylist() if label is not None
            ).most_common(12),
            forms=["zip", *_forms(proxy.card.kind)],
            gain=self._gains.get((campaign.id, selection.id)),
            labelled=table.column("label").null_count < len(table),
            work=state,
            words=words,
        )

    def picked(self, visit: Visit) -> Response:
        _, _, proxy = self._proxy(visit)
        rank, table = visit.count("rank"), proxy.selection()
        name = table.column("file")[rank].as_py() if rank < len(table) else None
        return _picture((proxy.folder / "items" / name).read_bytes() if name else None)

    def judging(self, visit: Visit) -> Response:
        campaign, selection, _ = self._proxy(visit)
        state, words = self.work.state(f"gain {campaign.id} {selection.id}")
        return self._site.fragment("working.html.j2", done=state != "running", work=state, words=words)

    def download(self, visit: Visit) -> Response:
        campaign, selection, proxy = self._proxy(visit)
        place, file = pack(proxy, visit.text("form") or "zip", f"{campaign.id}-{selection.id}")
        return FileResponse(file, filename=file.name, background=BackgroundTask(place.cleanup))

    def clients(self, visit: Visit) -> Response:
        return self._show_clients(visit, "", "")

    # Acting

    def create(self, visit: Visit) -> Response:
        who = self._operator(visit)
        if who is None or not who.may(Scope.campaigns, visit.text("name")):
            raise HTTPException(
                403, f"you lack the scope 'campaigns' for {shortened(visit.text('name'), 100)!r}"
            )
        index = Index.open(self._state.index(visit.text("index")).folder)
        deadline = visit.text("deadline")
        try:
            ask = Ask.model_validate(
                {
                    "epsilon_low": visit.number("epsilon_low", 0.001),
                    "epsilon_high": visit.number("epsilon_high", 1),
                    "delta": visit.number("delta", 1e-5),
                    "unit": visit.text("unit") or "record",
                    "max_records": visit.whole("max_records", 1),
                    "adjacency": visit.text("adjacency") or "add-remove",
                }
            )
            ends = datetime.fromisoformat(deadline).replace(tzinfo=UTC) if deadline else None
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInput(f"{'.'.join(map(str, first['loc'])) or 'ε'}: {first['msg']}") from None
        except ValueError:
            raise InvalidInput(f"the deadline {deadline!r} is not a time") from None
        campaign = campaigns.create(
            self._state,
            visit.text("name"),
            index,
            ask,
            budget=visit.whole("budget", 0),
            purpose=visit.text("purpose"),
            strategy=visit.text("strategy"),
            deadline=ends,
        )
        visit.say(f"Campaign {campaign.id} is open: enrolled clients see it at once.")
        return self._site.redirect(f"/campaigns/{campaign.id}")

    def close(self, visit: Visit) -> Response:
        campaign = self._state.close_campaign(self._campaign(visit).id)
        visit.say("Closed: no further answer is taken. What has come is kept.")
        return self._site.redirect(f"/campaigns/{campaign.id}")

    def draw(self, visit: Visit) -> Response:
        campaign = self._campaign(visit)
        budget, seed = visit.whole("budget", campaign.budget), visit.whole("seed", 0)
        strategy = visit.text("strategy") or campaign.strategy
        STRATEGIES.find(strategy)
        if budget < 1:
            raise InvalidInput(f"a proxy set needs at least 1 item, not {budget}")

        who = actor()

        def job() -> str:
            with acting(who.name, who.way):  # in another thread, later
                proxy = campaigns.draw(self._state, campaign.id, budget=budget, strategy=strategy, seed=seed)
            return f"Drawn: {proxy.card.items:,} items by {strategy}."

        self.work.start(f"draw {campaign.id}", job)
        return self._site.redirect(f"/campaigns/{campaign.id}#sets")

    def judge(self, visit: Visit) -> Response:
        campaign, selection, proxy = self._proxy(visit)
        coverage = self._library.coverage(campaign.id)
        if coverage is None:
            raise InvalidInput("nobody has answered: without a release there is nothing to judge by")
        index, _ = self._library.index(campaign.index)

        def job() -> str:
            gain = estimate(index, proxy, coverage)
            self._gains[campaign.id, selection.id] = gain
            return f"{100 * gain.proxy:.1f} % against {100 * gain.mean:.1f} % at random."

        self.work.start(f"gain {campaign.id} {selection.id}", job)
        return self._site.redirect(f"/campaigns/{campaign.id}/sets/{selection.id}#gain")

    def invite(self, visit: Visit) -> Response:
        name = visit.text("name")
        return self._show_clients(visit, name, self._state.create_token(name))

    def withdraw(self, visit: Visit) -> Response:
        self._state.withdraw_token(visit.text("id"))
        visit.say("Withdrawn: nobody can enrol with that token.")
        return self._site.redirect("/clients")

    def revoke(self, visit: Visit) -> Response:
        client = self._state.revoke_client(visit.part("key"))
        visit.say(f"{client.name} is answered no more. What it sent is kept.")
        return self._site.redirect("/clients")

    # Parts

    def _operator(self, visit: Visit) -> Operator | None:
        found = self._state.operator_named(visit.session.name) if visit.session else None
        return found if found and found.good() else None

    def _may(self, visit: Visit) -> set[str]:
        who = self._operator(visit)
        if who is None:
            return set()
        place = _place(visit)
        return {scope.value for scope in Scope if (who.may(scope, place) if place else who.somewhere(scope))}

    def _campaign(self, visit: Visit) -> Campaign:
        try:
            return self._state.campaign(visit.part("campaign"))
        except UnknownName as error:
            raise HTTPException(404, str(error)) from None

    def _cluster(self, visit: Visit) -> int:
        cluster = visit.count("cluster")
        _, clusters = self._state.probe_size(self._campaign(visit).probe)
        if cluster >= clusters:
            raise HTTPException(404, f"there are {clusters} clusters, numbered from 0")
        return cluster

    def _near(self, visit: Visit) -> dict[str, Any]:
        campaign, cluster = self._campaign(visit), self._cluster(visit)
        index, atlas = self._library.index(campaign.index)
        coverage = self._library.coverage(campaign.id)
        near: list[Neighbour] = self._library.near(campaign.index, cluster)
        return {
            "campaign": campaign,
            "cluster": cluster,
            "kind": index.manifest.kind,
            "near": [(one, in_words(one.item)) for one in near],
            "items": int(atlas.sizes[cluster]),
            "share": float(atlas.sizes[cluster] / atlas.sizes.sum()),
            "count": float(coverage.counts[cluster]) if coverage else None,
            "sigma": coverage.sigma if coverage else None,
        }

    def _proxy(self, visit: Visit) -> tuple[Campaign, Selection, ProxySet]:
        campaign, number = self._campaign(visit), visit.count("set")
        for selection in self._state.selections(campaign.id):
            if selection.id == number:
                return campaign, selection, ProxySet.open(selection.folder)
        raise HTTPException(404, f"campaign {campaign.id} has no proxy set {number}")

    def _picked(self, selection: Selection) -> Counter[int]:
        return Counter(ProxySet.open(selection.folder).selection().column("cluster").to_pylist())

    def _register_finished(self) -> None:
        known = {record.folder for record in self._state.indexes()}
        for folder in self._watched:
            if folder.absolute() not in known and (folder / "manifest.json").is_file():
                index = Index.open(folder)
                self._state.add_index(index.fingerprint, index.folder, len(index), index.manifest.clusters)

    def _show_clients(self, visit: Visit, name: str, token: str) -> Response:
        clients = self._state.clients()
        spent: dict[str, list[float]] = {client.key: [] for client in clients}
        sizes: Counter[str] = Counter()
        for campaign in self._state.campaigns():
            for release in self._state.releases(campaign.id):
                spent[release.client].append(release.rho)
                sizes[release.client] += release.size
        return self._site.render(
            visit,
            "clients.html.j2",
            clients=[
                {
                    "it": each,
                    "answers": len(spent[each.key]),
                    "rho": sum(spent[each.key]),
                    "bytes": sizes[each.key],
                }
                for each in clients
            ],
            open=[each for each in self._state.tokens() if each.open()],
            may=self._may(visit),
            name=name,
            token_value=token,
        )


def _place(visit: Visit) -> str:
    """The campaign of the path, or ""."""
    return str(visit.request.path_params.get("campaign", ""))


def _picture(item: object) -> Response:
    if not isinstance(item, bytes):
        raise HTTPException(404, "there is no such picture")
    return picture(item)


def _in_words(proxy: ProxySet, page: int) -> list[str]:
    first = (page - 1) * _PAGE
    return [in_words(item) for item in islice(proxy.items(), first, first + _PAGE)]


def _forms(kind: str) -> list[str]:
    """The export forms that items of a kind can take."""
    unfit = {"image": (), "text": ("imagefolder",)}.get(kind, ("imagefolder", "webdataset", "label-studio"))
    return [form for form in sorted(FORMS) if form not in unfit]
