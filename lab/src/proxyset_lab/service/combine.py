"""What it takes to combine all releases of a campaign: time, and peak memory of a process of its own."""

from __future__ import annotations

from pathlib import Path

from proxyset.cloud.select import RULES, Rule, combine
from proxyset.server import campaigns
from proxyset.server.state import State
from proxyset.server.submission import submission_of
from proxyset.wire.signing import public_half
from proxyset_lab.apart import Spent, measured, spent
from proxyset_lab.service.fleet import Fleet

_CAMPAIGN = "campaign-0"
_BATCH = 200


def fill(folder: Path, releases: int, clusters: int) -> None:
    """A state whose one campaign has so many signed releases of so many counts."""
    fleet = Fleet.enrolled(folder, releases, campaigns=1, clusters=clusters)
    state = State.open(folder)
    campaign = state.campaign(_CAMPAIGN)
    for start in range(0, releases, _BATCH):
        clients = range(start, min(start + _BATCH, releases))
        answers = [(fleet.release(client), public_half(fleet.keys[client])) for client in clients]
        state.store([submission_of(answer, answer.to_bytes(), campaign, key) for answer, key in answers])
    state.close()


def costs(folder: Path) -> dict[Rule, Spent]:
    """What each rule takes on the state in `folder`, each in a new process."""
    return {rule: Spent(**measured(combine_step, folder, rule)) for rule in RULES}


def combine_step(folder: str, rule: Rule) -> dict[str, float]:
    """Combine, in a process of its own."""
    state = State.open(Path(folder), create=False)
    campaign = state.campaign(_CAMPAIGN)
    _, clusters = state.probe_size(campaign.probe)
    return spent(lambda: combine(campaigns.releases(state, _CAMPAIGN), campaign.index, clusters, rule=rule))
