"""The atlas of an index against slow, obvious references; and the paper it is drawn on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.cloud.build import build_index
from proxyset.cloud.select.strategy import Coverage
from proxyset.server.page.atlas import NEAR, items_near, survey
from proxyset.server.page.layout import HEIGHT, WIDTH, lay_out
from proxyset.server.page.maps import draw_map, level_of, levels


@pytest.fixture
def index(blobs):
    return build_index(blobs / "pool.npy", blobs / "index", clusters=30)


def test_sizes_and_nearest_items(index):
    atlas, candidates = survey(index), index.candidates()
    assert atlas.sizes.tolist() == candidates.sizes.tolist()
    for cluster in range(30):
        members = candidates.members(cluster)
        distances = np.linalg.norm(candidates.Z[members] - candidates.centroids[cluster], axis=1)
        expected = members[np.argsort(distances, kind="stable")][:NEAR]
        found = atlas.near[cluster]
        assert set(found[found >= 0]) == set(expected.tolist())
        ids = items_near(index, atlas, cluster).column("id").to_pylist()
        assert ids[0] == str(expected[0])
    assert 0 < atlas.explained <= 1


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_circles_stay_on_the_paper_and_apart(count, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 500, count)
    centres, radii = lay_out(rng.normal(size=(count, 2)), sizes)
    assert (centres - radii[:, None] >= 0).all()
    assert (centres + radii[:, None] <= [WIDTH, HEIGHT]).all()
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=2) - radii[:, None] - radii[None]
    assert gaps[np.triu_indices(count, 1)].min(initial=0) > -4


def test_many_clusters_are_laid_out_in_bounded_time():
    rng = np.random.default_rng(0)
    centres, radii = lay_out(rng.normal(size=(2000, 2)), rng.integers(1, 50, 2000))
    assert np.isfinite(centres).all() and (radii >= 3).all()


def test_a_thousand_circles_are_told_apart():
    """Red before: 561 pairs of a thousand lay on one another."""
    rng = np.random.default_rng(0)
    centres, radii = lay_out(rng.normal(size=(1000, 2)), rng.integers(1, 500, 1000))
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=2) - radii[:, None] - radii[None]
    assert gaps[np.triu_indices(1000, 1)].min() > 0
    assert (centres - radii[:, None] >= 0).all() and (centres + radii[:, None] <= [WIDTH, HEIGHT]).all()


def test_circles_in_one_place_part():
    centres, _ = lay_out(np.zeros((5, 2)), np.full(5, 10))
    assert len(np.unique(centres.round(1), axis=0)) == 5


def test_what_may_be_noise_gets_no_colour(index):
    atlas = survey(index)
    counts = np.zeros(30)
    counts[:4] = (-9.0, 4.9, 5.1, 100.0)
    coverage = Coverage(counts, 5.0)
    assert level_of(coverage)[:4] == ["c0", "c0", "c1", "c5"]
    assert [level.name for level in levels(coverage)] == ["c0", "c1", "c2", "c3", "c4", "c5"]
    drawn = draw_map(atlas, coverage, "/x/")
    assert drawn.count("<circle") == 30 and 'href="/x/3"' in drawn and "released count 100" in drawn
    silent = draw_map(atlas, None, "/x/")
    assert "released" not in silent and silent.count('class="plain"') == 30


def test_a_coverage_of_noise_alone(index):
    coverage = Coverage(np.full(30, -2.0), 5.0)
    assert set(level_of(coverage)) == {"c0"}
    assert levels(coverage)[-1].high > 0
