import tracemalloc
from contextlib import closing

import numpy as np
import pytest

from proxyset.client.calibration import privacy_statement
from proxyset.cloud.releases import ReleaseFiles
from proxyset.cloud.select import RULES, combine, robust
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.server import campaigns
from proxyset.server.records import Submission
from proxyset.server.state import State
from proxyset.wire.release import Release
from proxyset_lab.service.combine import fill

from ..peak import peak_bytes

INDEX = "a" * 64


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        one = Release(rng.integers(0, 50, 4), "b" * 64, INDEX, privacy_statement(1.0))
        (tmp_path / f"{number}.safetensors").write_bytes(one.to_bytes())
    return tmp_path


def test_files_and_folders(folder):
    files = ReleaseFiles.found([folder])
    assert len(files) == 6
    assert [one.fingerprint for one in files[2:4]] == [files[2].fingerprint, files[3].fingerprint]
    named = ReleaseFiles.found([folder / "5.safetensors", folder / "0.safetensors"])
    assert named[0].fingerprint == files[5].fingerprint
    assert combine(files, INDEX, 4).sigma == pytest.approx(privacy_statement(1.0).sigma * np.sqrt(6))
    (folder / "2.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="not a release"):
        combine(files, INDEX, 4)
    (folder / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds no release"):
        ReleaseFiles.found([folder / "empty"])


@pytest.mark.parametrize("rule", ["capped", "robust"])
def test_memory_does_not_grow_with_the_fleet(tmp_path, rule):
    """400 releases of 1,000 counts are 3.2 MB; with a twentieth of that to hold counts in, the peak is below two thirds."""
    rng, privacy = np.random.default_rng(0), privacy_statement(1.0)
    for number in range(400):
        one = Release(rng.integers(0, 50, 1000), "b" * 64, INDEX, privacy)
        (tmp_path / f"{number:04d}.safetensors").write_bytes(one.to_bytes())
    assert peak_bytes(combine_files, tmp_path, rule) < 2.1e6


def combine_files(folder, rule):
    robust._HELD_BYTES = robust._WORK_BYTES = 160_000
    files = ReleaseFiles.found([folder])
    combine(files[:3], INDEX, 1000, rule=rule)
    tracemalloc.clear_traces()
    combine(files, INDEX, 1000, rule=rule)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """One campaign, a hundred signed releases of 500 counts."""
    folder = tmp_path_factory.mktemp("state")
    fill(folder, 100, 500)
    book = State.open(folder)
    yield book
    book.close()


def test_releases_of_a_campaign_are_read_one_by_one(state):
    found, records = campaigns.releases(state, "campaign-0"), state.releases("campaign-0")
    assert [one.fingerprint for one in found] == [record.fingerprint for record in records]
    assert [one.fingerprint for one in found[7:9]] == [found[7].fingerprint, found[8].fingerprint]
    assert found[-1].to_bytes() == state.release("campaign-0", records[-1].fingerprint)
    assert found[3] is not found[3]


@pytest.mark.parametrize("rule", RULES)
def test_a_campaign_combines_as_its_releases_together_do(state, rule):
    together = list(campaigns.releases(state, "campaign-0"))
    expected = combine(together, together[0].index, 500, 2.0, rule)
    found = campaigns.coverage(state, "campaign-0", 2.0, rule)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.sigma == expected.sigma


def test_memory_does_not_grow_with_the_campaign(tmp_path):
    """100 × 500 counts are 0.4 MB, and as much again while they are decoded."""
    fill(tmp_path, 100, 500)
    assert peak_bytes(combine_campaign, tmp_path) < 0.5e6


def combine_campaign(folder):
    robust._HELD_BYTES, robust._WORK_BYTES = 40_000, 20_000
    with closing(State.open(folder)) as book:
        for rule in RULES:
            campaigns.coverage(book, "campaign-0", rule=rule)
        tracemalloc.clear_traces()
        for rule in RULES:
            campaigns.coverage(book, "campaign-0", rule=rule)


def test_what_comes_later_is_not_in_what_was_asked_for_before(tmp_path):
    fill(tmp_path, 3, 4)
    with closing(State.open(tmp_path)) as book:
        before = campaigns.releases(book, "campaign-0")
        book.add_client("k" * 64, "late")
        book.store([Submission("campaign-0", "k" * 64, "f" * 64, 0.5, 1e-5, 7.0, 0.01, b"late")])
        assert len(before) == len(list(before)) == 3
        assert len(campaigns.releases(book, "campaign-0")) == 4
        with pytest.raises(ArtifactError, match="not a release"):
            campaigns.coverage(book, "campaign-0")
