"""Exact votes in shares: what they add up to, what an owner must have said, and that each is paid for once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.aggregation.party import answer, begin, finish
from proxyset.client.calibration import privacy_statement
from proxyset.client.gate import Gate
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import Policy, adopt
from proxyset.client.receipts import check_not_rolled_back, check_receipt, make_key
from proxyset.client.shards import sharing
from proxyset.client.shares import Shares, share_votes
from proxyset.client.terms import Terms
from proxyset.errors import ArtifactError, BudgetExceeded, InvalidInput, LedgerError, Refused
from proxyset.wire.probe import Probe
from proxyset.wire.receipt import Receipt
from proxyset.wire.report import Report
from proxyset.wire.task import Task
from tests.aggregation.tasks import HELPER, LEADER, make_task
from tests.client.conftest import make_probe, paid

POLICY = """
unit = "{unit}"
max_records = {m}
encoders = "any"
aggregation = "two-party"
helpers = ["{helper}"]
smallest_sum = {least}
{more}
"""


def task_for(probe: Probe, m: int = 1, unit: str = "record", most: int = 1023, **changes: object) -> Task:
    privacy = privacy_statement(1.0, unit=unit, max_records=m, whole_records=True)  # type: ignore[arg-type]
    fields = {"probe": probe.fingerprint, "index": probe.index, "privacy": privacy}
    return make_task(R=probe.clusters, most=most, minimum=100, **(fields | changes))


def accept(ledger: Ledger, task: Task, least: int = 100, more: str = "") -> None:
    p = task.privacy
    text = POLICY.format(unit=p.unit, m=p.max_records, helper=task.helper, least=least, more=more)
    adopt(ledger, text.encode())


def opened(task: Task, *reports: Report) -> list[int]:
    begun = begin(task, LEADER, 0, reports)
    assert begun.job is not None
    told, theirs = answer(HELPER, begun.job, lambda _: False)
    mine = finish(begun, told)
    assert len(mine.accepted) == len(reports)
    return task.vdaf.unshard([mine.share, theirs.share], len(reports))


def exact(probe: Probe, X: np.ndarray) -> list[int]:
    distances = ((X[:, None] - probe.centroids) ** 2).sum(axis=2)
    return np.bincount(distances.argmin(axis=1), minlength=probe.clusters).tolist()


def test_the_shares_add_up_to_the_exact_votes_and_one_entry_pays(
    probe: Probe, X: np.ndarray, ledger: Ledger
) -> None:
    task = task_for(probe)
    accept(ledger, task)
    report = share_votes(probe, task, X, Terms(1.0), Gate(ledger), "X")
    assert opened(task, report) == exact(probe, X)
    assert [e.kind for e in ledger.entries()] == ["cap", "policy", "debit", "report"]
    debit = ledger.entries()[2]
    assert (debit.rho, debit.sigma) == (task.privacy.rho, task.privacy.sigma)
    assert "work together" in debit.note and task.helper[:12] in debit.note and "100 reports" in debit.note
    assert ledger.spent() == task.privacy.rho
    ledger.verify()


def test_the_same_report_again_at_no_cost_and_never_a_second(
    probe: Probe, X: np.ndarray, ledger: Ledger
) -> None:
    task = task_for(probe)
    accept(ledger, task)
    first = share_votes(probe, task, X, Terms(1.0), Gate(ledger), "X")
    again = share_votes(probe, task, np.zeros((1, 3), np.float32), Terms(1.0), Gate(ledger), "X")
    assert again == first and ledger.spent() == task.privacy.rho
    for gate, name in ((Gate(ledger, fresh=True), "X"), (Gate(ledger), "Y")):
        with pytest.raises(Refused, match="count once"):
            share_votes(probe, task, X, Terms(1.0), gate, name)
    assert ledger.spent() == task.privacy.rho


def test_a_receipt_covers_the_report_with_all_that_it_assumes(
    probe: Probe, X: np.ndarray, ledger: Ledger
) -> None:
    task = task_for(probe)
    accept(ledger, task)
    key = make_key(ledger)
    report = Report.from_bytes(share_votes(probe, task, X, Terms(1.0), Gate(ledger), "X").to_bytes())
    receipt = Receipt.of(report, key)
    assert receipt is not None and receipt.claim.privacy == task
    check_receipt(ledger, receipt)
    assert check_not_rolled_back(ledger) == 1
    with pytest.raises(ArtifactError, match="is for"):
        Receipt.of(replace(report, id=b"x" * 16), key)


def test_what_the_owner_must_have_said(probe: Probe, X: np.ndarray, tmp_path: Path) -> None:
    task = task_for(probe)
    refusals = {
        "no policy": (None, "no policy in this ledger"),
        "local": ('unit = "record"\nencoders = "any"', "noise alone"),
        "another helper": (POLICY.format(unit="record", m=1, helper="c" * 64, least=100, more=""), "does not name the helper"),
        "too few": (POLICY.format(unit="record", m=1, helper=task.helper, least=101, more=""), "at least 101"),
        "fewest": (POLICY.format(unit="record", m=1, helper=task.helper, least=2, more="fewest_records = 5"), "fewest_records"),
        "epsilon": (POLICY.format(unit="record", m=1, helper=task.helper, least=2, more="most_epsilon = 0.5"), "at most ε"),
        "approval": (POLICY.format(unit="record", m=1, helper=task.helper, least=2, more="approve_above = 0.5"), "approval"),
    }  # fmt: skip
    for name, (text, why) in refusals.items():
        ledger = Ledger.open(tmp_path / f"{name}.sqlite", cap=Cap(100))
        if text:
            adopt(ledger, text.encode())
        before = ledger.entries()
        with pytest.raises(Refused, match=why):
            share_votes(probe, task, X, Terms(1.0), Gate(ledger), "X")
        assert ledger.entries() == before, name


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        (Terms(0.5), "costs ε = 1"),
        (Terms(1.0, delta=1e-6), "at δ = 1e-05"),
        (Terms(1.0, unit="person", person="me"), "your terms are"),
        (Terms(1.0, adjacency="replace-one"), "your terms are"),
    ],
)
def test_no_task_costs_more_than_the_owner_gives(
    probe: Probe, X: np.ndarray, ledger: Ledger, terms: Terms, why: str
) -> None:
    task = task_for(probe)
    accept(ledger, task)
    with pytest.raises(Refused, match=why):
        share_votes(probe, task, X, terms, Gate(ledger), "X")
    assert not ledger.spent()


def test_a_task_of_another_probe(X: np.ndarray, ledger: Ledger) -> None:
    task = task_for(make_probe())
    accept(ledger, task)
    with pytest.raises(ArtifactError, match="is about the probe"):
        share_votes(make_probe(seed=1), task, X, Terms(1.0), Gate(ledger), "X")


def test_the_cap_holds_for_sums_too(probe: Probe, X: np.ndarray, tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "small.sqlite", cap=Cap(0.5))
    task = task_for(probe)
    accept(ledger, task)
    with pytest.raises(BudgetExceeded):
        share_votes(probe, task, X, Terms(1.0), Gate(ledger), "X")
    assert not ledger.reports()


def test_no_shares_without_their_own_debit(probe: Probe) -> None:
    task = task_for(probe)
    share = sharing(task)
    for entry in (paid(task.privacy), replace(paid(task.privacy), kind="cap")):
        with pytest.raises(LedgerError, match="pays for no report"):
            share(np.zeros(5, np.int64), entry)


def test_a_person_of_more_records_than_count(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    task = task_for(probe, m=7, unit="person", most=7)
    accept(ledger, task)
    terms = Terms(1.0, unit="person", max_records=7, person="me")
    counts = opened(task, share_votes(probe, task, X, terms, Gate(ledger), "X"))
    assert sum(counts) == 7 and all(np.array(counts) <= exact(probe, X))


def test_a_report_of_many_units_needs_room_for_each_cluster(probe: Probe, X: np.ndarray) -> None:
    with pytest.raises(Refused, match="clients who are one person"):
        Shares.of(probe, task_for(probe, most=4), Terms(1.0))


@given(st.lists(st.integers(0, 40), min_size=5, max_size=5), st.integers(0, 4), st.integers(5, 60))
def test_one_record_more_moves_one_count_by_one_at_most_and_the_proof_always_holds(
    counts: list[int], where: int, most: int
) -> None:
    """Whatever the records: the bound is kept by cutting counts, which enlarges no difference."""
    cut = np.minimum(counts, most // 5)
    more = np.array(counts)
    more[where] += 1
    assert cut.sum() <= most
    assert np.abs(np.minimum(more, most // 5) - cut).sum() <= 1


def test_counts_beyond_the_bound_are_cut_and_leave(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    task = task_for(probe, most=30)  # six a cluster
    accept(ledger, task)
    report = share_votes(probe, task, X, Terms(1.0), Gate(ledger), "X")
    assert opened(task, report) == np.minimum(exact(probe, X), 6).tolist()


@pytest.mark.parametrize("data", [np.empty((0, 3), np.float32), np.full((4, 3), np.nan, np.float32)])
def test_no_records_and_bad_ones_make_a_report_all_the_same(
    probe: Probe, ledger: Ledger, data: np.ndarray
) -> None:
    task = task_for(probe)
    accept(ledger, task)
    assert opened(task, share_votes(probe, task, data, Terms(1.0), Gate(ledger), "X")) == [0] * 5


def test_a_policy_that_names_no_helper_or_no_key(ledger: Ledger) -> None:
    for helpers, why in ((b"", "names no helper"), (b'\nhelpers = ["bob"]', "no helper has the key 'bob'")):
        with pytest.raises(InvalidInput, match=why):
            adopt(ledger, b'unit = "record"\naggregation = "two-party"' + helpers)
    assert Policy.from_toml(b'unit = "record"').aggregation == "local"


def test_a_floor_is_in_the_ledger_and_a_policy_may_demand_it(
    probe: Probe, X: np.ndarray, ledger: Ledger
) -> None:
    task = task_for(probe, m=3, unit="person", most=3, floor=2.0)
    bare, weak = (task.model_copy(update={"floor": floor}) for floor in (0, 5.0))
    accept(ledger, task, more="vote_floor = 2.0")
    terms = Terms(1.0, unit="person", max_records=3, person="me")
    for other, kept in ((bare, "keeps nothing"), (weak, "keeps ε = 5")):
        with pytest.raises(Refused, match=kept):
            share_votes(probe, other, X, terms, Gate(ledger), "X")
    report = share_votes(probe, task, X, terms, Gate(ledger), "X")
    assert sum(opened(task, report)) <= 3
    assert "each vote keeps ε = 2" in ledger.entries()[2].note
