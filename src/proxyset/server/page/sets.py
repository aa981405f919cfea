"""Proxy sets of a campaign: drawn, looked at, judged, taken away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from proxyset.cloud.export import FORMS
from proxyset.cloud.own_share import own_share_words
from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.select import STRATEGIES
from proxyset.errors import InvalidInput
from proxyset.page.part import part_of
from proxyset.page.pictures import picture
from proxyset.page.site import Site, Visit
from proxyset.page.wording import in_words
from proxyset.page.work import Say, Work
from proxyset.server import campaigns
from proxyset.server.acting import acting, actor
from proxyset.server.page.archive import pack
from proxyset.server.page.gain import Gain, estimate
from proxyset.server.page.library import Library
from proxyset.server.records import Campaign, Selection
from proxyset.server.state import State

_ITEMS = 120  # of a proxy set on a page


class Sets:
    """The views of proxy sets.

    Args:
        site: where they are shown.
        state: of the server.
        library, work: of the page.
        find: the campaign of a visit.

    Attributes:
        gains: what was estimated since the server began, by campaign and number of the set.
    """

    def __init__(
        self, site: Site, state: State, library: Library, work: Work, find: Callable[[Visit], Campaign]
    ) -> None:
        self._site, self._state, self._library, self._work, self._find = site, state, library, work, find
        self.gains: dict[tuple[str, int], Gain] = {}

    def proxy(self, visit: Visit) -> Response:
        campaign, selection, proxy = self._proxy(visit)
        table = proxy.selection()
        part = part_of(range(len(table)), visit.whole("page", 1), size=_ITEMS)
        rows = table.slice(part.first - 1, _ITEMS).to_pylist()
        state, words = self._work.state(f"gain {campaign.id} {selection.id}")
        return self._site.render(
            visit,
            "proxy.html.j2",
            campaign=campaign,
            it=selection,
            card=proxy.card,
            rows=rows,
            words_of=_in_words(proxy, part.first - 1) if proxy.card.kind != "image" else [],
            part=part,
            reasons=Counter(table.column("reason").to_pylist()).most_common(12),
            labels=Counter(
                label for label in table.column("label").to_pylist() if label is not None
            ).most_common(12),
            forms=["zip", *forms_of(proxy.card.kind)],
            gain=self.gains.get((campaign.id, selection.id)),
            kind=own_share_words(proxy.card.own_share_at_most),
            labelled=table.column("label").null_count < len(table),
            work=state,
            words=words,
        )

    def picked(self, visit: Visit) -> Response:
        _, _, proxy = self._proxy(visit)
        rank, table = visit.count("rank"), proxy.selection()
        name = table.column("file")[rank].as_py() if rank < len(table) else None
        return shown((proxy.folder / "items" / name).read_bytes() if name else None)

    def judging(self, visit: Visit) -> Response:
        campaign, selection, _ = self._proxy(visit)
        return self._site.working(self._work, f"gain {campaign.id} {selection.id}")

    def drawing(self, visit: Visit) -> Response:
        return self._site.working(self._work, f"draw {self._find(visit).id}")

    def download(self, visit: Visit) -> Response:
        campaign, selection, proxy = self._proxy(visit)
        place, file = pack(proxy, visit.text("form") or "zip", f"{campaign.id}-{selection.id}")
        return FileResponse(file, filename=file.name, background=BackgroundTask(place.cleanup))

    def draw(self, visit: Visit) -> Response:
        campaign = self._find(visit)
        budget, seed = visit.whole("budget", campaign.budget), visit.whole("seed", 0)
        strategy = visit.text("strategy") or campaign.strategy
        STRATEGIES.find(strategy)
        if budget < 1:
            raise InvalidInput(f"a proxy set needs at least 1 item, not {budget}")

        who = actor()

        def job(_: Say) -> str:
            with acting(who.name, who.way):  # in another thread, later
                proxy = campaigns.draw(self._state, campaign.id, budget=budget, strategy=strategy, seed=seed)
            return f"Drawn: {proxy.card.items:,} items by {strategy}."

        self._work.start(f"draw {campaign.id}", job)
        return self._site.redirect(f"/campaigns/{campaign.id}#sets")

    def judge(self, visit: Visit) -> Response:
        campaign, selection, proxy = self._proxy(visit)

        def job(say: Say) -> str:
            say("The answers are added up.")
            coverage = self._library.coverage(campaign.id)
            if coverage is None:
                raise InvalidInput("nobody has answered: without a release there is nothing to judge by")
            index, _ = self._library.index(campaign.index, say)
            say("Classifiers are trained on this set and on random ones.")
            gain = estimate(index, proxy, coverage)
            self.gains[campaign.id, selection.id] = gain
            return f"{100 * gain.proxy:.1f} % against {100 * gain.mean:.1f} % at random."

        self._work.start(f"gain {campaign.id} {selection.id}", job)
        return self._site.redirect(f"/campaigns/{campaign.id}/sets/{selection.id}#gain")

    def _proxy(self, visit: Visit) -> tuple[Campaign, Selection, ProxySet]:
        campaign, number = self._find(visit), visit.count("set")
        for selection in self._state.selections(campaign.id):
            if selection.id == number:
                return campaign, selection, ProxySet.open(selection.folder)
        raise HTTPException(404, f"campaign {campaign.id} has no proxy set {number}")


def shown(item: object) -> Response:
    """A picture of an item. Raises HTTPException 404 where there is none."""
    if not isinstance(item, bytes):
        raise HTTPException(404, "there is no such picture")
    return picture(item)


def _in_words(proxy: ProxySet, first: int) -> list[str]:
    return [in_words(item) for item in islice(proxy.items(), first, first + _ITEMS)]


def forms_of(kind: str) -> list[str]:
    """The export forms that items of a kind can take."""
    unfit = {"image": (), "text": ("imagefolder",)}.get(kind, ("imagefolder", "webdataset", "label-studio"))
    return [form for form in sorted(FORMS) if form not in unfit]
