"""What labels cost: σ of each draw from (ε, δ), for both rules of voting.

With M the most records of one unit, m questions, and counts that move as `knn.label_votes` says:

    draw                          counts      ℓ2 sensitivity of all of them       ρ
    private-knn, screening        m           M √m                                M² m / (2 σ₁²)
    private-knn, arg-max          m' kept     M √(2 m')                           M² m' / σ₂²
    bounded-votes, all at once    m           M √b (√(2b) when one is replaced)   M² b / (2 σ²), M² b / σ²

ρ is exact for integer vectors under discrete Gaussian noise (Canonne, Kamath and Steinke 2020) and adds up over draws and
questions. Everything after the draws (arg-max, abstention) is post-processing.

The second draw of private-knn is smaller when the first one screened questions out. Both debits are then less than was
allowed for; that their sizes depend on what was drawn before is what a zCDP filter permits (Whitehouse, Ramdas, Rogers and
Wu 2023): all draws together never cost more than the ρ of the statement, which counts every question as kept.

Subsampling the records for each question (Zhu et al. use Poisson sampling) would amplify (ε, δ) but not ρ-zCDP, in which the
ledger adds up: it would be paid for in full. So none is done; every record may vote.
"""

from __future__ import annotations

import math
from functools import lru_cache

from proxyset.client.calibration import Adjacency, Unit, privacy_statement, zcdp_rho
from proxyset.errors import InvalidInput
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.questions import MOST_QUESTIONS, LabelStatement, Rule
from proxyset.wire.release import PrivacyStatement

DEFAULT_RULE: Rule = "bounded-votes"
DEFAULT_LEAD = 1.0
_SHARE = 0.02  # of the questions that one record votes on; 0.01 to 0.1 were close on digits
_VOTES_PER_SIGMA = 4.0  # k that a unanimous vote needs to win against noise in ten classes, 19 times in 20
_ROUNDING = 1e-9


def label_statement(
    questions: int,
    epsilon: float,
    delta: float = 1e-5,
    unit: Unit = "record",
    adjacency: Adjacency = "add-remove",
    max_records: int = 1,
    *,
    rule: Rule = DEFAULT_RULE,
    neighbours: int | None = None,
    screening: float = 0.0,
    threshold: int | None = None,
    lead: float = DEFAULT_LEAD,
) -> LabelStatement:
    """The noise of every draw, and what all of them cost, if every question is answered.

    Args:
        questions: m.
        epsilon, delta, unit, adjacency, max_records: as `calibration.privacy_statement` takes them.
        rule: "private-knn" or "bounded-votes".
        neighbours: k, or b. By default k = 4 σ₂, b = 2 % of the questions. It goes out with the labels: never take it
            from the data.
        screening: share of ρ, in [0, 1), that the noisy screening of private-knn gets; 0 for none.
        threshold: T of the screening, in votes; k / 2 by default.
        lead: as `LabelStatement.lead`.

    Sensitivity:
        As the table above.
    Unit:
        `unit`, with at most `max_records` records.
    Guarantee:
        All draws together are ρ-zCDP and (epsilon, delta)-DP.
    Assumes:
        Votes are counted by `knn.label_votes` by the same rule and neighbours.

    Raises:
        InvalidInput: a value out of range, or a screening for bounded votes.
    """
    rho = _budget(epsilon, delta, unit, adjacency, max_records)
    if not 1 <= questions <= MOST_QUESTIONS:
        raise InvalidInput(f"between 1 and {MOST_QUESTIONS} questions can be answered, not {questions}")
    if rule not in ("private-knn", "bounded-votes"):
        raise InvalidInput(f"the rule must be private-knn or bounded-votes, not {rule!r}")
    if not 0 <= screening < 1 or (screening and rule == "bounded-votes"):
        raise InvalidInput(
            f"the share of the screening must be in [0, 1), and 0 for bounded-votes; not {screening} for {rule}"
        )
    if neighbours is not None and neighbours < 1:
        raise InvalidInput(f"neighbours must be at least 1, not {neighbours}")
    if threshold is not None and (threshold < 0 or not screening):
        raise InvalidInput(f"a threshold of {threshold} votes needs a screening, and cannot be negative")
    if not 0 <= lead < math.inf:
        raise InvalidInput(f"the lead must be 0 or more, not {lead}")

    def draw(moved: int, share: float) -> PrivacyStatement:
        sensitivity = max_records * math.sqrt(moved)
        sigma = math.ceil(sensitivity / math.sqrt(2 * share * rho) * (1 + _ROUNDING) * 1e4) / 1e4
        return _draw(unit, adjacency, max_records, sigma, moved, delta)

    if rule == "private-knn":
        voting = draw(2 * questions, 1 - screening)
        k = neighbours or math.ceil(_VOTES_PER_SIGMA * voting.sigma)
    else:
        k = min(neighbours or max(1, round(_SHARE * questions)), questions)
        voting = draw(k if adjacency == "add-remove" else 2 * k, 1.0)
    screened = draw(questions, screening) if screening else None
    total = math.fsum(part.rho for part in (screened, voting) if part)
    return LabelStatement(
        rule=rule,
        neighbours=k,
        threshold=(k // 2 if threshold is None else threshold) if screening else 0,
        lead=float(lead),
        screening=screened,
        voting=voting,
        rho=total,
        epsilon=float(epsilon),
        delta=float(delta),
    )


def voting_of(privacy: LabelStatement, kept: int) -> PrivacyStatement:
    """The second draw when `kept` questions passed the screening, 1 or more; all of them where there was none.

    Sensitivity:
        M √(2 · kept) under private-knn; that of all questions under bounded-votes.
    Unit:
        That of the statement.
    Guarantee:
        The ρ of that draw, at the σ of the statement.
    Assumes:
        What was kept follows from the first draw alone.
    """
    voting = privacy.voting
    if privacy.rule == "bounded-votes":
        return voting
    return _draw(voting.unit, voting.adjacency, voting.max_records, voting.sigma, 2 * kept, voting.delta)


def whole_cost(privacy: LabelStatement) -> PrivacyStatement:
    """Every draw, with every question kept, as one cost: what a cap must have room for, and what an owner approves.

    Sensitivity:
        That of the voting; ρ, ε and δ are of all draws together.
    Unit:
        That of the statement.
    Guarantee:
        No run of these labels debits more.
    Assumes:
        Nothing.
    """
    return privacy.voting.model_copy(
        update={"rho": privacy.rho, "epsilon": privacy.epsilon, "delta": privacy.delta}
    )


@lru_cache(maxsize=64)  # a plan asks for the same of many numbers of questions
def _budget(epsilon: float, delta: float, unit: Unit, adjacency: Adjacency, max_records: int) -> float:
    """ρ of (ε, δ), after the checks that labels share with counts."""
    privacy_statement(epsilon, delta, unit, adjacency, max_records)
    return zcdp_rho(epsilon, delta)


def _draw(
    unit: Unit, adjacency: Adjacency, max_records: int, sigma: float, moved: int, delta: float
) -> PrivacyStatement:
    """The statement of one draw in which a unit moves `moved` counts by at most `max_records` each."""
    sensitivity = max_records * math.sqrt(moved)
    rho = sensitivity**2 / (2 * sigma**2) * (1 + _ROUNDING)
    return PrivacyStatement(
        unit=unit,
        adjacency=adjacency,
        max_records=max_records,
        sigma=sigma,
        l2_sensitivity=sensitivity,
        rho=rho,
        epsilon=zcdp_epsilon(rho, delta),
        delta=delta,
    )
