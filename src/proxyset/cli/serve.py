"""proxyset serve: the cloud's end of the exchange over HTTP."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from proxyset.cli.index import DtypeOption, ItemsOption
from proxyset.cli.output import emit, note
from proxyset.cloud.index import Index
from proxyset.cloud.server import create_app
from proxyset.errors import MissingExtra, TransportError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON line instead of words.")]


def serve(
    index: Annotated[Path, typer.Argument(help="Folder of the index.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8080,
    releases: Annotated[Path, typer.Option(help="Folder for what clients send.")] = Path("releases"),
    dim: Annotated[int | None, typer.Option(help="Leading components to use.", show_default=False)] = None,
    dtype: DtypeOption = None,
    purpose: Annotated[str, typer.Option(help="What to tell the owner.")] = "",
    items: ItemsOption = True,
    json: Json = False,
) -> None:
    """Hand out the probe of an index and keep the releases that come back. Stop with Ctrl-C.

    Example: proxyset serve index --port 8080 --releases releases/
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("uvicorn", "server", "The server's sockets") from None

    probe = Index.open(index).probe(
        dim=dim, dtype=dtype.value if dtype else None, purpose=purpose, items=items
    )
    app = create_app(probe, releases)
    listener = _listen(host, port)
    url = f"http://{_bracketed(host)}:{listener.getsockname()[1]}"
    facts = {"url": url, "probe": probe.fingerprint, "bytes": len(probe.data), "releases": str(releases)}
    emit(facts, f"serving {index} at {url}; releases go to {releases}", json)
    if not host.startswith(("127.", "localhost", "::1")):
        note("this server has no authentication and no TLS yet: put a proxy that has both in front of it")
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(cast(Any, address))
        listener.listen(2048)
    except OSError as error:
        raise TransportError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
