"""What the tests of client labeling share: questions about embeddings, and labeled records near them."""

from __future__ import annotations

import numpy as np

from proxyset.encoders.encoder import EncoderSpec
from proxyset.wire.questions import Questions

CLASSES = ("a", "b", "c")
CENTRES = np.array([[0, 0], [10, 0], [0, 10]], np.float32)


def make_questions(
    m: int = 12, seed: int = 0, purpose: str = "", classes: tuple[str, ...] = CLASSES
) -> Questions:
    """Question i is near the centre of class i mod 3."""
    X = CENTRES[np.arange(m) % 3] + np.random.default_rng(seed).normal(size=(m, 2)).astype(np.float32)
    ids = [f"public/{number}" for number in range(m)]
    spec = EncoderSpec(name="embeddings", dim=2)
    return Questions.build(X, ids, classes, spec, index="a" * 64, proxy="b" * 64, purpose=purpose)


def make_records(n: int = 300, seed: int = 1) -> tuple[np.ndarray, dict[str, str]]:
    """n records around the three centres, and their labels."""
    X = CENTRES[np.arange(n) % 3] + np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)
    return X.astype(np.float32), {str(row): CLASSES[row % 3] for row in range(n)}
