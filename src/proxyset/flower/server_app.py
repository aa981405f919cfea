"""The cloud's side under Flower: send one probe to every node, take in releases, draw the proxy set.

Settings are the run's configuration (`flwr run . --run-config …`): index, out, budget, and what `Campaign` names.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset import atomic
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.cloud.releases import ReleaseFiles
from proxyset.cloud.select import DEFAULT_RULE, DEFAULT_STRATEGY, MAX_WEIGHT, Rule
from proxyset.errors import ArtifactError, InvalidInput, TransportError, first_problem
from proxyset.flower import messages
from proxyset.server.submission import check_release
from proxyset.wire.probe import Dtype, Probe
from proxyset.wire.receipt import Receipt

from flwr.app import Context, Message, RecordDict  # isort: skip - messages has told what to install
from flwr.serverapp import Grid, ServerApp  # isort: skip

app = ServerApp()
log = logging.getLogger("flwr.proxyset")  # under Flower's own logger, so that it is shown
_POLL_SECONDS = 0.5


class Run(BaseModel):
    """A run's configuration.

    Attributes:
        out: new folder of the proxy set, on the machine that runs the ServerApp.
        nodes: how many must be connected before any is asked.
        timeout: seconds for nodes to connect and to answer; who is later is not counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    out: Path
    nodes: int = Field(default=1, ge=1)
    timeout: float = Field(default=3600.0, gt=0)

    @classmethod
    def of_run(cls, configuration: Mapping[str, object]) -> Self:
        """Raises InvalidInput when the run's configuration is not this."""
        try:
            return cls.model_validate(dict(configuration))
        except ValidationError as error:
            raise InvalidInput(f"the run's configuration: {first_problem(error)}") from None


class Campaign(Run):
    """What is asked, and what becomes of it.

    Attributes:
        index: folder, on the same machine.
        releases: folder in which releases are kept; `out` with ".releases" when empty.
    """

    index: Path
    budget: int = Field(ge=1)
    releases: str = ""
    dtype: Dtype = "float16"
    strategy: str = DEFAULT_STRATEGY
    seed: int = 0
    combine: Rule = DEFAULT_RULE
    max_weight: float = Field(default=MAX_WEIGHT, alias="max-weight")


@dataclass(frozen=True)
class Collected:
    """What came back.

    Attributes:
        releases: one a client.
        asked: nodes that were sent the probe.
        declined: nodes that answered without a release. The others were silent, or their answer was refused here.
    """

    releases: ReleaseFiles
    asked: int
    declined: int


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one campaign."""
    run(grid, Campaign.of_run(context.run_config))


def run(grid: Grid, campaign: Campaign) -> ProxySet:
    """Ask all nodes, then draw the proxy set.

    Raises:
        TransportError: too few nodes connected, or none sent a release.
        InvalidInput, ArtifactError, FileExistsError: as `cloud.proxy_set.select`.
    """
    index = Index.open(campaign.index)
    probe = index.probe(dtype=campaign.dtype)
    folder = Path(campaign.releases or f"{campaign.out}.releases")
    found = collect(grid, probe, folder, nodes=campaign.nodes, timeout=campaign.timeout)
    log.info("%d nodes, %d releases, %d declined", found.asked, len(found.releases), found.declined)
    if not found.releases:
        raise TransportError(
            f"none of {found.asked} nodes sent a release within {campaign.timeout:g} s: their logs say why"
        )
    return select(
        index,
        found.releases,
        campaign.out,
        budget=campaign.budget,
        strategy=campaign.strategy,
        seed=campaign.seed,
        max_weight=campaign.max_weight,
        rule=campaign.combine,
    )


def collect(grid: Grid, probe: Probe, folder: Path, *, nodes: int, timeout: float) -> Collected:
    """Send the probe to every node that is connected and keep the releases, each on the disk when it comes.

    A message that is no release for this probe is left out, and so is the second one of the same client (by the key that
    signed its receipt).

    Raises:
        TransportError: fewer than `nodes` connected in time.
    """
    deadline = time.monotonic() + timeout
    content = messages.question(probe.to_bytes())
    targets = connected(grid, nodes, deadline)
    kept: dict[Path, None] = {}
    keys: set[str] = set()
    declined = 0
    for node, data in replies(grid, content, targets, deadline):
        if not data:
            declined += 1
            continue
        try:
            release = check_release(data, probe)
            receipt = Receipt.of(release)
        except ArtifactError as error:
            log.warning("node %d: %s", node, error)
            continue
        path = folder / f"{release.fingerprint}.safetensors"
        if path in kept or (receipt and receipt.claim.key in keys):
            log.warning("node %d: this client has answered before", node)
            continue
        atomic.write_bytes(path, data)
        kept[path] = None
        keys |= {receipt.claim.key} if receipt else set()
    return Collected(ReleaseFiles(tuple(kept)), len(targets), declined)


def replies(
    grid: Grid, content: RecordDict, targets: list[int], deadline: float
) -> Iterator[tuple[int, bytes]]:
    """Ask nodes one question; (node, what it sent) as answers come, b"" from who declines, until the deadline (monotonic)."""
    left = max(deadline - time.monotonic(), _POLL_SECONDS)
    waiting = set(
        grid.push_messages([Message(content, target, messages.MESSAGE_TYPE, ttl=left) for target in targets])
    )
    while waiting and time.monotonic() < deadline:
        for message in grid.pull_messages(waiting):
            waiting.discard(message.metadata.reply_to_message_id)
            data = b"" if message.has_error() else messages.release_of(message.content)
            yield message.metadata.src_node_id, data
        time.sleep(_POLL_SECONDS if waiting else 0)


def connected(grid: Grid, nodes: int, deadline: float) -> list[int]:
    """The nodes that are connected, as soon as there are so many. Raises TransportError at the deadline (monotonic seconds)."""
    while len(found := sorted(grid.get_node_ids())) < nodes:
        if time.monotonic() > deadline:
            raise TransportError(f"{len(found)} nodes are connected, the campaign waits for {nodes}")
        time.sleep(_POLL_SECONDS)
    return found
