"""The leader's side of a two-party sum under Flower: carry a campaign's probe and task to every node, take in reports, and with the
helper open their sum.

The campaign is one of `proxyset campaign create --aggregate two-party`, in the state of a server on this machine: that command says
what is asked, with whom and under which guarantee, and `proxyset campaign` shows what became of it. The run's configuration says
where: state, campaign, out, nodes, timeout.
"""

from __future__ import annotations

import time
from pathlib import Path

from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import ArtifactError, StateError, TransportError
from proxyset.flower import messages
from proxyset.flower.server_app import Run, connected, log, replies
from proxyset.server import campaigns
from proxyset.server.records import Outcome
from proxyset.server.state import State
from proxyset.server.submission import check_report
from proxyset.server.two_party.job import aggregate
from proxyset.server.two_party.store import Sum
from proxyset.server.two_party.sums import sums_of
from proxyset.wire.receipt import Receipt
from proxyset.wire.report import Report, size_limit

from flwr.app import Context  # isort: skip - messages has told what to install
from flwr.serverapp import Grid, ServerApp  # isort: skip

app = ServerApp()


class Carried(Run):
    """Which campaign is carried.

    Attributes:
        state: the server's state, a folder on the machine that runs the ServerApp.
    """

    state: Path
    campaign: str


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one campaign."""
    run(grid, Carried.of_run(context.run_config))


def run(grid: Grid, carried: Carried) -> ProxySet:
    """Gather reports, open their sum with the helper, draw the proxy set. Stopped, it goes on when it is run again: reports stay,
    nodes that are asked twice send the same bytes, and a sum is opened once.

    Raises:
        TransportError: too few nodes connected or reported, or the helper cannot be reached.
        StateError, UnknownName: there is no such state, campaign or two-party sum of it, or too few reports are valid.
        InvalidInput, ArtifactError, FileExistsError: as `campaigns.draw`.
    """
    state = State.open(carried.state, create=False)
    try:
        found = sums_of(state).find(carried.campaign)
        if found is None:
            raise StateError(
                f"campaign {carried.campaign!r} is no two-party sum: proxyset campaign create --aggregate two-party"
            )
        if state.campaign(carried.campaign).accepting():
            gather(grid, state, found, carried.nodes, carried.timeout)
            state.close_campaign(carried.campaign)
        log.info("%s", aggregate(state, carried.campaign, log.info).words())
        return campaigns.draw(state, carried.campaign, out=carried.out)
    finally:
        state.close()


def gather(grid: Grid, state: State, found: Sum, nodes: int, timeout: float) -> None:
    """Take in the reports of enrolled clients, each on the disk when it comes.

    Raises:
        TransportError: fewer than `nodes` connected in time, or fewer reports came than the sum is opened with.
    """
    task, sums, deadline = found.task, sums_of(state), time.monotonic() + timeout
    probe = state.probe(state.campaign(task.campaign).probe)
    targets = connected(grid, nodes, deadline)
    for node, data in replies(grid, messages.question(probe, task), targets, deadline):
        if not data:
            continue
        try:
            outcome = _take(state, found, data)
        except ArtifactError as error:
            log.warning("node %d: %s", node, error)
            continue
        if outcome not in (Outcome.stored, Outcome.known):
            log.warning("node %d: this client has answered before, or another sent this report", node)
    if (reports := sums.progress(task.campaign).reports) < task.minimum:
        raise TransportError(
            f"{reports} reports came from {len(targets)} nodes, and the sum is opened with {task.minimum} or more: run it again "
            "when more are connected; what came is kept"
        )


def _take(state: State, found: Sum, data: bytes) -> Outcome:
    """Keep a report of an enrolled client. Raises ArtifactError when it is none."""
    receipt = Receipt.of(Report.from_bytes(data, size_limit(found.task)))
    if receipt is None or (who := state.client(receipt.claim.key)) is None or who.revoked:
        whose = f"signed by {receipt.claim.key}, who is not enrolled" if receipt else "without a receipt"
        raise ArtifactError(f"its report is {whose}: proxyset server clients add KEY")
    report = check_report(data, found.task, receipt.claim.key)
    return sums_of(state).take(report, data, receipt.claim.key)
