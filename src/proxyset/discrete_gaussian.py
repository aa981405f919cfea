"""The discrete Gaussian: OpenDP's sampler, built and checked before anything is spent.

No function here takes a seed, and none may: whoever knows the seed can subtract the noise. Two rooms draw, each after its own
promise is on the disk: `client.noise` after a debit, `aggregation.noise` for an opening. Import-linter keeps it to these two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput

Sampler = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def sampler(size: int, sigma: float, l2_sensitivity: float, rho: float) -> Sampler:
    """A function that adds fresh noise to `size` integers of any shape.

    Args:
        size: how many integers.
        sigma: scale of the noise on each.
        l2_sensitivity, rho: what it has to guarantee.

    Sensitivity:
        l2_sensitivity, of the integers that the function is given; the caller has proved it.
    Unit:
        That of the sensitivity.
    Guarantee:
        Each call is ρ-zCDP; OpenDP's own map confirms it here, before any use.
    Assumes:
        The operating system's randomness is good. OpenDP asks it for every sample, so forks do not share noise.

    Raises:
        InvalidInput: ρ does not follow from the other numbers.
    """
    # not its prelude, which loads scikit-learn where that is installed: a second of every process that answers
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import l2_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    add_noise = make_gaussian(
        vector_domain(atom_domain(T="i64"), size=size),
        l2_distance(T="f64"),
        scale=sigma,
        MO="ZeroConcentratedDivergence",
    )
    cost = float(add_noise.map(l2_sensitivity))  # type: ignore[no-untyped-call]
    if not cost <= rho:
        raise InvalidInput(f"noise of scale {sigma} costs ρ = {cost}, the statement says {rho}")

    def add(integers: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array(add_noise([int(value) for value in integers.ravel()]), np.int64).reshape(
            integers.shape
        )

    return add
