"""The answer: from a probe and private data to a release, in an order that no failure can turn against them.

    1 validate   probe, settings, encoder, ledger and budget, before a private byte is read
    2 count      read and encode ALL private data; one bad item stops here
    3 debit      durably
    4 draw       the noise, once
    5 store      the release, durably, and sign its receipt if the ledger has a key
    6 return     it

An error in 1 or 2 debits nothing. An error or a crash in 4 or 5 keeps the debit and sends nothing. Errors
name private items and counts of them; they are for the owner's eyes and never part of a message to the
server.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from proxyset.client.calibration import Adjacency, Unit, privacy_statement
from proxyset.client.decisions import is_approved
from proxyset.client.ledger import Ledger
from proxyset.client.look import check_items
from proxyset.client.noise import mechanism
from proxyset.client.pins import check_pin, pin
from proxyset.client.policy import Policy, in_force
from proxyset.client.receipts import check_not_rolled_back, issue
from proxyset.client.vote import Records, content_digests, count_votes
from proxyset.encoders import encoder_for
from proxyset.encoders.encoder import Encoder
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.sources import open_source
from proxyset.sources.remote import is_url
from proxyset.sources.source import Batch, Items, Kind, Source
from proxyset.wire.probe import PROBE_LIMIT, Probe
from proxyset.wire.receipt import SERVER_LIMIT
from proxyset.wire.release import RELEASE_LIMIT, Release
from proxyset.wire.transport import read_message

Data = str | os.PathLike[str] | Source | NDArray[Any]
MOST_CLUSTERS = RELEASE_LIMIT // 8 - 4096  # what fits into a release, with its header
FOLDER = "folder"


def answer(
    probe: Probe | str | os.PathLike[str] | bytes,
    data: Data,
    *,
    epsilon: float,
    delta: float = 1e-5,
    unit: Unit = "record",
    max_records: int = 1,
    person: str | None = None,
    adjacency: Adjacency = "add-remove",
    ledger: Ledger | str | os.PathLike[str] | None = None,
    server: str = "",
    dataset: str | None = None,
    encoder: Encoder | str | None = None,
    skip_corrupt: bool = False,
    fresh: bool = False,
    approved: bool = False,
    new_index: bool = False,
) -> Release:
    """Answer a probe with noisy counts, and pay for it in the ledger.

    A probe that was answered before from the same data set with the same settings (ε, δ, unit, adjacency,
    max_records) gets the stored release again, bit for bit, at no cost and without a look at the data. With
    other settings it gets a new one. So it does with `fresh=True`. Two answers to one probe can be averaged;
    each is debited in full, and the sum of their ρ is what the average may tell. Settings are the owner's
    alone: nothing in a probe can ask for others.

    Args:
        probe: a probe, its file or its bytes.
        data: path of the private data, an opened source, or an (n, d) array of embeddings.
        epsilon, delta, adjacency: the guarantee of this release, as `calibration.privacy_statement` takes
            them.
        unit, max_records: what is protected: a "record", or a "person" of whom at most `max_records` records
            count.
        person: for unit "person", the column that names the person, or "folder" for the folder a record lies
            in.
        ledger: a ledger or its path; None for the user's own.
        server: who asked; a cap can be set for each.
        dataset: the owner's name for the data in the ledger; their absolute path unless told otherwise,
            "array" for an array. It must not depend on the content: whether a release is a replay is visible
            to the server.
        encoder: an encoder, or the owner's choice of one as `encoders.load_encoder` takes it: "onnx:FOLDER"
            where the probe's encoder needs weights.
        skip_corrupt: leave out what cannot be encoded instead of stopping.
        fresh: draw, and debit, a new release even if one is stored.
        approved: a person looked at this probe and agrees; the policy in force may demand it. So does an approval in
            the ledger (`decisions.approve`); a refusal there stands against both.
        new_index: the owner agrees that the server asks about another index than it committed to before.

    Returns:
        The release, also stored in the ledger; with its signed receipt if the ledger has a key. Its size depends
        on R and the settings alone; it does not contain the number of records.

    Sensitivity:
        privacy.l2_sensitivity of the statement: `vote.count_votes` bounds what one unit adds.
    Unit:
        `unit`, in the data set that `data` is.
    Guarantee:
        (ε, δ)-DP and ρ-zCDP as the release states, for everything that leaves the machine. How long it takes,
        and that it failed, are not covered.
    Assumes:
        One ledger for all answers about the same people. Features of an item depend on that item alone:
        images and texts are encoded one by one, so that no batch can change their rounding.

    Raises:
        InvalidInput: an impossible setting. InvalidData: a record that cannot be read or encoded, or none at
            all.
        EncoderMismatch: the given encoder is not the probe's. ArtifactError: the probe is damaged.
        BudgetExceeded: the debit would pass a cap. Refused: the owner or the policy says no, the probe is about another index
            than its server committed to, or its items are not what they claim. (After a debit only for
            `Policy.fewest_records`.)
        LedgerError: the ledger cannot be trusted or written.
    """
    privacy = privacy_statement(epsilon, delta, unit, adjacency, max_records)
    _check_person(unit, person)
    if len(server) > SERVER_LIMIT:
        raise InvalidInput(f"the server's name has {len(server)} characters; a receipt holds {SERVER_LIMIT}")
    probe, encoder, source = _ready(probe, data, encoder, person)
    dataset = name_of(source) if dataset is None else dataset
    ledger = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)

    check_not_rolled_back(ledger)
    approved = is_approved(ledger, probe.fingerprint, server, privacy) or approved
    policy, policy_hash = in_force(ledger)
    if policy:
        policy.check(probe, privacy, server, approved)
    check_pin(ledger, probe, server, new_index)
    check_items(probe, encoder)

    if not fresh and (stored := ledger.stored(probe.fingerprint, dataset, privacy)):
        pin(ledger, probe, server, new_index)
        return _sendable(stored, policy, ledger)
    ledger.check(privacy, server)
    draw = mechanism(probe.clusters, privacy)
    records = _encoded(_batches(source), encoder, person, skip_corrupt)
    counts = count_votes(records, probe, max_records if unit == "person" else None)
    if not counts.any():
        raise InvalidData("there are no private records to count: nothing was answered")

    with ledger.exclusive():
        pin(ledger, probe, server, new_index)
        if not fresh and (stored := ledger.stored(probe.fingerprint, dataset, privacy)):
            return _sendable(stored, policy, ledger)
        debit = ledger.debit(
            privacy, probe=probe.fingerprint, dataset=dataset, server=server, policy=policy_hash
        )
        release = Release(draw(counts), probe.fingerprint, probe.index, privacy)
        ledger.store(debit, release)
        return _sendable(release, policy, ledger)


def true_counts(
    probe: Probe | str | os.PathLike[str] | bytes,
    data: Data,
    *,
    unit: Unit = "record",
    max_records: int = 1,
    person: str | None = None,
    encoder: Encoder | str | None = None,
    skip_corrupt: bool = False,
) -> NDArray[np.int64]:
    """The counts before noise, for their owner's eyes: nothing is kept, debited or sent.

    Args:
        probe, data, unit, max_records, person, encoder, skip_corrupt: as `answer` takes them.

    Returns:
        (R,) int64.

    Sensitivity:
        As `vote.count_votes`.
    Unit:
        `unit`.
    Guarantee:
        None: this is the private data itself, counted. Show it to the owner or to nobody.
    Assumes:
        The caller does not store it: noise that was released could be taken off with it.

    Raises:
        InvalidInput, InvalidData, EncoderMismatch, ArtifactError: as `answer`.
    """
    _check_person(unit, person)
    probe, encoder, source = _ready(probe, data, encoder, person)
    records = _encoded(_batches(source), encoder, person, skip_corrupt)
    return count_votes(records, probe, max_records if unit == "person" else None)


def name_of(data: Data) -> str:
    """What the ledger calls private data unless told otherwise: their absolute path, or "array".

    Sensitivity:
        None: it does not look inside.
    Unit:
        None.
    Guarantee:
        It does not depend on the content.
    Assumes:
        The path itself is not private: it stays in the ledger.
    """
    if isinstance(data, np.ndarray):
        return "array"
    return str(Path(data if isinstance(data, str | os.PathLike) else data.path).resolve())


def _ready(
    probe: Probe | str | os.PathLike[str] | bytes, data: Data, encoder: Encoder | str | None, person: str | None
) -> tuple[Probe, Encoder, Source | NDArray[Any]]:
    """The three, opened, and seen to fit each other."""
    probe = _opened(probe)
    encoder = _matching(encoder, probe)
    source = data if isinstance(data, np.ndarray) else _source(data, encoder, person)
    if encoder.kind != (found := "embedding" if isinstance(source, np.ndarray) else source.kind):
        raise InvalidInput(
            f"the probe's encoder takes {encoder.kind} items; the private data holds {found} items"
        )
    return probe, encoder, source


def _sendable(release: Release, policy: Policy | None, ledger: Ledger) -> Release:
    if policy:
        policy.withhold(release)
    receipt = issue(ledger, release)
    return replace(release, receipt=receipt.to_bytes()) if receipt else release


def _check_person(unit: Unit, person: str | None) -> None:
    if unit == "person" and not person:
        raise InvalidInput('unit "person" needs to know whose each record is: name a column, or "folder"')
    if unit == "record" and person:
        raise InvalidInput(f'a person ({person!r}) is named, but the unit is "record": ask for unit "person"')


def _opened(probe: Probe | str | os.PathLike[str] | bytes) -> Probe:
    if not isinstance(probe, Probe):
        data = probe if isinstance(probe, bytes) else read_message(Path(probe), "probe", PROBE_LIMIT)
        probe = Probe.from_bytes(data)
    if probe.clusters > MOST_CLUSTERS:
        raise InvalidInput(
            f"this probe has {probe.clusters} centroids; at most {MOST_CLUSTERS} can be answered"
        )
    return probe


def _matching(encoder: Encoder | str | None, probe: Probe) -> Encoder:
    if encoder is None or isinstance(encoder, str):
        return encoder_for(probe.encoder, local=encoder)
    if encoder.spec.fingerprint != probe.encoder.fingerprint:
        raise EncoderMismatch(
            f"the probe was made with the encoder {probe.encoder.name} {probe.encoder.fingerprint[:12]}, "
            f"this is {encoder.spec.name} {encoder.spec.fingerprint[:12]}: use the probe's, or another probe"
        )
    return encoder


def _source(data: str | os.PathLike[str] | Source, encoder: Encoder, person: str | None) -> Source:
    if not isinstance(data, str | os.PathLike):
        return data
    if is_url(data):
        raise InvalidInput(f"{data} is a URL; private data is read from its owner's machine: give a path")
    columns = (person,) if person and person != FOLDER else ()
    return open_source(Path(data), kind=cast(Kind, encoder.kind), columns=columns)




def _batches(source: Source | NDArray[Any]) -> Iterator[Batch]:
    if isinstance(source, np.ndarray):
        yield Batch([str(row) for row in range(len(source))], source)
        return
    for shard in source.shards():
        yield from source.read(shard)


def _encoded(
    batches: Iterable[Batch], encoder: Encoder, person: str | None, skip_corrupt: bool
) -> Iterator[Records]:
    """The records of all batches. After the last one, raises InvalidData if any could not be encoded."""
    bad, total, first = 0, 0, ""
    for batch in batches:
        X, problems = _features(batch.items, encoder)
        total += len(batch.ids)
        if problems and not bad:
            row = min(problems)
            first = f"{batch.ids[row]!r}: {problems[row]}"
        bad += len(problems)
        good = [row for row in range(len(batch.ids)) if row not in problems]
        ids = [batch.ids[row] for row in good]
        if person is None:
            yield Records(ids, X[good])
            continue
        persons, contents = _persons(batch, person), content_digests(batch.items)
        yield Records(ids, X[good], [persons[row] for row in good], [contents[row] for row in good])
    if bad and not skip_corrupt:
        raise InvalidData(
            f"{bad} of {total} private records cannot be encoded, the first is {first}. Nothing was debited; "
            "mend or remove them, or leave them out with --skip-corrupt"
        )


def _features(items: Items, encoder: Encoder) -> tuple[NDArray[np.float32], dict[int, str]]:
    if encoder.kind not in ("image", "text"):  # element by element, whatever the batch
        encoded = encoder.encode(cast(Sequence[Any], items))
        return encoded.embeddings, encoded.problems
    X = np.zeros((len(items), encoder.spec.dim), np.float32)
    problems: dict[int, str] = {}
    for row, item in enumerate(items):
        encoded = encoder.encode([item])
        X[row] = encoded.embeddings[0]
        if encoded.problems:
            problems[row] = encoded.problems[0]
    return X, problems


def _persons(batch: Batch, person: str) -> list[str]:
    if person == FOLDER:
        return [name.rpartition("/")[0] for name in batch.ids]
    if person not in batch.columns:
        raise InvalidData(f"the private data has no column {person!r}")
    return [value or "" for value in batch.columns[person]]
