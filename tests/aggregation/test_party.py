"""The arithmetic of leader and helper, in memory: what is counted, what is not, and that nobody can make a share count twice."""

from __future__ import annotations

import numpy as np
import pytest

from proxyset.aggregation.party import answer, begin, finish, total
from proxyset.client.calibration import privacy_statement
from proxyset.errors import ArtifactError
from proxyset.wire.aggregation import Job, Opened, Opening, Verdict, Verdicts, checksum
from proxyset.wire.report import Report, leader_bytes
from proxyset.wire.task import Task
from tests.aggregation.tasks import HELPER, LEADER, make_report, make_task, random_votes


def run(task: Task, reports: list[Report], seen: frozenset[bytes] = frozenset()):
    begun = begin(task, LEADER, 0, reports)
    if begun.job is None:
        return begun, None, None
    job = Job.from_bytes(begun.job.to_bytes())
    told, theirs = answer(HELPER, job, seen.__contains__)
    mine = finish(begun, Verdicts.from_bytes(told.to_bytes(), job))
    return begun, mine, theirs


def sum_of(task: Task, mine, theirs) -> list[int]:
    return task.vdaf.unshard([mine.share, theirs.share], max(1, len(mine.accepted)), signed=True)


def test_both_have_shares_of_the_sum_of_what_was_accepted() -> None:
    task = make_task(R=4, most=9)
    votes = [random_votes(task, seed) for seed in range(12)]
    _, mine, theirs = run(task, [make_report(task, each) for each in votes])
    assert mine.verdicts == theirs.verdicts
    assert sum_of(task, mine, theirs) == np.sum(votes, axis=0).tolist()


def test_a_report_survives_its_bytes() -> None:
    task = make_task()
    report = make_report(task, [1, 2, 0, 0, 4])
    again = Report.from_bytes(report.to_bytes())
    assert again == report and again.fingerprint == report.fingerprint
    assert len(report.leader) == leader_bytes(task)


def test_the_size_of_a_report_says_nothing_of_the_votes() -> None:
    task = make_task()
    assert (
        len({len(make_report(task, votes).to_bytes()) for votes in ([0] * 5, [7, 0, 0, 0, 0], [1] * 5)}) == 1
    )


def _changed(data: bytes, at: int = 3) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_each_altered_part_is_dropped_and_named_and_the_others_count() -> None:
    task = make_task(R=3)
    good = [make_report(task, [1, 0, 2]) for _ in range(3)]
    bad = make_report(task, [7, 0, 0])
    other = make_report(make_task(R=3), [7, 0, 0])  # of another task
    wrong = {
        "helper changed": (Report(task, b"1" * 16, bad.public, bad.leader, _changed(bad.helper)), Verdict.damaged),
        "under another id": (Report(task, b"2" * 16, bad.public, bad.leader, bad.helper), Verdict.damaged),
        "public changed": (Report(task, b"3" * 16, _changed(bad.public), bad.leader, bad.helper), Verdict.damaged),
        "swapped": (Report(task, good[0].id[:15] + b"x", good[0].public, bad.leader, good[0].helper), Verdict.damaged),
        "another task's": (Report(task, other.id, other.public, other.leader, other.helper), Verdict.damaged),
        "leader's share changed": (Report(task, bad.id, bad.public, _changed(bad.leader), bad.helper), Verdict.invalid),
        "no field element": (Report(task, b"4" * 16, bad.public, b"\xff" * len(bad.leader), bad.helper), Verdict.damaged),
    }  # fmt: skip
    _, mine, theirs = run(task, [*good, *(report for report, _ in wrong.values())])
    assert sum_of(task, mine, theirs) == [3, 0, 6]
    for name, (report, verdict) in wrong.items():
        assert mine.verdicts[report.id] is verdict, name


def test_a_liar_beyond_the_bound_changes_nothing() -> None:
    """Shares of votes that no client may have, made by somebody who writes own code: shares of valid votes, then altered."""
    task = make_task(R=3)
    report, field = make_report(task, [0, 0, 0]), task.vdaf.field
    share = task.vdaf.decode_input_share(0, report.leader)
    more = field.add(share.measurement, field.vector([1000] + [0] * (len(share.measurement) - 1)))
    liar = Report(
        task,
        report.id,
        report.public,
        field.encode(more) + report.leader[len(more) * field.size :],
        report.helper,
    )
    _, mine, theirs = run(task, [liar, make_report(task, [0, 1, 0])])
    assert sum_of(task, mine, theirs) == [0, 1, 0] and mine.verdicts[liar.id] is Verdict.invalid


def test_what_was_seen_does_not_count_again() -> None:
    task = make_task(R=3)
    first, second = make_report(task, [1, 0, 0]), make_report(task, [0, 1, 0])
    _, mine, theirs = run(task, [first, second], frozenset([first.id]))
    assert mine.verdicts == {first.id: Verdict.repeated, second.id: Verdict.accepted}
    assert sum_of(task, mine, theirs) == [0, 1, 0]


def test_a_job_names_no_report_twice() -> None:
    task = make_task(R=3)
    report = make_report(task, [1, 0, 0])
    job = begin(task, LEADER, 0, [report]).job
    assert job is not None
    twice = Job(
        task, 0, *(np.concatenate([part, part]) for part in (job.ids, job.public, job.sealed, job.verifiers))
    )
    with pytest.raises(ArtifactError, match="names a report twice"):
        Job.from_bytes(twice.to_bytes())


def test_a_helper_that_answers_nonsense() -> None:
    task = make_task(R=3)
    begun = begin(task, LEADER, 0, [make_report(task, [1, 0, 0]), make_report(task, [0, 1, 0])])
    job = begun.job
    assert job is not None
    told, _ = answer(HELPER, job, lambda _: False)
    for nonsense in (b"", b"nonsense", told.to_bytes()[:-1], _changed(told.to_bytes(), -2)):
        with pytest.raises(ArtifactError):
            Verdicts.from_bytes(nonsense, job)
    other = Verdicts(told.task, 7, told.verdicts, told.messages).to_bytes()
    with pytest.raises(ArtifactError, match="answers job 7"):
        Verdicts.from_bytes(other, job)
    with pytest.raises(ArtifactError, match="verdict that there is not: 9"):
        Verdicts.from_bytes(Verdicts(told.task, 0, told.verdicts + 9, told.messages).to_bytes(), job)
    short = Verdicts(told.task, 0, told.verdicts[:1], told.messages[:1]).to_bytes()
    with pytest.raises(ArtifactError, match="one verdict for each of 2"):
        Verdicts.from_bytes(short, job)
    with pytest.raises(ArtifactError, match="a message that is not its own"):
        finish(begun, Verdicts(told.task, 0, told.verdicts, np.ones_like(told.messages)))


def test_shares_that_cannot_be_a_sum() -> None:
    task = make_task(R=3)
    share = task.vdaf.encode_agg_share(task.vdaf.field.vector([1, 2, 3]))
    lie = task.vdaf.encode_agg_share(task.vdaf.field.vector([10**9, 0, 0]))
    assert total(task, share, share, 2).tolist() == [2, 4, 6]
    with pytest.raises(ArtifactError, match="cannot give that"):
        total(task, share, lie, 2)


def test_an_opening_is_of_one_batch() -> None:
    task = make_task(R=3)
    asked = Opening(task=task, count=2, checksum=checksum([b"a" * 16, b"b" * 16]))
    assert checksum([b"b" * 16, b"a" * 16]) == asked.checksum != checksum([b"a" * 16])
    share = task.vdaf.encode_agg_share(task.vdaf.field.vector([1, 2, 3]))
    good = Opened(task.fingerprint, 2, asked.checksum, share)
    assert Opened.from_bytes(good.to_bytes(), asked).share == share
    for wrong in (
        Opened(task.fingerprint, 3, asked.checksum, share),
        Opened("c" * 64, 2, asked.checksum, share),
        Opened(task.fingerprint, 2, asked.checksum, share[:-1]),
    ):
        with pytest.raises(ArtifactError):
            Opened.from_bytes(wrong.to_bytes(), asked)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"helper": make_task().leader}, "one key"),
        (
            {"privacy": privacy_statement(1.0, unit="person", max_records=8, whole_records=True)},
            "may have 8 votes",
        ),
        ({"privacy": privacy_statement(1.0, unit="person", max_records=8)}, "not on a grid of 256"),
        ({"minimum": 1}, "minimum"),
        ({"clusters": 0}, "clusters"),
        ({"privacy": make_task().privacy.model_copy(update={"rho": 1e-9})}, "claims ρ"),
    ],
)
def test_impossible_tasks(change: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make_task(**change)


def test_the_verify_key_is_the_aggregators_alone_and_differs_from_task_to_task() -> None:
    one, other = make_task(), make_task()
    assert one.verify_key(LEADER) == one.verify_key(HELPER) != other.verify_key(LEADER)
