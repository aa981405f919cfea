"""What things take on this machine, beside named alternatives or at growing sizes."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Encoder = Annotated[Path, typer.Argument(help="Folder of an encoder that `proxyset encoder export` wrote.")]

Docs = Annotated[
    Path | None,
    typer.Option(
        help="Page whose table gets the rows, one by one; rows of another commit go.", show_default=False
    ),
]


class Store(StrEnum):
    """Where an index lies."""

    DISK = "disk"
    S3 = "S3"


def speed(
    cases: Annotated[
        list[str] | None,
        typer.Argument(help="Cases, or how some begin; all by default.", show_default=False),
    ] = None,
    rounds: Annotated[int, typer.Option(help="At most, for each case.", min=1)] = 5,
    seconds: Annotated[float, typer.Option(help="After which a case begins no round.")] = 120,
    docs: Docs = None,
) -> None:
    """Ratios of core-seconds against named alternatives, in turns, on one thread. Needs the extra `rivals`.

    Example: proxyset-lab speed assign k-center --docs docs/performance.md
    """
    from proxyset_lab.speed.compare import compare

    compare(cases or [], rounds, seconds, docs)


def scale(
    items: Annotated[
        list[int] | None,
        typer.Option(help="Size of a pool; may be repeated. None writes the page alone.", show_default=False),
    ] = None,
    strategies: Annotated[
        list[str] | None,
        typer.Option("--strategy", help="May be repeated; density-ratio by default.", show_default=False),
    ] = None,
    budget: Annotated[int, typer.Option(help="Items to select.", min=1)] = 10_000,
    store: Annotated[
        Store,
        typer.Option(
            help="Where index and proxy set lie: here, or on an S3 server of this machine (moto's)."
        ),
    ] = Store.DISK,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where pools and indexes go for the time; the system's own by default."),
    ] = None,
    rows: Annotated[Path, typer.Option(help="File of JSON lines that gets what was measured.")] = Path(
        "scale.jsonl"
    ),
    docs: Annotated[
        Path | None,
        typer.Option(help="Page whose table is written anew from all of those lines.", show_default=False),
    ] = None,
) -> None:
    """Core-seconds and peak memory of an index and of selections, step by step, at growing sizes (Linux).

    Example: proxyset-lab scale --items 1000000 --items 10000000 --docs docs/scale.md
    """
    from proxyset_lab.speed.scale import measure, write_page

    with tempfile.TemporaryDirectory(dir=folder) as work:
        measure(Path(work), items or [], strategies or ["density-ratio"], budget, store.value, rows)
    if docs:
        write_page(rows, docs)


def encoding(
    encoder: Encoder,
    images: Annotated[int, typer.Option(help="How many JPEGs.", min=1)] = 512,
    side: Annotated[int, typer.Option(help="Pixels of their shorter side.", min=8)] = 256,
    rounds: Annotated[int, typer.Option(min=1, help="Of the encoder and of its bare model, in turns.")] = 5,
) -> None:
    """Images a second of an ONNX encoder, against its bare model on the same images already decoded.

    Times are of the wall clock, so run it on an idle machine.

    Example: proxyset-lab encoding lite0
    """
    from proxyset_lab.speed.encoding import encoding_rate

    encoding_rate(encoder, images, side, rounds)


def vdaf(
    short: Annotated[bool, typer.Option("--short", help="Vectors of 100 components, one round.")] = False,
) -> None:
    """Speed of verifiable sums: reports per second of one core, against the same proof in plain Python integers.

    Example: proxyset-lab vdaf --short
    """
    from proxyset_lab.speed.vdaf import SIZES, print_table

    print_table(SIZES[:2] if short else SIZES, 1 if short else 5)


def client(encoder: Encoder) -> None:
    """What taking part costs a client with 1,000 images, against training on its own machine.

    Example: proxyset-lab client lite0
    """
    from proxyset_lab.speed.client import cost_of_taking_part

    cost_of_taking_part(encoder)
