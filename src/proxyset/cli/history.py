"""proxyset client history, verify, look: what left, whether it is what it says, and what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from proxyset import atomic
from proxyset.agent.history import Answer, Sent, cost_of, hex_dump, size_of, what_of
from proxyset.agent.history import history as everything
from proxyset.cli import options
from proxyset.cli.output import emit
from proxyset.client.ledger import Ledger
from proxyset.client.look import check_items, write_items
from proxyset.client.receipts import check_receipt
from proxyset.encoders import encoder_for
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.wire.container import schema_of
from proxyset.wire.files import read_message
from proxyset.wire.probe import PROBE_LIMIT, Probe
from proxyset.wire.questions import (
    ABSTAINED,
    LABELS_LIMIT,
    QUESTIONS_LIMIT,
    LabelRelease,
    Questions,
)
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import RELEASE_LIMIT, PrivacyStatement, Release
from proxyset.wire.report import REPORT_LIMIT, Report
from proxyset.wire.server_name import recorded_name


def history(
    ledger: options.LedgerArgument = None,
    server: Annotated[str, typer.Option(help="Only what this server got.")] = "",
    entry: Annotated[
        int | None, typer.Option(help="Show this one: its meaning, and a hex dump.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the literal bytes of each.", show_default=False)
    ] = None,
    json: options.Json = False,
) -> None:
    """Every answer that left: when, to whom, what it cost, its receipt, and the literal bytes.

    Example: proxyset client history ledger.sqlite --entry 3
    """
    book = Ledger.open(ledger, create=False)
    found = [sent for sent in everything(book) if recorded_name(server) in ("", sent.entry.who)]
    if entry is not None:
        found = [sent for sent in found if sent.entry.seq == entry]
        if not found:
            raise InvalidInput(f"entry {entry} is not an answer: proxyset client history lists them")
    if out:
        for sent in found:
            atomic.write_bytes(out / f"{sent.entry.seq:08d}.safetensors", sent.data)
    detailed = entry is not None
    facts = {"ledger": str(book.path), "answers": [_facts(sent, detailed) for sent in found]}
    lines = [line for sent in found for line in ([_line(sent)] if not detailed else _meaning(sent))]
    emit(facts, "\n".join(lines or ["nothing has left"]), json)


def verify(
    release: Annotated[Path, typer.Argument(help="File of a release, of labels, or of a report.")],
    key: Annotated[
        str | None, typer.Option(help="The public key that must have signed its receipt.", show_default=False)
    ] = None,
    probe: Annotated[
        Path | None, typer.Option(help="Check that it answers this probe.", show_default=False)
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Check that this ledger paid for it.", show_default=False)
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Check that the labels answer these questions.", show_default=False)
    ] = None,
    json: options.Json = False,
) -> None:
    """Verify a release and its receipt, offline. Either side can; give the owner's key to know who signed.

    Example: proxyset client verify release.safetensors --key KEY
    """
    data = read_message(release, "release", max(RELEASE_LIMIT, LABELS_LIMIT, REPORT_LIMIT))
    forms: dict[str, type[LabelRelease | Report]] = {
        "proxyset.labels": LabelRelease,
        "proxyset.report": Report,
    }
    found: Answer = forms.get(schema_of(data), Release).from_bytes(data)
    cost = cost_of(found)
    receipt = Receipt.of(found, key)
    if receipt is None:
        raise ArtifactError(f"{release} has no receipt: its owner's ledger has no key (proxyset client init)")
    for path, asked in ((probe, _probe(probe)), (questions, _questions(questions))):
        if asked and (found.probe, size_of(found)) != asked:
            raise ArtifactError(f"{release} does not answer {path}")
    policy = check_receipt(Ledger.open(ledger, create=False), receipt) if ledger else None
    facts = {"release": found.fingerprint, "signed_by": receipt.claim.key, "key_checked": key is not None}
    facts |= {"claim": receipt.claim.model_dump(mode="json"), "policy": policy}
    who = "as expected" if key else "compare it with what the owner told you, or give it as --key"
    words = [
        f"{release}: {what_of(found)}, ε = {cost.epsilon:g} at δ = {cost.delta:g}, ρ = {cost.rho:.4g}",
        f"signed by {receipt.claim.key} ({who})",
        f"ledger entry {receipt.claim.head}; the policy is committed to as {receipt.claim.policy}"
        + ("" if policy is None else f" and is {policy or 'none'}"),
    ]
    emit(facts, "\n".join(words), json)


def look(
    probe: Annotated[Path, typer.Argument(help="File of the probe.")],
    out: Annotated[Path, typer.Option(help="New folder for its items and an index.html.")],
    encoder: options.EncoderOption = None,
    json: options.Json = False,
) -> None:
    """Look at the items of a probe of medoids, after checking with your own encoder that they are what it asks about.

    Example: proxyset client look probe.safetensors --out items/
    """
    asked = Probe.from_bytes(read_message(probe, "probe", PROBE_LIMIT))
    checked = check_items(asked, encoder_for(asked.encoder, local=encoder))
    write_items(asked, out)
    facts = {"out": str(out), "items": checked, "commitment": asked.medoids and asked.medoids.commitment}
    emit(facts, f"{out}/index.html: {checked} items, each what the probe claims it is", json)


def _probe(path: Path | None) -> tuple[str, int] | None:
    if path is None:
        return None
    asked = Probe.from_bytes(read_message(path, "probe", PROBE_LIMIT))
    return asked.fingerprint, asked.clusters


def _questions(path: Path | None) -> tuple[str, int] | None:
    if path is None:
        return None
    asked = Questions.from_bytes(read_message(path, "set of questions", QUESTIONS_LIMIT))
    return asked.fingerprint, len(asked)


def _facts(sent: Sent, detailed: bool) -> dict[str, Any]:
    entry, release = sent.entry, sent.release
    facts: dict[str, Any] = {
        "what": "counts" if isinstance(release, Release) else entry.kind,
        "entry": entry.seq,
        "time": entry.time,
        "server": entry.server,
        "dataset": entry.dataset,
        "probe": entry.probe,
        "release": release.fingerprint,
        "left": sent.left,
        "receipt": bool(release.receipt),
        "bytes": len(sent.data),
        "sha256": fingerprint(sent.data),
        "privacy": sent.cost.model_dump(),
    }
    if detailed:
        facts |= {"index": release.index, "hex": sent.data.hex()}
        if isinstance(release, Report):
            facts |= {"task": release.task.model_dump(mode="json")}
        else:
            facts |= {facts["what"]: sent.values}
    return facts


def _line(sent: Sent) -> str:
    entry, privacy = sent.entry, sent.cost
    state = "receipt" if sent.release.receipt else "no receipt"
    return (
        f"{entry.seq:>5}  {entry.time}  {entry.server or '-':<24} probe {entry.probe[:12]}  ε {privacy.epsilon:g} "
        f"at δ {privacy.delta:g}, ρ {privacy.rho:.4g}  {len(sent.data):,} bytes  "
        + (state if sent.left else "withheld")
    )


def _meaning(sent: Sent) -> list[str]:
    entry, release, data = sent.entry, sent.release, sent.data
    what, cost, values = sent.what, _cost(sent.drawn), " ".join(map(str, sent.values))
    if isinstance(release, Report):
        what += f", each random by itself: {release.task.words()}"
    elif isinstance(release, Release):
        steps = f", in steps of 1/{release.privacy.grid} of a record" if release.privacy.grid > 1 else ""
        what += f", one a centroid{steps}: {values}"
    else:
        said = release.privacy
        what += f", one a public item ({ABSTAINED}: abstained): {values}"
        cost = f"{said.rule}, at most ρ = {said.rho:.4g}, ε = {said.epsilon:g}; the votes: {cost}"
    lines = [
        f"entry {entry.seq} of {entry.time}, to {entry.server or 'whoever holds the file'}, from {entry.dataset}",
        "it was paid for and withheld" if not sent.left else f"what left: {len(data):,} bytes",
        f"  that they answer probe {release.probe}",
        f"  which came from index {release.index}",
        f"  {what}",
        f"  what they cost: {cost}",
    ]
    if receipt := Receipt.of(release):
        lines.append(f"  a receipt signed by {receipt.claim.key}, naming ledger entry {receipt.claim.head}")
    return [*lines, "literally:", *hex_dump(data)]


def _cost(privacy: PrivacyStatement) -> str:
    return (
        f"ε = {privacy.epsilon:g} at δ = {privacy.delta:g} for {privacy.protects} ({privacy.adjacency}), "
        f"σ = {privacy.noise:g}, ρ = {privacy.rho:.4g}"
    )
