"""`proxyset look`: a page that shows what was picked and why."""

from __future__ import annotations

from typing import Annotated

import typer

from proxyset.cli.options import Json, ProxyFolder
from proxyset.cli.output import emit
from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.store import place, write_bytes


def look(
    proxy: ProxyFolder,
    out: Annotated[str, typer.Option(help="The page, one HTML file, or its URL.")] = "look.html",
    first: Annotated[int, typer.Option(help="Items to show, in order of rank.", min=1)] = 120,
    json: Json = False,
) -> None:
    """Write a page to look at: what was picked, and why, beside what chance would have picked.

    It is one file with its pictures in it, runs nothing and fetches nothing, so it can be sent to somebody.

    Example: proxyset look proxy --out look.html
    """
    from proxyset.jobs.gallery import gallery

    target = place(out)
    opened = ProxySet.open(proxy)
    page = gallery(opened, first).html.encode()
    write_bytes(target, page)
    shown = min(first, opened.card.items)
    facts = {"page": str(out), "bytes": len(page), "shown": shown, "items": opened.card.items}
    emit(facts, f"{out}: {shown:,} of {opened.card.items:,} items, beside a random sample", json)
