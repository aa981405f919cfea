"""The noise: discrete Gaussian, drawn by OpenDP from the operating system's randomness.

No function here takes a seed, and none may: whoever knows the seed can subtract the noise. What draws takes the debit that paid
for it, so there is no draw without one. Only `client.gate` imports this module.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from proxyset.client.chain import Entry
from proxyset.discrete_gaussian import sampler
from proxyset.errors import LedgerError
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
    sample = sampler(size, privacy.sigma, privacy.l2_sensitivity, privacy.rho)

    def add(integers: NDArray[np.int64], debit: Entry) -> NDArray[np.int64]:
        pays = debit.kind == "debit" and (debit.rho, debit.sigma) == (privacy.rho, privacy.sigma)
        if not pays or debit.hash in _paid_for:
            raise LedgerError(f"entry {debit.seq} of the ledger pays for no draw of σ = {privacy.sigma}")
        _paid_for.add(debit.hash)
        return sample(integers)

    return add
