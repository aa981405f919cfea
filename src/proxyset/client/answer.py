"""The answer to a probe: noisy counts of private data. `gate` has the order in which it is made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from proxyset.client.calibration import Adjacency, Unit
from proxyset.client.gate import Confirm, Draw, Gate, Votes
from proxyset.client.ledger import Ledger
from proxyset.client.look import check_items
from proxyset.client.policy import Policy
from proxyset.client.private_data import Data, PrivateData, matching_encoder, open_private
from proxyset.client.terms import Terms
from proxyset.client.vote import count_votes
from proxyset.encoders.encoder import Encoder
from proxyset.encoders.function import FunctionEncoder
from proxyset.errors import InvalidInput
from proxyset.wire.files import read_message
from proxyset.wire.probe import PROBE_LIMIT, Probe
from proxyset.wire.release import RELEASE_LIMIT, PrivacyStatement, Release

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
    encoder: Encoder | FunctionEncoder | str | None = None,
    ledger: Ledger | str | os.PathLike[str] | None = None,
    server: str = "",
    dataset: str | None = None,
    fresh: bool = False,
    approved: bool = False,
    new_index: bool = False,
    confirm: Confirm | None = None,
) -> Release:
    """Answer a probe with noisy counts, and pay for it in the ledger.

    A probe that was answered before from the same data set with the same terms (ε, δ, unit, adjacency, max_records) gets the
    stored release again, bit for bit, at no cost and without a look at the data. With other terms it gets a new one. So it
    does with `fresh=True`. Two answers to one probe can be averaged; each is debited in full, and the sum of their ρ is what
    the average may tell. Terms are the owner's alone: nothing in a probe can ask for others.

    A record that cannot be read, encoded or given to a person has no vote, and there may be no records at all: the answer
    leaves all the same, because that it stayed out would tell something that no noise covers.

    Args:
        probe: a probe, its file or its bytes.
        data: path of the private data, or the data themselves: an array, a data frame, an Arrow table, a list of texts or
            pictures, a torch or Hugging Face data set (`sources.given`).
        epsilon, delta, unit, max_records, person, adjacency, encoder: as `Terms` takes them.
        ledger: a ledger or its path; None for the user's own.
        server, fresh, approved, new_index, confirm: as `Gate` takes them.
        dataset: the owner's name for the data in the ledger; the absolute path of data that lie in files. Data in memory
            need one. It must not depend on the content: whether a release is a replay is visible to the server.

    Returns:
        The release, also stored in the ledger; with its signed receipt if the ledger has a key. Its size depends on R and the
        terms alone; it does not contain the number of records.

    Sensitivity:
        privacy.l2_sensitivity of the statement: `vote.count_votes` bounds what one unit adds.
    Unit:
        `unit`, in the data set that `data` is.
    Guarantee:
        As `Gate.answer`: (ε, δ)-DP and ρ-zCDP as the release states, for any probe, any encoder and any record.
    Assumes:
        One ledger for all answers about the same people. Features of an item depend on that item alone: `private_data` reads
        and encodes record by record.

    Raises:
        InvalidInput: impossible terms, data in memory without a name, or a URL. InvalidData: there are no such data.
        EncoderMismatch: the given encoder is not the probe's. ArtifactError: the probe is damaged.
        BudgetExceeded, Refused, LedgerError: as `Gate.answer`.
    """
    terms = Terms(epsilon, delta, unit, max_records, person, adjacency, encoder)
    gate = Gate(
        ledger if isinstance(ledger, Ledger) else Ledger.open(ledger),
        server,
        fresh=fresh,
        approved=approved,
        new_index=new_index,
        confirm=confirm,
    )
    return answer_probe(probe, data, terms, gate, dataset)


def answer_probe(
    probe: Probe | str | os.PathLike[str] | bytes,
    data: Data,
    terms: Terms,
    gate: Gate,
    dataset: str | None = None,
) -> Release:
    """The same, for callers that have terms and a gate already; everything as `answer` says."""
    question = Counts.of(probe, terms)
    return gate.answer(question, open_private(data, question.encoder, terms.person, dataset=dataset))


@dataclass(frozen=True)
class Counts:
    """The question that a probe asks: how many records are nearest to each centroid? A `gate.Question`.

    Sensitivity:
        cost.l2_sensitivity: 1 a record, grid · √max_records a person, √2 times that when one is replaced (`vote.count_votes`).
    Unit:
        cost.unit.
    Guarantee:
        None by itself; the gate draws the noise.
    Assumes:
        `encoder` has the probe's fingerprint.
    """

    asked: Probe
    encoder: Encoder
    cost: PrivacyStatement

    @classmethod
    def of(cls, probe: Probe | str | os.PathLike[str] | bytes, terms: Terms) -> Counts:
        """The question of a probe, its file or its bytes, under an owner's terms.

        Raises:
            As `answer`, for the probe, the terms and the encoder.
        """
        cost, asked = terms.statement(), _opened(probe)
        return cls(asked, matching_encoder(terms.encoder, asked.encoder, "probe"), cost)

    def permit(self, policy: Policy | None, server: str, approved: bool) -> None:
        if policy:
            policy.check(self.asked, self.cost, server, approved)

    def verify(self) -> None:
        check_items(self.asked, self.encoder)

    def stored(self, ledger: Ledger, dataset: str) -> Release | None:
        return ledger.stored(self.asked.fingerprint, dataset, self.cost)

    def votes(self, private: PrivateData) -> Votes:
        return count_votes(private.records(), self.asked, self.cost)

    def answer(self, votes: Votes, draw: Draw) -> Release:
        counts = draw(votes, self.cost, "")
        return Release(counts, self.asked.fingerprint, self.asked.index, self.cost)


def _opened(probe: Probe | str | os.PathLike[str] | bytes) -> Probe:
    if not isinstance(probe, Probe):
        data = probe if isinstance(probe, bytes) else read_message(Path(probe), "probe", PROBE_LIMIT)
        probe = Probe.from_bytes(data)
    if probe.clusters > MOST_CLUSTERS:
        raise InvalidInput(
            f"this probe has {probe.clusters} centroids; at most {MOST_CLUSTERS} can be answered"
        )
    return probe
