"""The noise: discrete Gaussian, drawn by OpenDP from the operating system's randomness.

No function here takes a seed, and none may: whoever knows the seed can subtract the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput
from proxyset.wire.release import PrivacyStatement

Mechanism = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def mechanism(clusters: int, privacy: PrivacyStatement) -> Mechanism:
    """A function that adds fresh noise to R counts. Built before a debit, so that nothing can fail after it.

    Args:
        clusters: R.
        privacy: what the noise must guarantee.

    Sensitivity:
        privacy.l2_sensitivity, of the counts that the function is given.
    Unit:
        privacy.unit.
    Guarantee:
        Each call is privacy.rho-zCDP; OpenDP's own map confirms it here, before any use.
    Assumes:
        The operating system's randomness is good. OpenDP asks it for every sample, so forks do not share
        noise.

    Raises:
        InvalidInput: the statement's ρ or sensitivity does not follow from its other numbers.
    """
    most = privacy.max_records * math.sqrt(2 if privacy.adjacency == "replace-one" else 1)
    if privacy.l2_sensitivity < most:
        raise InvalidInput(
            f"the sensitivity of {privacy.max_records} records is {most}, not {privacy.l2_sensitivity}"
        )
    return gaussian(clusters, privacy)


def gaussian(size: int, privacy: PrivacyStatement) -> Mechanism:
    """The same for any vector of `size` integers whose ℓ2 sensitivity the caller has proved.

    Args:
        size: of the vector.
        privacy: what the noise must guarantee.

    Sensitivity:
        privacy.l2_sensitivity, of the integers that the function is given.
    Unit:
        privacy.unit.
    Guarantee:
        Each call is privacy.rho-zCDP; OpenDP's own map confirms it here, before any use.
    Assumes:
        As `mechanism`, and that sensitivity.

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

    def add(counts: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array(add_noise([int(count) for count in counts]), np.int64)

    return add
