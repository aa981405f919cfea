"""proxyset helper …: the second party of two-party sums, for the organisation that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxyset.cli.options import Host, Json, TlsCert, TlsKey
from proxyset.cli.output import emit, note
from proxyset.errors import InvalidInput
from proxyset.server.state import require_extra
from proxyset.wire.signing import own_key, public_half

app = typer.Typer(no_args_is_help=True, help="Be the helper of two-party sums.")

StateOption = Annotated[Path, typer.Option("--state", help="Folder of the helper's state and key.")]


@app.command()
def serve(
    leader: Annotated[list[str], typer.Option(help="Public key of a leader that may ask; may be repeated.")],
    state: StateOption = Path("helper"),
    minimum: Annotated[
        int, typer.Option(help="The fewest reports of any sum that is opened here.", min=2)
    ] = 100,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8081,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    public_url: Annotated[
        str, typer.Option(help="What leaders call this helper; requests signed for another are refused.")
    ] = "",
    json: Json = False,
) -> None:
    """Count and open two-party sums for leaders that you know. Stop with Ctrl-C.

    Example: proxyset helper serve --leader KEY --host 0.0.0.0 --port 8444 --tls-cert cert.pem --tls-key key.pem
    """
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    for key in leader:
        if len(key) != 64 or set(key) - set("0123456789abcdef"):
            raise InvalidInput(
                f"{key!r} is no public key: 64 hexadecimal digits (proxyset campaign leader-key)"
            )
    require_extra()
    from proxyset.helper.app import create_app
    from proxyset.server.limits import Limits
    from proxyset.server.logs import log_to_stderr
    from proxyset.server.sockets import Tls, listen, server_of, url_of

    log_to_stderr("info")
    limits, tls = Limits(), Tls(tls_cert, tls_key) if tls_cert and tls_key else None
    helper, mine = create_app(state, leader, minimum, public_url, limits), _key(state)
    with listen(host, port) as listener:
        url = url_of(listener, host, tls)
        emit({"url": url, "key": mine, "minimum": minimum}, f"helper {mine} at {url}", json)
        if tls is None and not host.startswith(("127.", "localhost", "::1")):
            note("this helper has no TLS: give --tls-cert and --tls-key, or put a proxy that has it in front")
        server_of(helper, limits, tls=tls).run(sockets=[listener])


@app.command()
def key(state: StateOption = Path("helper"), json: Json = False) -> None:
    """The helper's public key, which data owners put into their policy; made at the first call.

    Example: proxyset helper key
    """
    mine = _key(state)
    emit({"key": mine}, mine, json)


@app.command()
def show(state: StateOption = Path("helper"), json: Json = False) -> None:
    """What was counted and opened here.

    Example: proxyset helper show
    """
    require_extra()
    from proxyset.helper.store import KEY, HelperStore

    store = HelperStore(state, own_key(state / KEY), 2)
    opened, reports = store.opened(), store.reports()
    facts = {
        "counted": reports,
        "opened": [
            {
                "campaign": each.campaign,
                "task": each.task,
                "leader": each.leader,
                "reports": each.reports,
                "at": each.at,
            }
            for each in opened
        ],
    }
    lines = [
        f"{each.at} {each.campaign}: {each.reports:,} reports, leader {each.leader[:12]}…" for each in opened
    ]
    emit(facts, "\n".join([f"{reports:,} reports counted", *(lines or ["no sum opened yet"])]), json)


def _key(state: Path) -> str:
    require_extra()
    from proxyset.helper.store import KEY

    return public_half(own_key(state / KEY))
