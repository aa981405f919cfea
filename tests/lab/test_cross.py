"""The full cross product: every cell is there, and differs in nothing but what it is named by."""

from itertools import product

import pytest

from proxyset_lab import cross
from proxyset_lab.experiment import Experiment


@pytest.fixture
def experiment():
    data = {"name": "digits-small", "budgets": [40], "domains": ["optdigits", "synth"], "most": 250}
    return Experiment.model_validate(
        {
            "name": "cross",
            "title": "Crossed",
            "seeds": [0],
            "clusters": [20],
            "pools": ["0%", "10%"],
            "axis": "own-share",
            "methods": ["random", "ecos", "default"],
            "data": [data],
        }
    )


def test_every_combination_is_measured_once_and_has_a_row(experiment, digits, tmp_path):
    out = tmp_path / "cross.jsonl"
    cross.run(experiment, out)
    found = cross.read(out)
    cells = {(s.private, s.pool, s.alpha, s.records, s.method) for s in found}
    wanted = product(
        ["optdigits", "synth"], experiment.pools, cross.ALPHAS, cross.RECORDS, experiment.methods
    )
    assert cells == set(wanted) and len(cells) == len(found)
    for site, pool in product(
        ["optdigits", "synth"], experiment.pools
    ):  # no client has a part in a random choice
        plain = {
            s.score for s in found if s[1:5:2] == (site, pool) and s.method == "random" and s.alpha is None
        }
        assert len(plain) == 1 and 0 < plain.pop() <= 1
    before = out.read_bytes()
    cross.run(experiment, out)
    assert out.read_bytes() == before

    ours, others = cross.tables(experiment, found)
    assert len(ours.rows) == len(others.rows) == 2 * 3 * 2
    assert {row[:4] for row in ours.rows} == {
        ("digits-small, 40 items", share, records, alpha)
        for share, records, alpha in product(["0 %", "10 %"], ["60", "200", "all"], ["none", "0.3"])
    }
    assert "Crossed" in cross.page(experiment, found, "Rows of nobody.")


def test_a_gain_is_paired_by_site_and_seed():
    scores = [
        cross.Score("d", site, seed, "0%", None, 60, method, base + 0.1 * (method == "density-ratio"))
        for site, base in (("a", 0.2), ("b", 0.7))
        for seed in (0, 1)
        for method in ("random", "density-ratio")
    ]
    gain = cross._gain(scores, "density-ratio")
    assert gain.mean == pytest.approx(0.1) and gain.sites == 2
