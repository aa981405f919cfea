"""proxyset client audit: attack this installation's own client."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from proxyset.cli.options import Delta, Json, MaxRecords, Unit, UnitOption
from proxyset.cli.output import emit
from proxyset.client.audit import audit as run_audit
from proxyset.client.label_audit import audit_labels
from proxyset.errors import InvalidInput, ProxysetError
from proxyset.wire.questions import Rule


class _Release(StrEnum):
    counts = "counts"
    bounded_votes = "bounded-votes"
    private_knn = "private-knn"


def audit(
    release: Annotated[_Release, typer.Option(help="What is attacked.")] = _Release.counts,
    epsilon: Annotated[
        float | None,
        typer.Option(help="What the attacked answers claim: 4; 3 for labels.", show_default=False),
    ] = None,
    delta: Delta = 1e-5,
    trials: Annotated[int, typer.Option(help="Canaries thrown.")] = 200_000,
    confidence: Annotated[float, typer.Option(help="Probability that the bound is right.")] = 0.999,
    unit: UnitOption = Unit.record,
    max_records: MaxRecords = 1,
    json: Json = False,
) -> None:
    """Attack the shipped client with canaries and print the least ε that the attack proves. Touches no private data.

    Exit status 1 when that is more than was claimed.

    With --unit person each canary is a person with more records at one place than --max-records lets count. Labels (client label)
    are attacked by voting rule, each question for itself, and record by record.

    Example: proxyset client audit --epsilon 4 --trials 200000
    """
    if release is _Release.counts:
        claimed = 4.0 if epsilon is None else epsilon
        found = run_audit(claimed, delta, trials, confidence, unit=unit.value, max_records=max_records)
    elif unit is Unit.person:
        raise InvalidInput("labels are audited record by record: leave --unit away")
    else:
        rule: Rule = "bounded-votes" if release is _Release.bounded_votes else "private-knn"
        found = audit_labels(rule, 3.0 if epsilon is None else epsilon, delta, trials, confidence)
    verdict = "no contradiction" if found.passed else "the claim is FALSE"
    emit(
        asdict(found) | {"passed": found.passed, "release": release.value},
        f"claimed ε = {found.claimed_epsilon:.4g} at δ = {found.delta}; {found.trials} canaries prove ε ≥ "
        f"{found.proven_epsilon:.3f} with confidence {found.confidence}: {verdict}",
        json,
    )
    if not found.passed:
        raise ProxysetError(
            f"the client leaks more than it claims: ε ≥ {found.proven_epsilon:.3f} > {found.claimed_epsilon:.4g}"
        )
