"""The answer to a probe for a two-party sum: exact counts, bounded, in shares. `gate` has the order in which it is made.

Persons are counted record by record here, not on a grid as in `vote`: what is proven of a report is how many votes it has.

**Two ways to stay within a report's bound.** The proof holds every client to `most` votes in all; an honest one has to be within
that, whatever its records are, and without a record or a person moving the votes by more than the statement says.

    one person     all records are the owner's own (person="me"): of them `max_records` count, as `choice` picks them.
                   Adding or removing the person adds or removes the whole vector, whose ℓ1 and ℓ2 norms are at most max_records
    many units     each cluster's count is cut at `most // R`. Cutting a count does not enlarge a difference, so that the
                   sensitivity is that of the counts, for records and for persons; and R such counts are at most `most`

Dropping records until the total fits would not do: where the bound is reached, one record more displaces another, and a record that
the statement gives ℓ2 = 1 moves two counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxyset.client.answer import Counts
from proxyset.client.choice import bounded_rows, marks
from proxyset.client.gate import Draw, Gate, Votes
from proxyset.client.ledger import Ledger
from proxyset.client.look import check_items
from proxyset.client.policy import Policy
from proxyset.client.private_data import ME, Data, PrivateData, open_private
from proxyset.client.terms import Terms
from proxyset.client.vote import Voter, count_votes
from proxyset.encoders.encoder import Encoder
from proxyset.errors import ArtifactError, Refused
from proxyset.wire.probe import Probe
from proxyset.wire.release import PrivacyStatement
from proxyset.wire.report import Report
from proxyset.wire.task import Task


def share_votes(
    probe: Probe, task: Task, data: Data, terms: Terms, gate: Gate, dataset: str | None = None
) -> Report:
    """Answer a probe with a report for a two-party sum, and pay for it in the ledger before anything is made.

    The same task and data set get the stored report again, bit for bit, at no cost: its id is the same, so that it counts once.

    Args:
        probe: the probe that the task names.
        task: what leader and helper promise.
        data, dataset: as `answer` takes them.
        terms: what the owner gives. The task may cost less than they say, never more.
        gate: its ledger must be bound by a policy that accepts two-party sums with this helper.

    Returns:
        The report, also stored in the ledger; with its signed receipt if the ledger has a key.

    Sensitivity:
        task.privacy.l2_sensitivity, of the votes; the module shows it.
    Unit:
        task.privacy.unit.
    Guarantee:
        That of `wire.task.Task`, for the sum that is opened. Whether a report is returned depends on no record.
    Assumes:
        That leader and helper do not work together: TOGETHER THEY CAN READ THE EXACT VOTES. For person="me": the data are of one
        person.

    Raises:
        Refused: the policy or the terms say no. ArtifactError: probe and task do not belong together.
        Everything else as `answer`.
    """
    question = Shares.of(probe, task, terms)
    return gate.answer(question, open_private(data, question.encoder, terms.person, dataset=dataset))


@dataclass(frozen=True)
class Shares:
    """The question that a probe asks for a two-party sum. A `gate.Question`.

    Sensitivity:
        cost.l2_sensitivity, as the module shows.
    Unit:
        cost.unit.
    Guarantee:
        None by itself; the two aggregators draw the noise.
    Assumes:
        `encoder` has the probe's fingerprint.
    """

    asked: Probe
    task: Task
    encoder: Encoder
    whole: bool

    @property
    def cost(self) -> PrivacyStatement:
        """What the one opening of the sum costs, if one aggregator is honest."""
        return self.task.privacy

    @classmethod
    def of(cls, probe: Probe, task: Task, terms: Terms) -> Shares:
        """The question of a probe and a task under an owner's terms.

        Raises:
            As `share_votes`, for the probe, the task and the terms.
        """
        if (task.probe, task.index, task.clusters) != (probe.fingerprint, probe.index, probe.clusters):
            raise ArtifactError(
                f"the task of campaign {task.campaign} is about the probe {task.probe[:12]} of {task.clusters} centroids, this "
                f"is {probe.fingerprint[:12]} of {probe.clusters}"
            )
        if why := objection(task, terms):
            raise Refused(why)
        whole = terms.person == ME
        if not whole and not task.per_cluster:
            raise Refused(
                f"a report of campaign {task.campaign} has at most {task.most} votes for {task.clusters} clusters, which is for "
                f'clients who are one person: person="{ME}", if all these records are one person\'s'
            )
        counts = Counts.of(probe, terms)
        return cls(probe, task, counts.encoder, whole)

    def permit(self, policy: Policy | None, server: str, approved: bool) -> None:
        if policy is None:
            raise Refused(
                "a two-party sum is as private as leader and helper are strangers to each other, and no policy in this ledger says "
                'that you accept that: put aggregation = "two-party" and the helper\'s key into one (proxyset ledger policy)'
            )
        policy.check_task(self.asked, self.task, server, approved)

    def verify(self) -> None:
        check_items(self.asked, self.encoder)

    def stored(self, ledger: Ledger, dataset: str) -> Report | None:
        return ledger.stored_report(self.task, dataset)

    def votes(self, private: PrivateData) -> Votes:
        """(R,) int64, each ≥ 0, at most task.most in all. A total function."""
        if self.cost.unit == "record":
            counts = count_votes(private.records(), self.asked, self.cost)
        else:
            counts = self._of_few_records(private)
        return counts if self.whole else np.minimum(counts, self.task.per_cluster)

    def _of_few_records(self, private: PrivateData) -> Votes:
        """The votes of at most max_records records of each person."""
        voter, persons, kept_by = Voter(self.asked), list[str](), list[bytes]()
        votes: list[Votes] = [np.empty(0, np.int64)]
        for batch in private.records():
            votes.append(voter(batch.X))
            persons += batch.persons
            kept_by += marks(batch.X)
        labels = np.concatenate(votes)
        rows = bounded_rows(persons, kept_by, labels, self.cost.max_records)
        return np.bincount(labels[rows], minlength=self.asked.clusters)

    def answer(self, votes: Votes, draw: Draw) -> Report:
        return draw.share(votes, self.task)


def objection(task: Task, terms: Terms) -> str:
    """Why an owner's terms do not allow a report for a task; "" when they do. Nothing of the data is looked at."""
    privacy, given = task.privacy, terms.statement()
    asked, mine = ((each.unit, each.max_records, each.adjacency) for each in (privacy, given))
    if asked != mine:
        return f"the task protects unit, record bound and adjacency {asked}, your terms are {mine}"
    if privacy.epsilon > given.epsilon or privacy.delta > given.delta:
        return f"the sum costs ε = {privacy.epsilon:g} at δ = {privacy.delta:g}, you give {given.epsilon:g} at {given.delta:g}"
    return ""
