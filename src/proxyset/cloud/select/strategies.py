"""The strategies that there are: ours, and those of installed packages (entry points "proxyset.strategies")."""

from __future__ import annotations

from proxyset.cloud.select.baselines import KCenter, Random, UniformCluster
from proxyset.cloud.select.density_ratio import DensityRatio
from proxyset.cloud.select.ecos import Ecos
from proxyset.cloud.select.facility_location import FacilityLocation
from proxyset.cloud.select.strategy import Strategy
from proxyset.registry import Registry

_OWN: tuple[Strategy, ...] = (
    DensityRatio(), Ecos(), FacilityLocation(), Random(), KCenter(), UniformCluster(),
)  # fmt: skip
STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    "proxyset.strategies",
    ("name", "needs_release", "rank"),
    {strategy.name: strategy for strategy in _OWN},
)
DEFAULT_STRATEGY = "density-ratio"
