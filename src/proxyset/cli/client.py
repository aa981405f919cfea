"""proxyset client …: the data owner's agent."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from proxyset import atomic
from proxyset.agent.moments import due, wait_until
from proxyset.cli import (
    agent,
    audit,
    check,
    client_label,
    fetch_encoder,
    history,
    ledger,
    options,
    owner,
    predict,
    report,
    show,
)
from proxyset.cli.confirm import Strict, confirming
from proxyset.cli.output import emit, note
from proxyset.cli.show import USUAL_EPSILON
from proxyset.client.answer import answer_probe
from proxyset.client.calibration import privacy_statement
from proxyset.client.gate import Gate
from proxyset.client.ledger import Account, Ledger
from proxyset.client.policy import TEMPLATE, in_force
from proxyset.client.receipts import check_not_rolled_back, make_key, public_key
from proxyset.client.terms import Terms
from proxyset.errors import EncoderMissing
from proxyset.transport.http import Http
from proxyset.wire.probe import Probe
from proxyset.wire.server_name import server_name

_BAR = 30

app = typer.Typer(
    no_args_is_help=True,
    help="The data owner's side: ledger, policy, agent, page. Outbound connections only.",
)


@app.command()
def init(
    ledger: options.LedgerArgument = None,
    policy: Annotated[Path, typer.Option(help="File for a policy to begin with.")] = Path("policy.toml"),
    json: options.Json = False,
) -> None:
    """Begin: a ledger with a cap, a key that signs receipts, and a commented policy to edit and put in force.

    Example: proxyset client init ledger.sqlite --policy policy.toml
    """
    book = Ledger.open(ledger)
    public, written = make_key(book), not policy.exists()
    if written:
        atomic.write_bytes(policy, TEMPLATE)
    cap = book.account()
    facts = {"ledger": str(book.path), "key": public, "policy": str(policy), "policy_written": written}
    words = [
        f"ledger: {book.path}, cap ε = {cap.cap_epsilon:g} at δ = {cap.cap_delta:g}",
        f"public key, for whoever verifies your receipts: {public}",
        f"policy: {policy}{'' if written else ' (was there, left as it is)'}; edit it, then: "
        f"proxyset client ledger policy {policy} {book.path}",
    ]
    emit(facts, "\n".join(words), json)


@app.command()
def status(
    ledger: options.LedgerArgument = None,
    epsilon: Annotated[float, typer.Option(help="How many answers of this size are left.")] = USUAL_EPSILON,
    json: options.Json = False,
) -> None:
    """Where the budget stands, in all and for each server.

    Example: proxyset client status ledger.sqlite
    """
    book = Ledger.open(ledger, create=False)
    receipts = check_not_rolled_back(book)
    _, policy = in_force(book)
    servers = sorted({entry.who for entry in book.entries() if entry.server})
    accounts = {server: book.account(server) for server in ["", *servers]}
    cost = privacy_statement(epsilon).rho
    facts = {
        "ledger": str(book.path),
        "policy": policy,
        "key": public_key(book),
        "receipts": receipts,
        "accounts": [
            {
                "server": server,
                "spent_rho": account.spent_rho,
                "cap_rho": account.cap_rho,
                "remaining_rho": book.remaining(server),
                "spent_epsilon": account.spent_epsilon,
                "cap_epsilon": account.cap_epsilon,
                "debits": account.debits,
                "answers_left": int(book.remaining(server) / cost),
            }
            for server, account in accounts.items()
        ],
    }
    lines = [str(book.path)]
    for server, account in accounts.items():
        left = int(book.remaining(server) / cost)
        lines += [_burned(server, account), f"  room for {left} more answers of ε = {epsilon:g}"]
    lines += [
        f"policy {policy}" if policy else "no policy is in force: any probe within the cap is answered",
        f"{receipts} receipts" if public_key(book) else "no key: no receipts, and old copies go unnoticed",
    ]
    emit(facts, "\n".join(lines), json)


@app.command()
def pull(
    url: Annotated[str, typer.Argument(help="The cloud's server, https://host:port.")],
    data: options.Data,
    epsilon: options.Epsilon,
    delta: options.Delta = 1e-5,
    ledger: options.LedgerFile = None,
    unit: options.UnitOption = "record",
    max_records: options.MaxRecords = 1,
    person: options.Person = None,
    adjacency: options.AdjacencyOption = "add-remove",
    encoder: options.EncoderOption = None,
    dataset: options.DatasetName = None,
    fresh: options.Fresh = False,
    approve: options.Approve = False,
    new_index: options.NewIndex = False,
    strict: Strict = False,
    hold: Annotated[float, typer.Option(help=options.HOLD_HELP, min=0.1)] = 60.0,
    timeout: options.Timeout = 30.0,
    json: options.Json = False,
) -> None:
    """Pull a probe, answer it, push the release. If the push fails, run it again: it costs nothing more.

    The release is pushed when the hold is over: were it pushed at once, the server would see how long the records took.

    Example: proxyset client pull https://cloud.example --data private/ --epsilon 0.58
    """
    terms = Terms(epsilon, delta, unit, max_records, person, adjacency, encoder)
    server, book = server_name(url), Ledger.open(ledger)
    gate = Gate(book, server, fresh=fresh, approved=approve, new_index=new_index, confirm=confirming(strict))
    before, transport, asked = book.spent(), Http(server, timeout), time.time()
    probe = Probe.from_bytes(transport.pull())
    try:
        release = answer_probe(probe, data, terms, gate, dataset)
    except EncoderMissing as error:
        raise EncoderMissing(f"{error}. Here: proxyset client fetch-encoder {url}") from None
    _hold(asked, hold)
    transport.push(release.to_bytes())
    sent, debited, left = len(release.to_bytes()), book.spent() - before, book.remaining(server)
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
        "sigma": privacy.noise,
        "debited_rho": debited,
        "remaining_rho": left,
        "ledger": str(book.path),
        "receipt": bool(release.receipt),
    }
    words = (
        f"{server}: {len(probe.data):,} bytes down, {sent:,} up; ε = {privacy.epsilon:.4g} at δ = {privacy.delta:.1g}, "
        f"σ = {privacy.noise:.4g}, ρ = {debited:.4g} debited, {left:.4g} left in {book.path}"
    )
    emit(facts, words, json)


app.command()(agent.enroll)
app.command("offers")(agent.list_offers)
app.command()(agent.approve)
app.command()(agent.run)
app.command()(show.show)
app.command()(check.check)
app.command()(history.history)
app.command()(history.verify)
app.command()(history.look)
app.command()(report.report)
app.command()(owner.serve)
app.command()(predict.fetch_model)
app.command()(fetch_encoder.fetch_encoder)
app.command()(predict.predict)
app.command()(predict.adapt)
app.command()(audit.audit)
app.add_typer(client_label.app, name="label")
app.add_typer(ledger.app, name="ledger")


def _hold(asked: float, hold: float) -> None:
    """Wait until an answer may go, and say so."""
    now = time.time()
    moment = due(asked, hold, now)
    if moment > asked + hold:
        note(
            f"warning: the answer took {now - asked:.0f} s, longer than the hold of {hold:g} s, so the moment of sending tells the "
            f"server how many holds it took: next time say --hold {math.ceil(2 * (now - asked))} or more"
        )
    if moment - now > 1:
        note(
            f"answered; it is sent in {moment - now:.0f} s, so that its time does not tell how many records there are"
        )
    wait_until(moment)


def _burned(server: str, account: Account) -> str:
    name = f"server {server}" if server else "in all"
    spent = f"ε = {account.spent_epsilon:.3g} spent in {account.debits} answers"
    if account.cap_rho is None:
        return f"{name}: {spent}, no cap of its own"
    share = min(1.0, account.spent_rho / account.cap_rho)
    bar = "#" * round(share * _BAR)
    return f"{name}: [{bar:.<{_BAR}}] {share:.0%} of the budget (ρ) used; {spent}, of ε = {account.cap_epsilon:g}"
