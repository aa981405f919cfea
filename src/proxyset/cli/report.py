"""proxyset client report: what an ethics board or a data protection officer gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxyset import atomic
from proxyset.cli import options
from proxyset.cli.output import emit
from proxyset.cli.show import opened
from proxyset.client.ledger import Ledger


def report(
    ledger: options.LedgerArgument = None,
    out: Annotated[Path, typer.Option(help="File of the report.")] = Path("privacy-report.html"),
    question: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of a probe, or of questions, that was answered and is not in the inbox; may be repeated.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Write what was asked and shown, what left byte for byte, what it cost, your rules, and how to verify it: one HTML file.

    The ledger is read, no private data is. The page is complete in itself and prints well.

    Example: proxyset client report ledger.sqlite --out privacy-report.html
    """
    from proxyset.agent.report import render

    book = Ledger.open(ledger, create=False)
    page = render(book, [opened(file) for file in question or []]).html.encode()
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(out, page, atomic.SECRET)
    facts = {"out": str(out), "bytes": len(page), "ledger": str(book.path), "entries": len(book.entries())}
    emit(facts, f"{out}: {len(page):,} bytes; it loads nothing and sends nothing", json)
