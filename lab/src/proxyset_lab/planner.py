"""The planner against real runs.

For every domain of digits-small the client owns part of it, the pool holds the rest and all other domains. Each cell is
answered through the shipped client; captured is the share of the client's own distribution over clusters that its noisy
counts point at, Σ min(v / N, max(ṽ, 0) / Σ max(ṽ, 0)), the mean over repeats.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset.client.answer import answer
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.plan import plan
from proxyset.cloud.build import build_index
from proxyset.demo.cache import load
from proxyset.demo.digits import DIGITS_SMALL
from proxyset.demo.splits import split
from proxyset.encoders import load_encoder
from proxyset.nearest import nearest_centroid

RECORDS = (130, 1000)
CLUSTERS = (20, 50, 100)
EPSILONS = (0.1, 0.58, 1.2)


def overlap(counts: NDArray[np.int64], noisy: NDArray[np.int64]) -> float:
    """Share of the private mass that the noisy counts point at, in [0, 1]."""
    weights = np.maximum(noisy, 0) / max(1, np.maximum(noisy, 0).sum())
    return float(np.minimum(counts / counts.sum(), weights).sum())


def planned_and_real(repeats: int) -> str:
    """A Markdown table: a row for each number of records, R and ε."""
    table = load(DIGITS_SMALL)
    domains = table.column("domain").to_pylist()
    X = load_encoder("hog").encode(table.column("image").to_pylist()).embeddings
    found: dict[tuple[int, int, float], list[float]] = {}
    spreads: dict[tuple[int, int], list[float]] = {}
    for private in sorted(set(domains)):
        parts = split(domains, private, seed=0)
        for R in CLUSTERS:
            with tempfile.TemporaryDirectory() as folder:
                np.save(Path(folder) / "pool.npy", X[parts.pool])
                probe = build_index(Path(folder) / "pool.npy", Path(folder) / "index", clusters=R).probe()
                for N in RECORDS:
                    mine = X[parts.client][:N]
                    counts = np.bincount(nearest_centroid(probe.project(mine), probe.centroids), minlength=R)
                    share = np.sort(counts)[::-1].cumsum() / counts.sum()
                    spreads.setdefault((N, R), []).append(float((share < 0.95).sum() + 1) / R)
                    ledger = Ledger.open(Path(folder) / f"{N}.sqlite", cap=Cap(100))
                    for epsilon in EPSILONS:
                        cell = found.setdefault((N, R, epsilon), [])
                        cell += [
                            overlap(
                                counts,
                                answer(
                                    probe, mine, epsilon=epsilon, ledger=ledger, dataset="mine", fresh=True
                                ).counts,
                            )
                            for _ in range(repeats)
                        ]
    lines = [
        "| records | R | ε | planned | real | worst domain's mean | clusters with 95 % of the client |",
        "|---|---|---|---|---|---|---|",
    ]
    for (N, R, epsilon), values in found.items():
        planned = plan(N, R, epsilon).captured
        worst = np.array(values).reshape(-1, repeats).mean(axis=1).min()
        used = np.mean(spreads[N, R])
        lines.append(
            f"| {N} | {R} | {epsilon} | {planned:.2f} | {np.mean(values):.2f} | {worst:.2f} | {used:.0%} |"
        )
    return "\n".join(lines)
