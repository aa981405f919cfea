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
from dataclasses import replace
from pathlib import Path

from proxyset.client.calibration import Adjacency, Unit, privacy_statement
from proxyset.client.decisions import is_approved, was_drawn_for
from proxyset.client.ledger import Ledger
from proxyset.client.look import check_items
from proxyset.client.noise import mechanism
from proxyset.client.pins import check_pin, pin
from proxyset.client.policy import Policy, in_force
from proxyset.client.private_data import (
    Data,
    batches_of,
    check_kind,
    check_person,
    dataset_name,
    encoded_records,
    matching_encoder,
    private_source,
)
from proxyset.client.receipts import check_not_rolled_back, issue
from proxyset.client.vote import count_votes
from proxyset.encoders.encoder import Encoder
from proxyset.errors import InvalidData, InvalidInput
from proxyset.wire.files import read_message
from proxyset.wire.probe import PROBE_LIMIT, Probe
from proxyset.wire.release import RELEASE_LIMIT, Release
from proxyset.wire.server_name import server_name

MOST_CLUSTERS = RELEASE_LIMIT // 8 - 4096  # what fits into a release, with its header


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
    check_person(unit, person)
    server = server_name(server)
    probe = _opened(probe)
    encoder = matching_encoder(encoder, probe.encoder, "probe")
    source = private_source(data, encoder, person)
    check_kind(source, encoder, "probe")
    dataset = dataset_name(source) if dataset is None else dataset
    ledger = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)

    check_not_rolled_back(ledger)
    agreed = is_approved(ledger, probe.fingerprint, server, privacy) or approved
    policy, policy_hash = in_force(ledger)
    stored = None if fresh else ledger.stored(probe.fingerprint, dataset, privacy)
    if stored and was_drawn_for(ledger, stored, server):
        agreed = True
    if policy:
        policy.check(probe, privacy, server, agreed)
    check_pin(ledger, probe, server, new_index)
    check_items(probe, encoder)

    if stored:
        pin(ledger, probe, server, new_index)
        return _sendable(stored, policy, ledger)
    ledger.check(privacy, server)
    draw = mechanism(probe.clusters, privacy)
    records = encoded_records(batches_of(source), encoder, person, skip_corrupt)
    counts = count_votes(records, probe, max_records if unit == "person" else None)
    if not counts.any():
        raise InvalidData("there are no private records to count: nothing was answered")

    with ledger.exclusive():
        pin(ledger, probe, server, new_index)
        if not fresh and (stored := ledger.stored(probe.fingerprint, dataset, privacy)):
            return _sendable(stored, policy, ledger)
        agreed = is_approved(ledger, probe.fingerprint, server, privacy) or approved
        if policy:  # again: another process may have spent the approval
            policy.check(probe, privacy, server, agreed)
        debit = ledger.debit(
            privacy, probe=probe.fingerprint, dataset=dataset, server=server, policy=policy_hash
        )
        release = Release(draw(counts), probe.fingerprint, probe.index, privacy)
        ledger.store(debit, release)
        return _sendable(release, policy, ledger)


def _sendable(release: Release, policy: Policy | None, ledger: Ledger) -> Release:
    if policy:
        policy.withhold(release)
    receipt = issue(ledger, release)
    return replace(release, receipt=receipt.to_bytes()) if receipt else release


def _opened(probe: Probe | str | os.PathLike[str] | bytes) -> Probe:
    if not isinstance(probe, Probe):
        data = probe if isinstance(probe, bytes) else read_message(Path(probe), "probe", PROBE_LIMIT)
        probe = Probe.from_bytes(data)
    if probe.clusters > MOST_CLUSTERS:
        raise InvalidInput(
            f"this probe has {probe.clusters} centroids; at most {MOST_CLUSTERS} can be answered"
        )
    return probe
