"""proxyset serve: the cloud's server."""

from __future__ import annotations

import gc
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal

import typer

from proxyset.cli.index import DtypeOption, ItemsOption
from proxyset.cli.options import Host, Json, TlsCert, TlsKey
from proxyset.cli.output import emit, note
from proxyset.cloud.index import Index
from proxyset.cloud.store import place
from proxyset.errors import InvalidInput
from proxyset.server.state import State, require_extra
from proxyset.wire.server_name import origin_of, server_name

_LOCAL = ("127.", "localhost", "::1")


def serve(
    index: Annotated[
        str | None,
        typer.Argument(
            help="Folder of an index, or its URL: serve its probe to anybody.", show_default=False
        ),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Campaigns to serve to enrolled clients: a folder, or postgresql://USER@HOST/DATABASE?files=FOLDER.",
            show_default=False,
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8080,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    public_url: Annotated[
        str, typer.Option(help="What clients call this server; requests signed for another are refused.")
    ] = "",
    proxies: Annotated[
        str, typer.Option(help="Addresses of proxies whose X-Forwarded headers are believed.")
    ] = "",
    address_rate: Annotated[
        float, typer.Option(help="Requests a second from one address; 0: no limit.", min=0)
    ] = 100.0,
    client_rate: Annotated[
        float, typer.Option(help="Requests a second of one client; 0: no limit.", min=0)
    ] = 10.0,
    log_level: Annotated[
        Literal["info", "warning", "error"], typer.Option(help="info (a line a request), warning or error.")
    ] = "info",
    watch: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --state: folder of an index or a training run whose progress the page shows; may be repeated.",
            show_default=False,
        ),
    ] = None,
    oidc: Annotated[
        Path | None,
        typer.Option(
            help="With --state: TOML file of the OpenID Connect provider that vouches for operators.",
            show_default=False,
        ),
    ] = None,
    otlp: Annotated[
        str | None,
        typer.Option(
            help="Collector of OpenTelemetry's traces and metrics, as http://127.0.0.1:4318.",
            show_default=False,
        ),
    ] = None,
    releases: Annotated[Path, typer.Option(help="Folder for what clients send to an INDEX.")] = Path(
        "releases"
    ),
    model: Annotated[
        str | None,
        typer.Option(help="Signed model to hand out beside an INDEX, or its URL.", show_default=False),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Signed encoder to hand out beside an INDEX, or its URL.", show_default=False),
    ] = None,
    dim: Annotated[int | None, typer.Option(help="Leading components to use.", show_default=False)] = None,
    dtype: DtypeOption = None,
    purpose: Annotated[str, typer.Option(help="What to tell the owner.")] = "",
    items: ItemsOption = True,
    json: Json = False,
) -> None:
    """Serve campaigns to enrolled clients, or the probe of one index to anybody. Stop with Ctrl-C.

    Example: proxyset serve --state state --host 0.0.0.0 --port 8443 --tls-cert cert.pem --tls-key key.pem
    """
    if (index is None) == (state is None):
        raise typer.BadParameter("serve one thing: an INDEX, to anybody, or --state DIR, to enrolled clients")
    if state and model:
        raise InvalidInput("--model goes with an INDEX; a campaign's model: proxyset campaign publish-model")
    if state and encoder:
        raise InvalidInput("--encoder goes with an INDEX; a campaign's: proxyset campaign publish-encoder")
    if index and oidc:
        raise InvalidInput("--oidc goes with --state: a server of one INDEX has no operators")
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    if not (isfinite(address_rate) and isfinite(client_rate)):
        raise InvalidInput("--address-rate and --client-rate are numbers; 0 is no limit")
    if public_url and server_name(public_url) != origin_of(public_url):
        raise InvalidInput(
            f"--public-url is a server's name, as https://cloud.example:8443, not {public_url!r}"
        )
    require_extra()
    from proxyset.server import app as campaigns
    from proxyset.server import single as server
    from proxyset.server.limits import Limits
    from proxyset.server.logs import log_to_stderr
    from proxyset.server.model import add_encoder_route, add_model_route
    from proxyset.server.sockets import Tls, listen, reload_on_hangup, server_of, url_of

    limits = replace(Limits(), address=address_rate, client=client_rate)
    tls = Tls(tls_cert, tls_key) if tls_cert and tls_key else None
    log_to_stderr(log_level)
    telemetry = None
    if otlp is not None:
        from proxyset.server.telemetry import Telemetry

        telemetry = Telemetry(otlp)
    book = State.open(state, create=False) if state else None
    desk = None
    if book is not None:
        from proxyset.server.page.app import mount_page

        provider = None
        if oidc is not None:
            from proxyset.server.oidc import Provider

            provider = Provider.open(oidc, public_url)
        app = campaigns.create_app(
            book, public_url=public_url, limits=limits, provider=provider, telemetry=telemetry
        )
        desk = mount_page(app, book, public_url=public_url, watched=watch or (), provider=provider)
        facts: dict[str, object] = {"state": book.name}
        words = f"serving the campaigns of {book.name}"
    elif index is not None:
        probe = Index.open(index).probe(dim=dim, dtype=dtype, purpose=purpose, items=items)
        app = server.create_app(probe, releases, limits, telemetry)
        if model is not None:
            add_model_route(app, place(model))
        if encoder is not None:
            add_encoder_route(app, place(encoder), probe.encoder)
        facts = {"probe": probe.fingerprint, "bytes": len(probe.data), "releases": str(releases)}
        words = f"serving {index}; releases go to {releases}"
    running = server_of(app, limits, tls=tls, proxies=proxies)
    with listen(host, port) as listener:
        url = url_of(listener, host, tls)
        emit({"url": url, **facts}, f"{words} at {url}", json)
        if not host.startswith(_LOCAL):
            _warn(bool(state), tls is not None, bool(proxies), public_url)
        gc.freeze()  # with what never goes away left out, and a thousand requests at once no reason to look,
        gc.set_threshold(100_000, 20, 20)  # collecting takes hundreds of microseconds a request less
        reload_on_hangup(running.house)
        running.run(sockets=[listener])
    if telemetry is not None:
        telemetry.close()
    if desk is not None:
        desk.close()
    if book is not None:
        book.close()


def _warn(enrolled: bool, tls: bool, proxied: bool, public_url: str) -> None:
    if not tls and not proxied:
        note("this server has no TLS: give --tls-cert and --tls-key, or put a proxy that has it in front")
    if not enrolled:
        note("this server takes releases from anybody: for enrolled clients alone, use --state")
    elif not public_url:
        note("without --public-url, requests that were signed for another server cannot be told apart")
