"""Caps on what a ledger may spend, and where the budget stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proxyset.client.calibration import composed_epsilon, zcdp_rho
from proxyset.client.chain import Entry
from proxyset.errors import BudgetExceeded
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.release import PrivacyStatement


@dataclass(frozen=True)
class Cap:
    """The most that may be spent, as (ε, δ); `rho` is what is enforced."""

    epsilon: float = 10.0
    delta: float = 1e-5

    @property
    def rho(self) -> float:
        return zcdp_rho(self.epsilon, self.delta)


@dataclass(frozen=True)
class Account:
    """Where the budget stands, in all or for one server.

    Attributes:
        cap_rho, cap_epsilon, cap_delta: the cap; None where a server has none of its own.
        spent_rho: the sum of all debits.
        spent_epsilon: that sum as ε at the cap's δ, by zCDP: holds whatever the servers did.
        reported_epsilon: by privacy loss distributions: tighter; holds if no probe depended on an earlier
            answer.
        remaining_rho: what is left; 0 when nothing is.
        debits: how many.
        weakest: the units, adjacencies and record bounds of the debits. With more than one, the sums protect
            the weakest of them only: one record, added or removed.
    """

    cap_rho: float | None
    cap_epsilon: float | None
    cap_delta: float | None
    spent_rho: float
    spent_epsilon: float
    reported_epsilon: float
    remaining_rho: float | None
    debits: int
    weakest: list[str]


def account_of(entries: Sequence[Entry], server: str = "") -> Account:
    """Where the budget stands, in all or for one server."""
    debits = debits_of(entries, server)
    cap = cap_entry(entries, server)
    delta = cap.delta if cap and cap.delta else Cap().delta
    spent = spent_in(entries, server)
    return Account(
        cap_rho=cap.rho if cap else None,
        cap_epsilon=cap.epsilon if cap else None,
        cap_delta=cap.delta if cap else None,
        spent_rho=spent,
        spent_epsilon=zcdp_epsilon(spent, delta),
        reported_epsilon=composed_epsilon([e.statement for e in debits], delta),
        remaining_rho=None if cap is None or cap.rho is None else max(0.0, cap.rho - spent),
        debits=len(debits),
        weakest=sorted({f"{e.statement.protects}, {e.adjacency}" for e in debits}),
    )


def debits_of(entries: Sequence[Entry], server: str) -> list[Entry]:
    return [e for e in entries if e.kind == "debit" and server in ("", e.who)]


def spent_in(entries: Sequence[Entry], server: str) -> float:
    return math.fsum(e.rho or math.inf for e in debits_of(entries, server))


def cap_in(entries: Sequence[Entry], server: str) -> float | None:
    entry = cap_entry(entries, server)
    return entry.rho if entry else None


def cap_entry(entries: Sequence[Entry], server: str) -> Entry | None:
    return next((e for e in reversed(entries) if e.kind == "cap" and e.who == server), None)


def cap_fields(cap: Cap) -> dict[str, Any]:
    return {"rho": cap.rho, "epsilon": float(cap.epsilon), "delta": float(cap.delta)}


def refuse_above_cap(entries: Sequence[Entry], cost: PrivacyStatement, server: str) -> None:
    for name in dict.fromkeys(("", server)):
        cap, spent = cap_entry(entries, name), spent_in(entries, name)
        if cap is None or cap.rho is None or math.fsum((spent, cost.rho)) <= cap.rho:
            continue
        if not spent and cost.epsilon <= (cap.epsilon or 0) and cost.delta <= (cap.delta or 0):
            continue  # alone, it keeps the cap by its own (ε, δ); nothing can follow it
        whose = f"of server {name!r}" if name else "of this ledger"
        raise BudgetExceeded(
            f"this answer costs ρ = {cost.rho:.4g}; {spent:.4g} of the cap {whose}, {cap.rho:.4g}, is spent "
            f"and {max(0.0, cap.rho - spent):.4g} is left. Ask for a smaller epsilon, or raise the cap: "
            "proxyset client ledger cap"
        )
