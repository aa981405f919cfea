"""proxyset audit: attack this installation's own client."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from proxyset.cli.output import emit
from proxyset.client.audit import audit as run_audit
from proxyset.errors import ProxysetError


def audit(
    epsilon: Annotated[float, typer.Option(help="What the attacked answers claim.")] = 4.0,
    delta: Annotated[float, typer.Option(help="Probability that the loss is larger.")] = 1e-5,
    trials: Annotated[int, typer.Option(help="Canaries thrown.")] = 200_000,
    confidence: Annotated[float, typer.Option(help="Probability that the bound is right.")] = 0.999,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line instead of words.")] = False,
) -> None:
    """Attack the shipped client with canaries and print the least ε that the attack proves. Touches no private data.

    Exit status 1 when that is more than was claimed.

    Example: proxyset audit --epsilon 4 --trials 200000
    """
    found = run_audit(epsilon, delta, trials, confidence)
    verdict = "no contradiction" if found.passed else "the claim is FALSE"
    emit(
        asdict(found) | {"passed": found.passed},
        f"claimed ε = {found.claimed_epsilon} at δ = {found.delta}; {found.trials} canaries prove ε ≥ "
        f"{found.proven_epsilon:.3f} with confidence {found.confidence}: {verdict}",
        json,
    )
    if not found.passed:
        raise ProxysetError(
            f"the client leaks more than it claims: ε ≥ {found.proven_epsilon:.3f} > {epsilon}"
        )
