"""proxyset client …: the data owner's agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxyset.cli.answer import _Adjacency, _Unit
from proxyset.cli.output import emit
from proxyset.client.agent import exchange
from proxyset.client.ledger import Ledger
from proxyset.wire.http import Http

app = typer.Typer(no_args_is_help=True, help="The data owner's agent: outbound connections only.")


@app.callback()
def _group() -> None:
    """Keeps `pull` a command of its own while it is the only one."""


@app.command()
def pull(
    url: Annotated[str, typer.Argument(help="The cloud's server, https://host:port.")],
    data: Annotated[Path, typer.Option(help="The private data: any kind that a pool may be.")],
    epsilon: Annotated[float, typer.Option(help="Privacy loss of this answer, 0.001 to 100.")],
    delta: Annotated[float, typer.Option(help="Probability that the loss is larger.")] = 1e-5,
    ledger: Annotated[
        Path | None, typer.Option(help="The ledger; your own by default.", show_default=False)
    ] = None,
    unit: Annotated[_Unit, typer.Option(help="What is protected.")] = _Unit.record,
    max_records: Annotated[int, typer.Option(help="Most records of one person that count.")] = 1,
    person: Annotated[
        str | None, typer.Option(help='Column that names the person, or "folder".', show_default=False)
    ] = None,
    adjacency: Annotated[
        _Adjacency, typer.Option(help="Which data sets are neighbours.")
    ] = _Adjacency.add_remove,
    encoder: Annotated[
        Path | None,
        typer.Option(help="Where the probe's encoder lies, if it has weights.", show_default=False),
    ] = None,
    skip_corrupt: Annotated[bool, typer.Option(help="Leave out records that cannot be encoded.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for each step of a request.", min=0.1)] = 30.0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line instead of words.")] = False,
) -> None:
    """Pull a probe, answer it, push the release. If the push fails, run it again: it costs nothing more.

    Example: proxyset client pull https://cloud.example --data private/ --epsilon 0.58
    """
    book = Ledger.open(ledger)
    before = book.spent()
    probe, release = exchange(
        Http(url, timeout),
        data,
        epsilon=epsilon,
        delta=delta,
        ledger=book,
        unit=unit.value,
        max_records=max_records,
        person=person,
        adjacency=adjacency.value,
        server=url,
        encoder=encoder,
        skip_corrupt=skip_corrupt,
    )
    sent, debited, left = len(release.to_bytes()), book.spent() - before, book.remaining(url)
    privacy = release.privacy
    facts = {
        "release": release.fingerprint,
        "probe": probe.fingerprint,
        "clusters": probe.clusters,
        "bytes_down": len(probe.data),
        "bytes_up": sent,
        "epsilon": privacy.epsilon,
        "delta": privacy.delta,
        "rho": privacy.rho,
        "sigma": privacy.sigma,
        "debited_rho": debited,
        "remaining_rho": left,
        "ledger": str(book.path),
    }
    words = (
        f"{url}: {len(probe.data):,} bytes down, {sent:,} up; ε = {privacy.epsilon:.4g} at δ = {privacy.delta:.1g}, "
        f"σ = {privacy.sigma:.4g}, ρ = {debited:.4g} debited, {left:.4g} left in {book.path}"
    )
    emit(facts, words, json)
