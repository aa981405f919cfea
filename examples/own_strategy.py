"""A selection rule of your own, compared with ours by what a classifier learns from the items that each picks.

    pip install '.[demo]' && python examples/own_strategy.py

The pictures are scikit-learn's digits, as they are, mirrored, and turned by 90 degrees. The owner has mirrored ones.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import proxyset
from proxyset.cloud.select import Candidates, Coverage, Ranking


@dataclass(frozen=True)
class FullestFirst:
    """Empty the cluster with the largest noisy count, then the next one. It is simple, and not diverse."""

    name: str = "fullest-first"
    needs_release: bool = True

    def rank(
        self, candidates: Candidates, coverage: Coverage | None, budget: int, rng: np.random.Generator
    ) -> Ranking:
        assert coverage is not None  # given whenever a strategy says that it needs a release
        scores = coverage.counts[candidates.clusters]
        rows = np.lexsort((rng.random(len(candidates)), -scores))[:budget]
        return Ranking(rows, scores[rows], ["from a full cluster"] * len(rows))


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    pictures = pixels.reshape(-1, 8, 8)
    plain, mirrored, turned = pictures, pictures[:, :, ::-1], np.rot90(pictures, axes=(1, 2))
    owner, test = (
        np.arange(0, 1797, 3),
        np.arange(1, 1797, 3),
    )  # a third is private, a third tests, a third is public
    public = np.arange(2, 1797, 3)
    pool = np.concatenate([plain, mirrored[public], turned]).reshape(-1, 64)
    labels = np.concatenate([digits, digits[public], digits])

    index = proxyset.build_index(pool, clusters=60)
    with tempfile.TemporaryDirectory() as folder:
        release = proxyset.answer(
            index.probe(),
            mirrored[owner].reshape(-1, 64),
            dataset="mirrored",
            epsilon=0.58,
            ledger=Path(folder) / "ledger.sqlite",
        )
    for strategy in (FullestFirst(), "density-ratio", "ecos", "random"):
        ranked = proxyset.rank(index, release, 300, strategy)
        model = LogisticRegression(max_iter=2000).fit(pool[ranked.rows] / 16, labels[ranked.rows])
        accuracy = model.score(mirrored[test].reshape(-1, 64) / 16, digits[test])
        print(f"300 items by {ranked.strategy}: {100 * accuracy:.0f} % right")


if __name__ == "__main__":
    main()
