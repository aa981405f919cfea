"""A fleet in one process: thirty owners answer one question, one of them lies, and the cloud adds up what it gets.

    python examples/fleet.py

Every owner has a ledger, a budget and noise of its own, and every answer keeps its guarantee whatever the others do.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import proxyset

KINDS, WIDTH, OWNERS = 20, 16, 30


def main() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(KINDS, WIDTH))
    kinds = rng.integers(KINDS, size=10_000)
    pool = centres[kinds] + rng.normal(scale=0.6, size=(len(kinds), WIDTH))
    wanted = [2, 5, 7]  # what the owners have; each has mostly one of them

    # Few clusters: the noise of thirty answers adds up, so each cluster must hold enough records to stand out.
    index = proxyset.build_index(pool, clusters=40)
    probe = index.probe()

    releases = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(OWNERS):
            own = np.where(rng.random(80) < 0.8, wanted[number % 3], rng.choice(wanted, size=80))
            private = centres[own] + rng.normal(scale=0.6, size=(80, WIDTH))
            releases.append(
                proxyset.answer(
                    probe,
                    private,
                    dataset=f"owner {number}",
                    epsilon=(0.58, 1.0, 0.3)[number % 3],  # each decides for itself
                    ledger=Path(folder) / f"{number}.sqlite",
                )
            )
    honest = sum(release.counts for release in releases)
    print(f"{OWNERS} answers; the sum for the fullest clusters: {np.sort(honest)[::-1][:6].tolist()}")

    # A liar cannot break the others' privacy, but it can spoil the selection, if its counts are believed.
    lie = np.where(honest < np.median(honest), 5_000, 0)
    liar = replace(releases[0], counts=lie.astype(np.int64), receipt=b"")
    for rule in ("sum", "capped", "robust"):
        rows = proxyset.rank(index, [liar, *releases[1:]], 500, rule=rule).rows
        print(
            f"500 items, added up by {rule}: {100 * np.isin(kinds[rows], wanted).mean():.0f} % of the owners' kinds"
        )
    rows = proxyset.rank(index, [], 500, "random").rows
    print(f"500 items at random: {100 * np.isin(kinds[rows], wanted).mean():.0f} % of the owners' kinds")


if __name__ == "__main__":
    main()
