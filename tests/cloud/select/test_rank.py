from dataclasses import dataclass

import numpy as np
import pytest

import proxyset
from proxyset.client.calibration import privacy_statement
from proxyset.cloud.build import build_index
from proxyset.cloud.select import STRATEGIES, Candidates, Coverage, Ranking, rank
from proxyset.errors import InvalidInput
from proxyset.wire.release import Release

Z = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
POOL = Candidates(Z, (np.arange(60) % 4).astype(np.int32), Z[:4])


def release(counts, index="a" * 64):
    return Release(np.array(counts, np.int64), "b" * 64, index, privacy_statement(1.0))


@dataclass(frozen=True)
class Given:
    """Returns what it was told to."""

    ranking: Ranking
    name: str = "given"
    needs_release: bool = False

    def rank(self, candidates, coverage, budget, rng):
        return self.ranking


@pytest.mark.parametrize("strategy", sorted(STRATEGIES.own))
def test_arrays_in_rows_out(strategy):
    asks = STRATEGIES.find(strategy).needs_release
    found = rank(POOL, release([30, 0, 0, 0]) if asks else (), 10, strategy, seed=3)
    assert len(np.unique(found.rows)) == len(found.scores) == len(found.reasons) == 10
    assert found.clusters.tolist() == POOL.clusters[found.rows].tolist() and found.strategy == strategy
    again = rank(POOL, release([30, 0, 0, 0]) if asks else (), 10, STRATEGIES.find(strategy), seed=3)
    assert again.rows.tolist() == found.rows.tolist()
    assert len(rank(POOL, Coverage(np.ones(4), 1.0), 99, strategy).rows) == 60


def test_select_writes_what_rank_returns(tmp_path):
    np.save(tmp_path / "pool.npy", Z)
    index = build_index(tmp_path / "pool.npy", tmp_path / "index", encoder="embeddings", clusters=4)
    answers = [release([9, 0, 0, 4], index.fingerprint), release([9, 1, 0, 4], index.fingerprint)]
    ranked = proxyset.rank(index, answers, 12, seed=5)
    table = proxyset.select(index, answers, tmp_path / "proxy", budget=12, seed=5).selection()
    assert table.column("id").to_pylist() == [str(row) for row in ranked.rows]
    for name in ("score", "reason", "cluster"):
        assert table.column(name).to_pylist() == list(getattr(ranked, f"{name}s"))
    assert rank(index.candidates(), answers, 12, seed=5).rows.tolist() == ranked.rows.tolist()
    with pytest.raises(InvalidInput, match="answers a probe of index"):
        rank(index.candidates(), release([1, 2, 3, 4]), 12)


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("at least 1, not 0", (POOL, release([1, 2, 3, 4]), 0)),
        ("3 counts, the index has 4", (POOL, release([1, 2, 3]), 5)),
        (r"shape \(3,\), the pool has 4", (POOL, Coverage(np.ones(3), 1.0), 5)),
        ("needs at least one release", (POOL, (), 5)),
        ("release 2 answers", (POOL, [release([1, 2, 3, 4]), release([4, 3, 2, 1], "c" * 64)], 5)),
        ("unknown strategy", (POOL, (), 5, "best")),
    ],
)
def test_what_cannot_be_ranked_is_said(said, arguments):
    with pytest.raises(InvalidInput, match=said):
        rank(*arguments)


@pytest.mark.parametrize(
    "rows", [[0, 1], [0, 1, 1], [0, 1, 60], [-1, 1, 2], [0.0, 1.0, 2.0]], ids=lambda rows: str(rows)
)
def test_a_strategy_that_breaks_its_promise_is_named(rows):
    ranking = Ranking(np.array(rows), np.zeros(len(rows)), ["so"] * len(rows))
    with pytest.raises(InvalidInput, match="the strategy 'given' returned"):
        rank(POOL, (), 3, Given(ranking))
