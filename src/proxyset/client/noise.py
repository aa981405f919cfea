"""The noise: discrete Gaussian, drawn by OpenDP from the operating system's randomness.

No function here takes a seed, and none may: whoever knows the seed can subtract the noise. What draws takes the debit that paid
for it, so there is no draw without one. Only `client.gate` imports this module.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from proxyset.client.chain import Entry
from proxyset.errors import InvalidInput, LedgerError
from proxyset.wire.release import PrivacyStatement

Mechanism = Callable[[NDArray[np.int64], Entry], NDArray[np.int64]]

_paid_for: set[str] = set()  # hashes of debits that a draw of this process has used


def gaussian(size: int, privacy: PrivacyStatement) -> Mechanism:
    """A function that adds fresh noise to integers. Built before a debit, so that nothing can fail after it.

    Args:
        size: how many integers.
        privacy: what the noise must guarantee.

    Returns:
        (integers of that size and any shape, their debit) → int64 of the same shape. It raises LedgerError, and draws
        nothing, when the entry is no debit for this statement or has paid for a draw before.

    Sensitivity:
        privacy.l2_sensitivity, of the integers that the function is given; the caller has proved it.
    Unit:
        privacy.unit.
    Guarantee:
        Each call is privacy.rho-zCDP; OpenDP's own map confirms it here, before any use.
    Assumes:
        The operating system's randomness is good. OpenDP asks it for every sample, so forks do not share noise. The debit
        is on the disk: `Ledger.debit` returned it.

    Raises:
        InvalidInput: the statement's ρ does not follow from its other numbers.
    """
    import opendp.prelude as dp

    dp.enable_features("contrib")
    add_noise = dp.m.make_gaussian(
        dp.vector_domain(dp.atom_domain(T="i64"), size=size),
        dp.l2_distance(T="f64"),
        scale=privacy.sigma,
        MO="ZeroConcentratedDivergence",
    )
    cost = float(add_noise.map(privacy.l2_sensitivity))  # type: ignore[no-untyped-call]
    if not cost <= privacy.rho:
        raise InvalidInput(
            f"noise of scale {privacy.sigma} costs ρ = {cost}, the statement says {privacy.rho}"
        )

    def add(integers: NDArray[np.int64], debit: Entry) -> NDArray[np.int64]:
        pays = debit.kind == "debit" and (debit.rho, debit.sigma) == (privacy.rho, privacy.sigma)
        if not pays or debit.hash in _paid_for:
            raise LedgerError(f"entry {debit.seq} of the ledger pays for no draw of σ = {privacy.sigma}")
        _paid_for.add(debit.hash)
        return np.array(add_noise([int(value) for value in integers.ravel()]), np.int64).reshape(
            integers.shape
        )

    return add
