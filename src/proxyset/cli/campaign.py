"""proxyset campaign …: ask many clients, gather their answers, draw the proxy set."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from proxyset.cli.index import CombineOption, DtypeOption, ItemsOption, MaxWeightOption
from proxyset.cli.options import Adjacency, Json, MaxRecords, StateFolder, Unit
from proxyset.cli.output import emit, note
from proxyset.client.calibration import privacy_statement
from proxyset.cloud.index import Index
from proxyset.cloud.select import DEFAULT_RULE, DEFAULT_STRATEGY, MAX_WEIGHT, STRATEGIES
from proxyset.cloud.store import new_folder, place, write_bytes
from proxyset.encoders.kept import TRAVELLING
from proxyset.errors import InvalidInput, StateError, first_problem
from proxyset.server import campaigns, encoders
from proxyset.server.records import Campaign, Outcome
from proxyset.server.state import State
from proxyset.server.two_party import create as two_party
from proxyset.server.two_party.create import Agreement
from proxyset.server.two_party.job import aggregate as run_aggregation
from proxyset.server.two_party.sums import sums_of
from proxyset.wire.campaign import Ask
from proxyset.wire.encoder_package import PACKAGE_LIMIT, EncoderPackage
from proxyset.wire.files import read_message
from proxyset.wire.model import Model
from proxyset.wire.release import RELEASE_LIMIT
from proxyset.wire.signing import public_half

app = typer.Typer(no_args_is_help=True, help="Ask many clients one question.")
_MOST_VOTES = 16_383


Name = Annotated[str, typer.Argument(help="Name of the campaign.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    index: Annotated[Path, typer.Option(help="Folder of the index, on this machine.")],
    budget: Annotated[int, typer.Option(help="Items of the proxy set.")],
    state: StateFolder = "state",
    purpose: Annotated[str, typer.Option(help="What to tell the owners, at most 500 characters.")] = "",
    epsilon_low: Annotated[float, typer.Option(help="The smallest ε that is of use.")] = 0.001,
    epsilon_high: Annotated[float, typer.Option(help="The largest ε that is taken.")] = 1.0,
    delta: Annotated[float, typer.Option(help="The largest δ.")] = 1e-5,
    unit: Annotated[Unit, typer.Option(help="What must be protected.")] = "record",
    max_records: MaxRecords = 1,
    adjacency: Annotated[Adjacency, typer.Option(help="Which data sets are neighbours.")] = "add-remove",
    deadline: Annotated[
        datetime | None,
        typer.Option(help="Until when, UTC, as 2027-01-31T12:00:00.", show_default=False),
    ] = None,
    strategy: Annotated[str, typer.Option(help=", ".join(sorted(STRATEGIES.own)))] = DEFAULT_STRATEGY,
    dim: Annotated[int | None, typer.Option(help="Leading components to use.", show_default=False)] = None,
    dtype: DtypeOption = None,
    items: ItemsOption = True,
    aggregate: Annotated[
        Literal["local", "two-party"],
        typer.Option(help="local: each client adds noise. two-party: exact votes in shares, noise once."),
    ] = "local",
    helper: Annotated[
        str, typer.Option(help="Of a two-party sum: URL of the helper, whom another organisation runs.")
    ] = "",
    helper_key: Annotated[
        str, typer.Option(help="Its public key, as its operator told; what it says, unless given.")
    ] = "",
    helper_ca: Annotated[
        Path | None, typer.Option(help="PEM file of its certificate authority.", show_default=False)
    ] = None,
    minimum: Annotated[int, typer.Option(help="The fewest reports of a two-party sum.", min=2)] = 100,
    most_votes: Annotated[
        int | None,
        typer.Option(
            help="The most votes of one report; unless given, --max-records for a person, 16383 for records.",
            show_default=False,
            min=1,
        ),
    ] = None,
    floor: Annotated[
        float,
        typer.Option(
            help="ε of one vote if server and helper work together: randomised at home. 0: none.", min=0
        ),
    ] = 0,
    json: Json = False,
) -> None:
    """Begin a campaign; a state is begun with the first. A running server offers it at once.

    Example: proxyset campaign create lung-ct --index index --budget 1000 --epsilon-high 0.6 --purpose "Train a detector"
    """
    try:
        ask = Ask(
            epsilon_low=epsilon_low,
            epsilon_high=epsilon_high,
            delta=delta,
            unit=unit,
            max_records=max_records,
            adjacency=adjacency,
        )
    except ValidationError as error:
        raise InvalidInput(first_problem(error, "epsilon")) from None
    opened = Index.open(index)
    book = State.open(state)
    options: dict[str, Any] = {
        "budget": budget,
        "purpose": purpose,
        "strategy": strategy,
        "deadline": deadline,
        "dim": dim,
        "dtype": dtype,
        "items": items,
    }
    if (aggregate == "two-party") != bool(helper):
        raise InvalidInput("--aggregate two-party and --helper URL go together")
    if floor and not helper:
        raise InvalidInput("--floor is for two-party sums: with local noise every answer has its own")
    if helper:
        most = most_votes or (max_records if unit == "person" else _MOST_VOTES)
        privacy = privacy_statement(epsilon_high, delta, unit, adjacency, max_records, whole_records=True)
        agreed = Agreement(helper, helper_ca, helper_key, minimum, most, privacy, floor)
        made = two_party.create(book, name, opened, ask, agreed, **options)
    else:
        made = campaigns.create(book, name, opened, ask, **options)
    emit(_facts(book, made, 0), _words(book, made, 0), json)
    if opened.manifest.encoder.name in TRAVELLING:
        note(
            "clients need the encoder's files to answer; those that lack them can fetch them once you offer them: "
            f"proxyset campaign publish-encoder {name}"
        )


@app.command("leader-key")
def leader_key(state: StateFolder = "state", json: Json = False) -> None:
    """The public key by which helpers of two-party sums know this server.

    Example: proxyset campaign leader-key
    """
    key = public_half(sums_of(State.open(state)).key())
    emit({"key": key}, key, json)


@app.command()
def aggregate(name: Name, state: StateFolder = "state", json: Json = False) -> None:
    """Verify and add up what the clients of a closed campaign sent to two parties, and open the sum, once. Killed, run it again.

    Example: proxyset campaign aggregate wards
    """
    book = State.open(state, create=False)
    found = run_aggregation(book, name, note)
    facts = {
        "campaign": name,
        "reports": found.reports,
        "verdicts": {verdict.name: count for verdict, count in found.verdicts.items()},
        "opened": found.opened,
    }
    emit(facts, f"{name}: {found.words()}", json)


@app.command("list")
def list_campaigns(state: StateFolder = "state", json: Json = False) -> None:
    """All campaigns.

    Example: proxyset campaign list
    """
    book = State.open(state, create=False)
    counts, found = book.release_counts(), book.campaigns()
    facts = [_facts(book, each, counts.get(each.id, 0)) for each in found]
    words = [_words(book, each, counts.get(each.id, 0)) for each in found]
    emit({"campaigns": facts}, "\n".join(words) or "no campaign yet", json)


@app.command()
def show(name: Name, state: StateFolder = "state", json: Json = False) -> None:
    """One campaign: who answered, at what cost, and what was drawn.

    Example: proxyset campaign show lung-ct
    """
    book = State.open(state, create=False)
    found, answers = book.campaign(name), book.releases(name)
    facts = _facts(book, found, len(answers))
    facts["answers"] = [
        {
            "client": answer.name,
            "key": answer.client,
            "release": answer.fingerprint,
            "epsilon": answer.epsilon,
            "delta": answer.delta,
            "bytes": answer.size,
            "received": answer.received.isoformat(),
        }
        for answer in answers
    ]
    facts["selections"] = [
        {
            "folder": str(each.folder),
            "items": each.items,
            "strategy": each.strategy,
            "releases": each.releases,
        }
        for each in book.selections(name)
    ]
    lines = [_words(book, found, len(answers))]
    lines += [
        f"  {answer.name}: ε = {answer.epsilon:g}, {answer.size:,} bytes, {answer.received:%F %T} UTC"
        for answer in answers
    ]
    lines += [f"  {each.items:,} items by {each.strategy} in {each.folder}" for each in book.selections(name)]
    emit(facts, "\n".join(lines), json)


@app.command()
def close(name: Name, state: StateFolder = "state", json: Json = False) -> None:
    """Take no more releases.

    Example: proxyset campaign close lung-ct
    """
    book = State.open(state, create=False)
    closed = book.close_campaign(name)
    count = book.release_counts().get(name, 0)
    emit(_facts(book, closed, count), _words(book, closed, count), json)


@app.command()
def probe(
    name: Name,
    out: Annotated[str, typer.Option(help="File of the probe, or its URL.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Write a campaign's probe to a file, for clients that share no network with the server.

    Example: proxyset campaign probe lung-ct --out lung-ct.probe
    """
    book = State.open(state, create=False)
    data = book.probe(book.campaign(name).probe)
    write_bytes(place(out), data)
    emit({"probe": str(out), "bytes": len(data)}, f"{out}: {len(data):,} bytes", json)


@app.command("import")
def take_in(
    name: Name,
    releases: Annotated[list[str], typer.Argument(help="Files of releases, or URLs.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Take in releases that came by hand. Their receipts must be signed by enrolled keys: clients add.

    Example: proxyset campaign import lung-ct stick/*.release
    """
    book = State.open(state, create=False)
    files = [read_message(place(path), "release", RELEASE_LIMIT) for path in releases]
    outcomes = campaigns.take_in(book, name, files)
    facts = {str(path): outcome.value for path, outcome in zip(releases, outcomes, strict=True)}
    emit({"releases": facts}, "\n".join(f"{path}: {outcome}" for path, outcome in facts.items()), json)
    if bad := set(outcomes) - {Outcome.stored, Outcome.known}:
        raise StateError(f"not all were taken in: {', '.join(sorted(bad))}")


@app.command()
def select(
    name: Name,
    out: Annotated[
        Path | None, typer.Option(help="New folder; one in the state's by default.", show_default=False)
    ] = None,
    budget: Annotated[
        int | None, typer.Option(help="Items; the campaign's own by default.", show_default=False, min=1)
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="The campaign's own.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of the strategy's own randomness.")] = 0,
    max_weight: MaxWeightOption = MAX_WEIGHT,
    combine: CombineOption = DEFAULT_RULE,
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Draw a proxy set from a campaign's releases. It is post-processing: as often as you like, open or closed.

    Example: proxyset campaign select lung-ct --out proxy
    """
    book = State.open(state, create=False)
    proxy = campaigns.draw(
        book,
        name,
        out=out,
        budget=budget,
        strategy=strategy,
        seed=seed,
        max_weight=max_weight,
        rule=combine,
    )
    card = proxy.card
    facts = {
        "proxy": str(proxy.folder),
        "rows": card.items,
        "strategy": card.strategy,
        "combined": card.combined,
        "weights": card.weights,
    }
    words = (
        f"{proxy.folder}: {card.items:,} of {card.pool_items:,} items by {card.strategy}, from "
        f"{len(card.releases)} releases"
    )
    emit(facts, words, json)


@app.command()
def export(
    name: Name,
    out: Annotated[str, typer.Option(help="New folder for the releases, or its URL.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Write a campaign's releases to files, receipts and all, as `proxyset select` and `client verify` read them.

    Example: proxyset campaign export lung-ct --out releases/
    """
    book = State.open(state, create=False)
    answers = book.releases(book.campaign(name).id)
    last = [f"{answer.fingerprint}.safetensors" for answer in answers[-1:]]
    with new_folder(place(out), *last) as folder:
        for answer in answers:
            path = folder / f"{answer.fingerprint}.safetensors"
            path.write_bytes(book.release(name, answer.fingerprint))
    emit({"out": str(out), "releases": len(answers)}, f"{out}: {len(answers)} releases", json)


@app.command("publish-model")
def publish_model(
    name: Name,
    model: Annotated[
        str, typer.Argument(help="Signed model (proxyset model sign): file or folder, or its URL.")
    ],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Let the clients of a campaign fetch a signed model; it replaces the one before.

    Example: proxyset campaign publish-model lung-ct detector.model
    """
    book = State.open(state, create=False)
    where = place(model)
    published = book.publish_model(name, io.BytesIO(Model.open(where).to_bytes()), where.name)
    facts = {"campaign": name, "sha256": published.sha256, "bytes": published.bytes}
    emit(facts, f"{model}: {published.bytes:,} bytes, SHA-256 {published.sha256}", json)


@app.command("publish-encoder")
def publish_encoder(
    name: Name,
    encoder: Annotated[str, typer.Argument(help="Signed encoder (proxyset encoder pack), or its URL.")],
    state: StateFolder = "state",
    json: Json = False,
) -> None:
    """Let the clients of a campaign, and of all others that ask with the same encoder, fetch it.

    Example: proxyset campaign publish-encoder lung-ct minilm.encoder
    """
    book = State.open(state, create=False)
    package = EncoderPackage.from_bytes(read_message(place(encoder), "encoder", PACKAGE_LIMIT))
    file = encoders.publish_encoder(book, name, package)
    facts = {"campaign": name, "fingerprint": file.name, "bytes": file.stat().st_size, "key": package.key}
    emit(facts, f"{encoder}: offered to clients, {facts['bytes']:,} bytes", json)


def _facts(state: State, campaign: Campaign, releases: int) -> dict[str, Any]:
    size, clusters = state.probe_size(campaign.probe)
    return {
        "campaign": campaign.id,
        "index": campaign.index,
        "probe": campaign.probe,
        "bytes": size,
        "clusters": clusters,
        "purpose": campaign.purpose,
        "ask": campaign.ask.model_dump(),
        "budget": campaign.budget,
        "strategy": campaign.strategy,
        "deadline": campaign.deadline.isoformat() if campaign.deadline else None,
        "accepting": campaign.accepting(),
        "releases": releases,
        "two_party": _two_party(state, campaign.id),
        "state": state.name,
    }


def _two_party(state: State, id: str) -> dict[str, Any] | None:
    sums = sums_of(state)
    if (found := sums.find(id)) is None:
        return None
    progress = sums.progress(id)
    return {
        "task": found.task.model_dump(mode="json"),
        "helper_url": found.helper_url,
        "reports": progress.reports,
        "verdicts": {verdict.name: count for verdict, count in progress.verdicts.items()},
        "opened": progress.opened,
    }


def _words(state: State, campaign: Campaign, releases: int) -> str:
    size, clusters = state.probe_size(campaign.probe)
    until = f" until {campaign.deadline:%F %T} UTC" if campaign.deadline else ""
    asked, sums = campaign.ask, sums_of(state)
    if (found := sums.find(campaign.id)) is not None:
        return (
            f"{campaign.id}: {'open' + until if campaign.accepting() else 'closed'}, {sums.progress(campaign.id).words()}; "
            f"{found.task.words()}"
        )
    return (
        f"{campaign.id}: {'open' + until if campaign.accepting() else 'closed'}, {releases} releases; asks for "
        f"ε {asked.epsilon_low:g} to {asked.epsilon_high:g} per {asked.unit}, {clusters} counts, probe of {size:,} bytes"
    )
