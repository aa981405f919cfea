"""proxyset client audit: attack this installation's own client."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from proxyset.cli.options import Delta, Json, MaxRecords, UnitOption
from proxyset.cli.output import emit
from proxyset.client.audit import audit as run_audit
from proxyset.client.label_audit import audit_labels
from proxyset.errors import InvalidInput, ProxysetError


def audit(
    release: Annotated[
        Literal["counts", "bounded-votes", "private-knn"], typer.Option(help="What is attacked.")
    ] = "counts",
    epsilon: Annotated[
        float | None,
        typer.Option(help="What the attacked answers claim: 4; 3 for labels.", show_default=False),
    ] = None,
    delta: Delta = 1e-5,
    trials: Annotated[int, typer.Option(help="Canaries thrown.")] = 200_000,
    confidence: Annotated[float, typer.Option(help="Probability that the bound is right.")] = 0.999,
    unit: UnitOption = "record",
    max_records: MaxRecords = 1,
    json: Json = False,
) -> None:
    """Attack the shipped client with canaries and print the least ε that the attack proves. Touches no private data.

    Exit status 1 when that is more than was claimed.

    With --unit person each canary is a person with more records at one place than --max-records lets count. Labels (client label)
    are attacked by voting rule, each question for itself, and record by record.

    Example: proxyset client audit --epsilon 4 --trials 200000
    """
    if release == "counts":
        claimed = 4.0 if epsilon is None else epsilon
        found = run_audit(claimed, delta, trials, confidence, unit=unit, max_records=max_records)
    elif unit == "person":
        raise InvalidInput("labels are audited record by record: leave --unit away")
    else:
        found = audit_labels(release, 3.0 if epsilon is None else epsilon, delta, trials, confidence)
    verdict = "no contradiction" if found.passed else "the claim is FALSE"
    emit(
        asdict(found) | {"passed": found.passed, "release": release},
        f"claimed ε = {found.claimed_epsilon:.4g} at δ = {found.delta}; {found.trials} canaries prove ε ≥ "
        f"{found.proven_epsilon:.3f} with confidence {found.confidence}: {verdict}",
        json,
    )
    if not found.passed:
        raise ProxysetError(
            f"the client leaks more than it claims: ε ≥ {found.proven_epsilon:.3f} > {found.claimed_epsilon:.4g}"
        )
