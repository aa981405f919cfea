"""Aggregation: the leader's job. It may be killed at any moment and run again, and goes on where it was.

    freeze   every report gets its job, and no more are taken
    verify   job by job: the leader's half to the helper, verdicts back; kept, then the next
    open     the leader's share with its noise, kept; the helper's, over the same reports; the sum, kept

A job that was sent before the leader was killed is sent again as it was, and the helper answers as it did. Nothing is opened before
everything is judged, and everything that was accepted is opened together, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxyset.aggregation.noise import noised
from proxyset.aggregation.party import Counted, begin, finish, total
from proxyset.errors import StateError, UnknownName
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of
from proxyset.transport.service import Service
from proxyset.wire.aggregation import JOB_LIMIT, Job, Opened, Opening, Verdicts, checksum

if TYPE_CHECKING:
    from proxyset.server.two_party.store import Progress, Sum

Say = Callable[[str], None]


def aggregate(state: State, campaign: str, say: Say = lambda _: None) -> Progress:
    """Verify and add up what the clients of a campaign sent, and open the sum.

    Args:
        say: told how far it is.

    Raises:
        UnknownName: no such campaign, or none of two parties. StateError: the campaign still takes reports, or has too few.
        TransportError: the helper cannot be reached; run it again. Rejected: the helper says no; the message has its reason.
        ArtifactError: the helper answers nonsense.
    """
    sums, found = sums_of(state), sums_of(state).find(campaign)
    if found is None:
        raise UnknownName(f"campaign {campaign!r} asks for releases, there is no two-party sum of it")
    if sums.total(campaign) is not None:
        return sums.progress(campaign)
    if state.campaign(campaign).accepting():
        raise StateError(
            f"campaign {campaign!r} still takes reports, and its sum is opened once: proxyset campaign close {campaign}"
        )
    task, key = found.task, sums.key()
    helper = Service(found.helper_url, key, found.helper_ca, timeout=120)
    sums.freeze(campaign, task.minimum)
    waiting = sums.unfinished(campaign)
    for done, number in enumerate(waiting):
        begun = begin(task, key, number, sums.reports(campaign, number))
        counted = Counted(task.vdaf.agg_init(), begun.dropped)
        if begun.job is not None:
            counted = finish(begun, _ask_to_count(helper, begun.job))
        sums.finish(task, number, counted)
        say(
            f"job {done + 1} of {len(waiting)}: {len(counted.accepted)} of {len(counted.verdicts)} reports accepted"
        )
    ids = sums.counted(campaign)
    if len(ids) < task.minimum:
        raise StateError(
            f"{len(ids)} reports of campaign {campaign!r} are valid ({sums.progress(campaign).words()}); its sum is opened with "
            f"{task.minimum} or more, so it never is"
        )
    state.note("open sum", campaign)
    _open(state, found, helper, ids)
    return sums.progress(campaign)


def _open(state: State, found: Sum, helper: Service, ids: list[bytes]) -> None:
    sums, task, vdaf = sums_of(state), found.task, found.task.vdaf
    share = vdaf.merge(vdaf.decode_agg_share(bytes(each)) for each in sums.shares(task.campaign))
    mine = sums.open_own(task.campaign, len(ids), noised(task, share))
    asked = Opening(task=task, count=len(ids), checksum=checksum(ids))
    answer = helper.call("POST", "/v1/openings", JOB_LIMIT, asked.model_dump_json().encode())
    theirs = Opened.from_bytes(answer, asked).share
    sums.keep_total(task.campaign, theirs, total(task, mine, theirs, len(ids)))


def _ask_to_count(helper: Service, job: Job) -> Verdicts:
    return Verdicts.from_bytes(helper.call("POST", "/v1/jobs", JOB_LIMIT, job.to_bytes()), job)
