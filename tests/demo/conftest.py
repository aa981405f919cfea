import numpy as np
import pytest

from proxyset.demo.cache import load
from proxyset.demo.digits import DIGITS_SMALL
from proxyset.demo.results import (
    ALL_OWN,
    METHODS,
    WHOLE_POOL,
    Cluster,
    Exchange,
    Gallery,
    Item,
    Results,
    Run,
    Score,
)

NOISY = (41, 7, -3, -12)


@pytest.fixture(scope="session")
def results():
    """Two private domains, two seeds, budgets 30 and 100, with real images."""
    table = load(DIGITS_SMALL)
    rng = np.random.default_rng(0)
    items = [
        Item(row["domain"], row["label"], row["image"])
        for row in table.take(rng.choice(len(table), 60, replace=False)).to_pylist()
    ]
    names = [domain.name for domain in DIGITS_SMALL.domains]
    entry = {
        "seq": 1,
        "time": "2026-01-02T03:04:05.678+00:00",
        "kind": "debit",
        "rho": 0.013,
        "hash": "ab" * 32,
    }
    exchange = Exchange(15_800, 1416, 0.58, 1e-5, 0.01325, 6.14, (entry,), "cd" * 32)

    def run(private, seed):
        lead = {"density-ratio": 0.12, "ecos": 0.1, "random": 0.0, "k-center": -0.02}
        level = 0.5 + 0.05 * names.index(private) + 0.01 * seed
        scores = [Score(m, b, level + lead[m] + b / 1000, 0.2) for m in METHODS for b in (30, 100)]
        scores += [Score(ALL_OWN, None, level + 0.2, 1.0), Score(WHOLE_POOL, None, level + 0.05, 0.09)]
        clusters = [
            Cluster(n, count, 60 + n, tuple(items[6 * n : 6 * n + 6])) for n, count in enumerate(NOISY)
        ]
        galleries = [Gallery(m, tuple(items[:48]), dict.fromkeys(names, 20)) for m in METHODS]
        shown = (tuple(clusters[:2]), tuple(clusters[2:]), tuple(galleries)) if seed == 0 else ((), (), ())
        commands = ("proxyset index build pool.parquet --out index", "proxyset serve index &")
        return Run(private, seed, 11_000, 1000, 1000, 500, tuple(scores), exchange, commands, *shown)

    runs = tuple(run(private, seed) for private in ("mnist-m", "synth") for seed in (0, 1))
    return Results(runs, (30, 100), 100, 321.0)
