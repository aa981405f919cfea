"""Embeddings in memory: which of your 20,000 public items are like 400 private ones that you may not see?

python examples/embeddings_in_memory.py
"""

import tempfile
from pathlib import Path

import numpy as np

import proxyset

KINDS, ITEMS, WIDTH = 20, 20_000, 32


def main() -> None:
    # Stand-ins for embeddings that you computed yourself, with a model that both sides have: 20 kinds of things.
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(KINDS, WIDTH))
    kinds = rng.integers(KINDS, size=ITEMS)
    pool = centres[kinds] + rng.normal(scale=0.7, size=(ITEMS, WIDTH))
    mine = rng.choice(
        [3, 11], size=400
    )  # the private data has two of the kinds; the cloud does not know which
    private = centres[mine] + rng.normal(scale=0.7, size=(400, WIDTH))

    # The cloud: sort the pool into 100 clusters. The probe is their centres, and nothing else goes to the owner.
    index = proxyset.build_index(pool, clusters=100)
    probe = index.probe()
    print(f"down: {len(probe.to_bytes()):,} bytes, {probe.clusters} centroids")

    # The owner: one noisy count for each cluster. Data in memory needs a name, by which the ledger knows it again.
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.sqlite"
        release = proxyset.answer(probe, private, dataset="ward 3", epsilon=0.58, delta=1e-5, ledger=ledger)
    print(f"up: {len(release.to_bytes()):,} bytes, counts such as {release.counts[:8].tolist()}")
    print(f"each count has noise of standard deviation {release.privacy.sigma:.2f}")

    # The cloud again: rank the pool. This costs no privacy, with any budget and any rule.
    for budget in (100, 1000):
        for strategy in ("density-ratio", "random"):
            rows = proxyset.rank(index, release, budget, strategy).rows
            share = np.isin(kinds[rows], [3, 11]).mean()
            print(f"{budget} items by {strategy}: {100 * share:.0f} % of the private kinds")


if __name__ == "__main__":
    main()
