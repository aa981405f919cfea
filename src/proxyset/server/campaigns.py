"""Campaigns from begin to end: ask a question of an index, gather answers, draw the proxy set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.cloud.select import (
    DEFAULT_RULE,
    DEFAULT_STRATEGY,
    MAX_WEIGHT,
    STRATEGIES,
    Rule,
    combine,
)
from proxyset.cloud.select.strategy import Coverage
from proxyset.errors import ArtifactError, InvalidInput, StateError
from proxyset.server.records import Campaign, Outcome, now
from proxyset.server.releases import StoredReleases
from proxyset.server.state import State
from proxyset.server.submission import check_release, submission_of
from proxyset.server.two_party.sums import sums_of
from proxyset.wire.campaign import Ask, CampaignId
from proxyset.wire.probe import Dtype, Probe
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import Release

MOST_ITEMS = 1_000_000_000
_NAME = TypeAdapter(CampaignId)


def create(
    state: State,
    id: str,
    index: Index,
    ask: Ask,
    *,
    budget: int,
    purpose: str = "",
    strategy: str = DEFAULT_STRATEGY,
    deadline: datetime | None = None,
    dim: int | None = None,
    dtype: Dtype | None = None,
    items: bool = True,
    before: Callable[[Probe], None] | None = None,
) -> Campaign:
    """Begin a campaign.

    Args:
        id: its name: lower-case letters, digits and hyphens, at most 63.
        ask: what an answer must guarantee.
        budget, strategy: of the proxy set, unless `draw` is told otherwise. A strategy is named: one of ours, or of an installed
            package. Operators write it on a page, and no page may import a module.
        deadline: with a time zone; UTC without.
        purpose, dim, dtype, items: as `Index.probe` takes them.
        before: called with the probe, before anybody is asked.

    Raises:
        InvalidInput: an impossible name, budget, strategy, deadline or option of the probe.
        StateError: the name is taken.
    """
    try:
        _NAME.validate_python(id)
    except ValidationError:
        raise InvalidInput(
            f"{id!r} cannot name a campaign: use lower-case letters, digits and hyphens, at most 63"
        ) from None
    if not 1 <= budget <= MOST_ITEMS:
        raise InvalidInput(f"the budget must be 1 to {MOST_ITEMS:,}, not {budget}")
    STRATEGIES.find(strategy)
    if deadline is not None:
        deadline = deadline if deadline.tzinfo else deadline.replace(tzinfo=UTC)
        if deadline <= now():
            raise InvalidInput(f"the deadline {deadline.isoformat()} is past")
    if not isinstance(index.folder, Path):
        raise InvalidInput(
            f"a campaign's index lies in a folder of its server: copy {index.folder} there (Index.save)"
        )
    probe = index.probe(dim=dim, dtype=dtype, purpose=purpose, items=items)
    state.add_index(index.fingerprint, index.folder, len(index), index.manifest.clusters)
    campaign = Campaign(
        id, index.fingerprint, probe.fingerprint, purpose, ask, budget, strategy, deadline, now(), None
    )
    if before is not None:
        before(probe)
    state.add_campaign(campaign, probe)
    return campaign


def releases(state: State, id: str) -> Sequence[Release]:
    """The releases of a campaign, first come first: read one by one, whenever they are asked for. Of a campaign of two parties: the
    one sum, once it is opened."""
    sums = sums_of(state)
    if sums.find(id) is None:
        return StoredReleases.of(state, id)
    total = sums.total(id)
    return [] if total is None else [total]


def coverage(
    state: State, id: str, max_weight: float = MAX_WEIGHT, rule: Rule = DEFAULT_RULE
) -> Coverage | None:
    """The combined noisy counts of a campaign and the scale of their noise; None without a release.

    Args:
        max_weight, rule: as `select.combine` takes them.
    """
    campaign = state.campaign(id)
    _, clusters = state.probe_size(campaign.probe)
    return combine(releases(state, id), campaign.index, clusters, max_weight, rule)


def take_in(state: State, id: str, files: Sequence[bytes]) -> list[Outcome]:
    """Store releases that came by hand. Each must carry the receipt of an enrolled key.

    Raises:
        ArtifactError: one is damaged, has no receipt, is signed by a stranger, or does not answer the campaign; then none
            is stored.
    """
    campaign = state.campaign(id)
    if sums_of(state).find(id) is not None:
        raise ArtifactError(
            f"campaign {id!r} asks for reports to two parties, which come over the network alone"
        )
    probe = Probe.from_bytes(state.probe(campaign.probe))
    submissions = []
    for number, data in enumerate(files, start=1):
        release = check_release(data, probe)
        receipt = Receipt.of(release)
        if receipt is None or state.client(receipt.claim.key) is None:
            whose = f"signed by the unknown key {receipt.claim.key}" if receipt else "without a receipt"
            raise ArtifactError(
                f"release {number} is {whose}: enrol its client first (proxyset server clients add KEY)"
            )
        submissions.append(submission_of(release, data, campaign, receipt.claim.key))
    return state.store(submissions)


def draw(
    state: State,
    id: str,
    *,
    out: Path | None = None,
    budget: int | None = None,
    strategy: str | None = None,
    seed: int = 0,
    max_weight: float = MAX_WEIGHT,
    rule: Rule = DEFAULT_RULE,
) -> ProxySet:
    """Draw a proxy set from a campaign's releases, open or closed; it costs the clients nothing, as often as you like.

    Args:
        out: new folder; None takes DIR/proxies/CAMPAIGN-NUMBER.
        budget, strategy: None for the campaign's own.
        seed, max_weight, rule: as `proxy_set.select` takes them.

    Raises:
        StateError: no such campaign, or no release yet where the strategy needs one.
        InvalidInput, ArtifactError, FileExistsError: as `proxy_set.select`.
    """
    campaign = state.campaign(id)
    answers = releases(state, id)
    strategy = strategy or campaign.strategy
    if STRATEGIES.find(strategy).needs_release and not answers:
        raise StateError(
            f"campaign {id!r} has no release, or no opened sum, yet, and the strategy {strategy!r} needs one"
        )
    out = out or state.folder / "proxies" / f"{id}-{len(state.selections(id)) + 1}"
    index = Index.open(state.index(campaign.index).folder)
    if index.fingerprint != campaign.index:
        raise StateError(f"{index.folder} is not the index of campaign {id!r} any more: it was built again")
    proxy = select(
        index,
        answers,
        out,
        budget=budget or campaign.budget,
        strategy=strategy,
        seed=seed,
        max_weight=max_weight,
        rule=rule,
    )
    state.add_selection(
        id,
        out,
        items=proxy.card.items,
        budget=proxy.card.requested,
        strategy=strategy,
        seed=seed,
        releases=len(answers),
    )
    return proxy
