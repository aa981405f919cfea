"""The views of the operator's page, over the state that the server and the commands use too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.select import STRATEGIES
from proxyset.errors import InvalidInput, Refused, UnknownName, first_problem
from proxyset.page.part import ROWS, Part, part_of
from proxyset.page.site import Confirmation, Site, View, Visit
from proxyset.page.wording import in_words
from proxyset.page.work import Say, Work
from proxyset.printable import shortened
from proxyset.server import campaigns
from proxyset.server.acting import acting, actor
from proxyset.server.lists import ReportSent
from proxyset.server.oidc import Provider
from proxyset.server.page.library import Library, Neighbour, Sight
from proxyset.server.page.maps import draw_map, levels
from proxyset.server.page.people import People, looked_for
from proxyset.server.page.sets import Sets, shown
from proxyset.server.page.watched import look
from proxyset.server.records import Campaign, IndexRecord, Operator, ReleaseRecord, Scope, Selection
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of
from proxyset.wire.campaign import Ask

_NEWEST = 5  # answers on the page of a campaign


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
        self.work = Work()
        self.people = People(site, state, self._may)
        self.sets = Sets(site, state, self._library, self.work, self._campaign)

    def close(self) -> None:
        """Wait for what runs in the background."""
        self.work.close()
        self._library.work.close()

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
        who = self._state.accounts.holder(visit.text("token"))
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
        if not self._state.accounts.vouch(who):
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
        lists = self._state.lists
        indexes, who = self._state.indexes(), self._operator(visit)
        among = who.campaigns(Scope.read) if who else frozenset()
        part = lists.campaigns(*looked_for(visit), among)
        sums = sums_of(self._state)
        reports = {
            each.campaign.id: lists.arrived_reports(each.campaign.id).answers
            for each in part.rows
            if sums.find(each.campaign.id) is not None
        }
        return self._site.render(
            visit,
            "home.html.j2",
            part=part,
            reports=reports,
            all=among is None,
            campaigns=lists.campaigns(among=among).total,
            open=lists.open_campaigns(),
            clients=lists.enrolled(),
            arrived=lists.arrived_in_all(),
            indexes=indexes,
            may=self._may(visit),
            watched=len(self._watched),
        )

    def indexes(self, visit: Visit) -> Response:
        self._register_finished()
        wanted, page = looked_for(visit)

        def text(index: IndexRecord) -> str:
            return f"{index.name} {index.fingerprint}"

        part = part_of(self._state.indexes()[::-1], page, wanted, text)
        return self._site.render(visit, "indexes.html.j2", part=part, watched=len(self._watched))

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
        # first: what ends from here on is asked for again, and shown then
        state, words = self.work.state(f"draw {campaign.id}")
        opening, opened = self.work.state(f"open {campaign.id}")
        sets = self._state.selections(campaign.id)
        sight, drawing, drawn = self._library.sight(campaign)
        return self._site.render(
            visit,
            "campaign.html.j2",
            **self._arrived(campaign),
            newest=self._answers(campaign, size=_NEWEST),
            probe=self._state.probe_size(campaign.probe),
            index=self._state.index(campaign.index),
            sight=sight,
            chart=draw_map(sight.atlas, sight.coverage, self._clusters(campaign)) if sight else "",
            legend=levels(sight.coverage) if sight else [],
            drawing=drawing,
            drawn=drawn,
            sets=sets[::-1],
            gains={each.id: self.sets.gains.get((campaign.id, each.id)) for each in sets},
            strategies=STRATEGIES.names(),
            model=self._state.model(campaign.id),
            may=self._may(visit),
            work=state,
            words=words,
            opening=opening,
            opened=opened,
        )

    def answers(self, visit: Visit) -> Response:
        campaign = self._campaign(visit)
        part = self._answers(campaign, *looked_for(visit))
        reports = sums_of(self._state).find(campaign.id) is not None
        return self._site.render(visit, "answers.html.j2", campaign=campaign, part=part, reports=reports)

    def arrivals(self, visit: Visit) -> Response:
        """The part of a campaign's page that changes while answers come in."""
        campaign = self._campaign(visit)
        return self._site.fragment(
            "arrivals.html.j2", done=not campaign.accepting(), **self._arrived(campaign)
        )

    def opening(self, visit: Visit) -> Response:
        return self._site.working(self.work, f"open {self._campaign(visit).id}")

    def mapping(self, visit: Visit) -> Response:
        """How far the map of a campaign is."""
        return self._site.working(self._library.work, self._campaign(visit).id)

    def clusters(self, visit: Visit) -> Response:
        """What the map shows, as a table."""
        campaign = self._campaign(visit)
        sight = self._library.sight(campaign)[0]
        if sight is None:
            return self._site.redirect(f"/campaigns/{campaign.id}#map")
        atlas, coverage = sight.atlas, sight.coverage
        sets = self._state.selections(campaign.id)
        picked = self._picked(sets[-1]) if sets else Counter()
        order = np.argsort(-coverage.counts if coverage else -atlas.sizes, kind="stable")
        wanted, page = looked_for(visit)
        part = part_of(order.tolist(), page, wanted, lambda j: f"cluster {j}")
        rows = [
            {
                "cluster": j,
                "size": int(atlas.sizes[j]),
                "share": float(atlas.sizes[j] / atlas.sizes.sum()),
                "count": float(coverage.counts[j]) if coverage else None,
                "picked": picked[j],
            }
            for j in part.rows
        ]
        return self._site.render(
            visit,
            "clusters.html.j2",
            campaign=campaign,
            part=replace(part, rows=rows),
            sigma=coverage.sigma if coverage else None,
        )

    def cluster(self, visit: Visit) -> Response:
        near = self._near(visit)
        if near is None:
            return self._site.redirect(f"/campaigns/{self._campaign(visit).id}#map")
        return self._site.render(visit, "cluster.html.j2", **near)

    def near(self, visit: Visit) -> Response:
        """What the map shows beside itself when a circle is pointed at."""
        near = self._near(visit)
        if near is None:
            raise HTTPException(404, "the map is still being drawn")
        return self._site.fragment("near.html.j2", done=True, **near)

    def item(self, visit: Visit) -> Response:
        campaign, cluster, number = self._campaign(visit), self._cluster(visit), visit.count("number")
        near = self._library.near(campaign.index, cluster)
        return shown(near[number].item if number < len(near) else None)

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
            raise InvalidInput(first_problem(error, "ε")) from None
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

    def ask_close(self, visit: Visit) -> Response:
        campaign = self._campaign(visit)
        facts = self._arrived(campaign)
        missing, what = (
            max(0, facts["enrolled"] - facts["answered"]),
            "reports" if facts["task"] else "answers",
        )
        then = "The sum can be opened then, once." if facts["task"] else "Proxy sets can be drawn as before."
        asked = Confirmation(
            f"Close {campaign.id}?",
            (
                f"No more {what} are taken, from this moment on. {missing:,} of {facts['enrolled']:,} clients have sent none.",
                "It cannot be opened again. A new campaign asks everybody anew, and costs each client that answers once more.",
                f"What has come is kept: {facts['answered']:,} {what}. {then}",
            ),
            "Close it for good",
            f"/campaigns/{campaign.id}/close",
            f"/campaigns/{campaign.id}",
        )
        return self._site.confirm(visit, asked)

    def close_campaign(self, visit: Visit) -> Response:
        campaign = self._state.close_campaign(self._campaign(visit).id)
        visit.say("Closed: no further answer is taken. What has come is kept.")
        return self._site.redirect(f"/campaigns/{campaign.id}")

    def ask_open(self, visit: Visit) -> Response:
        campaign = self._campaign(visit)
        task = self._arrived(campaign)["task"]
        if task is None:
            raise HTTPException(404, f"campaign {campaign.id} asks for no sum of two parties")
        asked = Confirmation(
            f"Add up and open the sum of {campaign.id}?",
            (
                "The helper is asked to verify every report with this server. Invalid reports are left out, and counted.",
                f"With {task.minimum:,} valid reports or more, each of the two adds its noise once, and the sum is opened. With "
                "fewer it never is.",
                "It is opened once. No later report is taken, and no part of it is opened again: that is what clients paid for.",
            ),
            "Add up and open",
            f"/campaigns/{campaign.id}/open",
            f"/campaigns/{campaign.id}#sum",
        )
        return self._site.confirm(visit, asked)

    def open_sum(self, visit: Visit) -> Response:
        from proxyset.server.two_party.job import aggregate

        campaign, who = self._campaign(visit), actor()

        def job(say: Say) -> str:
            with acting(who.name, who.way):  # in another thread, later
                return f"Done: {aggregate(self._state, campaign.id, say).words()}."

        self.work.start(f"open {campaign.id}", job)
        return self._site.redirect(f"/campaigns/{campaign.id}#sum")

    # Parts

    def _operator(self, visit: Visit) -> Operator | None:
        found = self._state.accounts.named(visit.session.name) if visit.session else None
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

    def _answers(
        self, campaign: Campaign, wanted: str = "", page: int = 1, size: int = ROWS
    ) -> Part[ReleaseRecord] | Part[ReportSent]:
        lists = self._state.lists
        reports = sums_of(self._state).find(campaign.id) is not None
        return (lists.reports if reports else lists.answers)(campaign.id, wanted, page, size)

    def _clusters(self, campaign: Campaign) -> str:
        return f"{self._site.prefix}/campaigns/{campaign.id}/clusters/"

    def _arrived(self, campaign: Campaign) -> dict[str, Any]:
        """What came to a campaign: answers, or reports of a sum of two parties."""
        sums, lists = sums_of(self._state), self._state.lists
        found = sums.find(campaign.id)
        arrived = lists.arrived_reports(campaign.id) if found else lists.arrived(campaign.id)
        progress = sums.progress(campaign.id) if found else None
        return {
            "campaign": campaign,
            "accepting": campaign.accepting(),
            "arrived": arrived,
            "answered": arrived.answers,
            "enrolled": lists.enrolled(),
            "task": found.task if found else None,
            "helper": found.helper_url if found else "",
            "progress": progress,
        }

    def _near(self, visit: Visit) -> dict[str, Any] | None:
        """What a cluster holds; None while the map of the campaign is drawn for the first time."""
        campaign, cluster = self._campaign(visit), self._cluster(visit)
        sight: Sight | None = self._library.sight(campaign)[0]
        if sight is None:
            return None
        index, atlas, coverage = sight.index, sight.atlas, sight.coverage
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

    def _picked(self, selection: Selection) -> Counter[int]:
        return Counter(ProxySet.open(selection.folder).selection().column("cluster").to_pylist())

    def _register_finished(self) -> None:
        known = {record.folder for record in self._state.indexes()}
        for folder in self._watched:
            if folder.absolute() not in known and (folder / "manifest.json").is_file():
                index = Index.open(folder)
                self._state.add_index(index.fingerprint, folder, len(index), index.manifest.clusters)


def _place(visit: Visit) -> str:
    """The campaign of the path, or ""."""
    return str(visit.request.path_params.get("campaign", ""))
