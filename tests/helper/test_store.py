"""The helper's promises: each report counts once, one batch is opened once, and no leader gets round that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from proxyset.aggregation.party import begin, finish, total
from proxyset.errors import ArtifactError, Refused
from proxyset.helper.store import HelperStore
from proxyset.wire.aggregation import Job, Opened, Opening, Verdict, Verdicts, checksum
from proxyset.wire.report import Report
from proxyset.wire.task import Task
from tests.aggregation.tasks import HELPER, LEADER, make_report, make_task, random_votes


@pytest.fixture
def store(tmp_path: Path) -> HelperStore:
    return HelperStore(tmp_path, HELPER, minimum=3)


def job_of(task: Task, number: int, *reports: Report) -> Job:
    job = begin(task, LEADER, number, reports).job
    assert job is not None
    return job


def count(store: HelperStore, task: Task, number: int, *reports: Report) -> list[Verdict]:
    job = job_of(task, number, *reports)
    told = Verdicts.from_bytes(store.count(job.to_bytes()), job)
    return [Verdict(int(each)) for each in told.verdicts]


def opening(task: Task, *reports: Report) -> Opening:
    return Opening(task=task, count=len(reports), checksum=checksum(report.id for report in reports))


def open_sum(store: HelperStore, task: Task, *reports: Report) -> Opened:
    asked = opening(task, *reports)
    return Opened.from_bytes(store.open(asked.model_dump_json().encode()), asked)


def test_a_job_again_is_the_same_answer_and_counts_once(store: HelperStore) -> None:
    task = make_task()
    job = job_of(task, 0, *(make_report(task, [1, 0, 0, 0, 0]) for _ in range(3)))
    data = job.to_bytes()
    assert store.count(data) == store.count(data)
    assert store.reports() == 3


def test_a_number_is_one_job_for_good(store: HelperStore) -> None:
    task = make_task()
    first, second = make_report(task, [1, 0, 0, 0, 0]), make_report(task, [1, 0, 0, 0, 0])
    count(store, task, 0, first)
    with pytest.raises(Refused, match="sent again as it was"):
        count(store, task, 0, second)
    assert store.reports() == 1


def test_a_report_counts_once_whatever_the_job(store: HelperStore) -> None:
    task = make_task()
    first, second, third = (make_report(task, [0, 1, 0, 0, 0]) for _ in range(3))
    assert count(store, task, 0, first, second) == [Verdict.accepted] * 2
    assert count(store, task, 1, second, third) == [Verdict.repeated, Verdict.accepted]
    assert store.reports() == 3


def test_a_report_that_was_refused_is_not_tried_again(store: HelperStore) -> None:
    """Otherwise a leader could ask about one client's share as often as it likes, each time with another half of its own."""
    task = make_task()
    good, other = make_report(task, [0, 1, 0, 0, 0]), make_report(task, [7, 0, 0, 0, 0])
    assert count(store, task, 0, Report(task, good.id, good.public, other.leader, good.helper)) == [
        Verdict.invalid
    ]
    assert count(store, task, 1, good) == [Verdict.repeated]


def test_a_batch_of_one_or_of_too_few_is_never_opened(store: HelperStore) -> None:
    task = make_task(minimum=2)
    reports = [make_report(task, [0, 1, 0, 0, 0]) for _ in range(3)]
    for number, least in ((0, 1), (1, 2)):
        count(store, task, number, reports[number])
        with pytest.raises(Refused, match=f"{least} reports were counted; a sum is opened here with 3"):
            open_sum(store, task, *reports[: number + 1])
    larger = make_task(minimum=4)
    mine = [make_report(larger, [0, 1, 0, 0, 0]) for _ in range(3)]
    count(store, larger, 0, *mine)
    with pytest.raises(Refused, match="opened here with 4"):
        open_sum(store, larger, *mine)


def test_no_part_of_a_batch_and_no_other_batch_is_opened(store: HelperStore) -> None:
    task = make_task()
    reports = [make_report(task, [0, 1, 0, 0, 0]) for _ in range(5)]
    count(store, task, 0, *reports)
    for wrong in (reports[:4], reports[1:], [*reports, make_report(task, [0, 0, 0, 0, 0])], []):
        with pytest.raises(Refused, match="is not the one that was counted here, of 5"):
            open_sum(store, task, *wrong)
    first = store.open(opening(task, *reports).model_dump_json().encode())
    assert store.open(opening(task, *reports).model_dump_json().encode()) == first  # the same noise
    with pytest.raises(Refused, match="no second one is ever opened"):
        open_sum(store, task, *reports[:4])
    with pytest.raises(Refused, match="nothing is counted after that"):
        count(store, task, 1, make_report(task, [0, 0, 0, 0, 0]))
    with pytest.raises(Refused, match="no second one"):
        open_sum(store, task, *reports[:3])


def test_the_sum_is_the_sum_of_what_was_accepted_and_noise(store: HelperStore) -> None:
    """Noise of σ < 0.2 at ε = 40 rounds away; a false alarm below 1e-5."""
    task = make_task(R=4, most=1, epsilon=40, minimum=3)
    votes = [random_votes(task, seed) for seed in range(9)]
    reports = [make_report(task, each) for each in votes]
    share = task.vdaf.agg_init()
    for number in range(3):
        begun = begin(task, LEADER, number, reports[3 * number : 3 * number + 3])
        assert begun.job is not None
        counted = finish(begun, Verdicts.from_bytes(store.count(begun.job.to_bytes()), begun.job))
        share = task.vdaf.agg_update(share, counted.share)
    opened = open_sum(store, task, *reports)
    found = total(task, task.vdaf.encode_agg_share(share), opened.share, 9)
    assert np.abs(found - np.sum(votes, axis=0)).max() <= 1


def test_bad_requests_change_nothing(store: HelperStore) -> None:
    task = make_task()
    job = job_of(task, 0, make_report(task, [0, 1, 0, 0, 0])).to_bytes()
    for data in (b"", b"{}", job[:-1], job[:-1] + bytes([job[-1] ^ 1])):
        with pytest.raises(ArtifactError):
            store.count(data)
        with pytest.raises(ArtifactError):
            store.open(data)
    assert store.reports() == 0 and store.opened() == []


def test_what_was_done_outlives_the_process(tmp_path: Path) -> None:
    task = make_task()
    reports = [make_report(task, [0, 1, 0, 0, 0]) for _ in range(3)]
    store = HelperStore(tmp_path, HELPER, minimum=3)
    job = job_of(task, 0, *reports).to_bytes()
    told = store.count(job)
    opened = open_sum(store, task, *reports).share
    store.close()
    again = HelperStore(tmp_path, HELPER, minimum=3)
    assert again.count(job) == told and open_sum(again, task, *reports).share == opened
    assert [(each.campaign, each.reports) for each in again.opened()] == [("wards", 3)]
