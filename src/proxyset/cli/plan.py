"""proxyset plan: what a release would be worth."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from proxyset.cli import options
from proxyset.cli.output import emit
from proxyset.client.plan import ENOUGH, SPREAD, Plan
from proxyset.client.plan import plan as make_plan
from proxyset.errors import InvalidInput


def plan(
    records: Annotated[int, typer.Option(help="About how many private records; a guess does.")],
    clusters: Annotated[int, typer.Option(help="R, the centroids of the probe.")],
    epsilon: options.Epsilon,
    delta: options.Delta = 1e-5,
    unit: options.UnitOption = "record",
    adjacency: options.AdjacencyOption = "add-remove",
    max_records: options.MaxRecords = 1,
    up_to: Annotated[
        int | None,
        typer.Option(help="Perhaps as many records; recommendations are for --records.", show_default=False),
    ] = None,
    spread: Annotated[float, typer.Option(help="Share of the clusters that the private data uses.")] = SPREAD,
    json: options.Json = False,
) -> None:
    """What a release would be worth, before any privacy is spent. Reads no private data.

    Example: proxyset plan --records 500 --up-to 900 --clusters 100 --epsilon 0.58
    """
    if up_to is not None and up_to < records:
        raise InvalidInput(f"--up-to {up_to} is less than --records {records}")

    def planned(number: int) -> Plan:
        return make_plan(number, clusters, epsilon, delta, unit, adjacency, max_records, spread)

    found = planned(records)
    facts = asdict(found) | {"privacy": found.privacy.model_dump()}
    mean = records / clusters
    lines = [
        f"σ = {found.privacy.noise:.4g} on counts of {mean:.3g} on average: the noisy counts point at "
        f"{found.captured:.0%} of the private mass; with no client asked it would be {found.without:.0%}",
    ]
    if up_to is not None:
        facts["captured_up_to"] = planned(up_to).captured
        lines.append(f"with {up_to} records, at {facts['captured_up_to']:.0%}")
    if found.recommended_clusters:
        lines.append(f"at this ε, up to {found.recommended_clusters} clusters keep {ENOUGH:.0%}")
    else:
        lines.append(
            f"at this ε, no number of clusters keeps {ENOUGH:.0%}: more records or a larger ε are needed"
        )
    if found.recommended_epsilon is not None:
        lines.append(f"with {clusters} clusters, ε = {found.recommended_epsilon} is enough for {ENOUGH:.0%}")
    else:
        lines.append(f"with {clusters} clusters, no ε up to 10 is enough for {ENOUGH:.0%}: use fewer")
    lines.append(
        "this is about counts alone: where the pool holds little of the private data's kind, a choice by counts may gain little "
        "over one at random, whatever ε is"
    )
    emit(facts, "\n".join(lines), json)
