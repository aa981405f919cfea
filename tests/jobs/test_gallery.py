import re

import numpy as np
import pytest

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.jobs.gallery import gallery
from tests.e2e.worlds import HOSTILE, draw_pool, draw_private


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A set of 40 pictures out of 100, some with hostile names, chosen for an owner of discs and rings."""
    folder = tmp_path_factory.mktemp("pictures")
    pool, private = draw_pool(folder / "pool", 20, hostile=True), draw_private(folder / "private", 60)
    index = build_index(pool, folder / "index", encoder="hog", clusters=10)
    release = answer(index.probe(), private, epsilon=2.0, ledger=Ledger.open(folder / "ledger"))
    return select(index, release, folder / "proxy", budget=40)


def test_pictures_are_shown_with_their_reasons_beside_random_ones(pictures):
    page = gallery(pictures).html
    rows = pictures.selection().to_pylist()
    assert page.count('<img src="data:image/png;base64,') >= 2 * len(rows)
    assert page.count("density, cluster ") == len(rows)
    for heading in ("Beside chance", "Where the set comes from", "By label"):
        assert heading in page
    assert "of the answers, noise and all" in page


def test_the_page_runs_nothing_fetches_nothing_and_shows_hostile_names_as_text(pictures):
    made = gallery(pictures)
    assert HOSTILE not in made.html and "&lt;img src=x" in made.html
    assert not re.search(r"<script|javascript:|https?://|src=\"(?!data:)", made.html)
    assert "default-src 'none'" in made.security and made.security.replace("'", "&#39;") in made.html


def test_first_limits_what_is_shown(pictures):
    assert gallery(pictures, 3).html.count("density, cluster ") == 3
    with pytest.raises(InvalidInput, match="at least one"):
        gallery(pictures, 0)


def test_the_sample_is_of_the_pool_by_chance_and_says_what_the_answers_said(pictures):
    beside = pictures.beside()
    assert len(beside.sample) == 100 and len(set(beside.sample.column("id").to_pylist())) == 100
    assert len(list(pictures.random_items())) == 60
    assert sum(beside.clusters.column("pool").to_pylist()) == 100
    assert beside.clusters.column("count").null_count == 0
    first = next(iter(pictures.random_items()))
    assert first.startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["text", "table", "embedding"])
def test_items_that_are_no_pictures(kind, tmp_path):
    pool, encoder, shown = _pool(kind, tmp_path)
    index = build_index(pool, tmp_path / "index", encoder=encoder, clusters=3)
    page = gallery(select(index, [], tmp_path / "proxy", budget=5, strategy="random")).html
    assert shown in page and "<img" not in page
    assert "No answer was used" in page


def _pool(kind, folder):
    if kind == "embedding":
        np.save(folder / "pool.npy", np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32))
        return folder / "pool.npy", "auto", "numbers alone"
    lines = [f'{row},"<b>{row % 7} geese</b>"' for row in range(30)]
    name, encoder = ("text", "wordllama") if kind == "text" else ("animals", "tabular")
    (folder / "pool.csv").write_text("\n".join([f"id,{name}", *lines]) + "\n")
    return folder / "pool.csv", encoder, "geese&lt;/b&gt;"


def test_a_set_that_was_drawn_before_samples_were_kept(tmp_path):
    pool, encoder, _ = _pool("embedding", tmp_path)
    index = build_index(pool, tmp_path / "index", encoder=encoder, clusters=3)
    proxy = select(index, [], tmp_path / "proxy", budget=5, strategy="random")
    for file in sorted((proxy.folder / "beside").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    with pytest.raises(ArtifactError, match="Draw the set again"):
        gallery(proxy)
    (proxy.folder / "beside").rmdir()
    assert "drawn before" in gallery(ProxySet.open(proxy.folder)).html


def test_the_command_writes_one_file(pictures, tmp_path, command):
    status, facts, _ = command(
        "look", pictures.folder, "--out", tmp_path / "look.html", "--first", 7, "--json"
    )
    assert (status, facts["shown"], facts["items"]) == (0, 7, 40)
    assert facts["bytes"] == (tmp_path / "look.html").stat().st_size
    assert command("look", tmp_path / "nothing", "--out", tmp_path / "other.html")[0] == 1
