"""Whether a release, or a report, that came in answers what was asked."""

from __future__ import annotations

from proxyset.errors import ArtifactError
from proxyset.server.records import Campaign, Submission
from proxyset.wire.probe import Probe
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import Release
from proxyset.wire.report import Report
from proxyset.wire.report import size_limit as report_limit
from proxyset.wire.task import Task

_OVERHEAD = 16 << 10  # bytes of a release beside its counts


def size_limit(clusters: int) -> int:
    """The most bytes of a release for a probe of `clusters` centroids."""
    return 8 * clusters + _OVERHEAD


def check_release(data: bytes, probe: Probe) -> Release:
    """Decode a release and see that it answers this probe; its receipt, if it has one, must be valid and for it.

    Raises:
        ArtifactError: it does not, or the receipt is not.
    """
    release = _answer_to(data, probe.fingerprint, probe.index, probe.clusters)
    Receipt.of(release)
    return release


def check_submission(data: bytes, campaign: Campaign, clusters: int, client: str) -> Submission:
    """Decode a client's release and see that it is what the campaign asked for, with the client's own receipt.

    Args:
        data: as received.
        clusters: R of the campaign's probe.
        client: the key that must have signed the receipt.

    Raises:
        ArtifactError: it is not.
    """
    release = _answer_to(data, campaign.probe, campaign.index, clusters)
    if Receipt.of(release, client) is None:
        raise ArtifactError("this release carries no receipt: begin the ledger with `proxyset client init`")
    return submission_of(release, data, campaign, client)


def check_report(data: bytes, task: Task, client: str) -> Report:
    """Decode a client's report and see that it is for this task, with the client's own receipt.

    Raises:
        ArtifactError: it is not.
    """
    report = Report.from_bytes(data, report_limit(task))
    if report.task != task:
        raise ArtifactError(
            f"this report is for the task {report.task.fingerprint[:12]}…, the campaign's is {task.fingerprint[:12]}…"
        )
    if Receipt.of(report, client) is None:
        raise ArtifactError("this report carries no receipt: begin the ledger with `proxyset client init`")
    return report


def submission_of(release: Release, data: bytes, campaign: Campaign, client: str) -> Submission:
    """A release as the state stores it.

    Raises:
        ArtifactError: its privacy statement is not what the campaign asked for.
    """
    privacy = release.privacy
    if objection := campaign.ask.objection(privacy):
        raise ArtifactError(f"campaign {campaign.id!r} {objection}")
    return Submission(
        campaign.id,
        client,
        release.fingerprint,
        privacy.epsilon,
        privacy.delta,
        release.noise,
        privacy.rho,
        data,
    )


def _answer_to(data: bytes, probe: str, index: str, clusters: int) -> Release:
    release = Release.from_bytes(data)
    if release.probe != probe:
        raise ArtifactError(f"this release answers probe {release.probe[:12]}…, not {probe[:12]}…")
    if release.index != index or len(release.counts) != clusters:
        raise ArtifactError(
            f"this release has {len(release.counts)} counts for a probe of {clusters} centroids"
        )
    return release
