import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from proxyset.demo import cache
from proxyset.demo.dataset import Content
from proxyset.demo.digits import DIGITS_SMALL
from proxyset.errors import InvalidData


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A data set of one row that counts how often it is built, in a cache of its own."""
    monkeypatch.setenv("PROXYSET_CACHE", str(tmp_path / "cache"))
    built = []

    def build():
        built.append(1)
        return Content(pa.table({"id": ["a"], "domain": ["x"], "label": ["0"]}), "f" * 64)

    return replace(DIGITS_SMALL, name="tiny", fingerprint="f" * 64, build=build), built


def test_fetching_builds_once(tiny):
    data_set, built = tiny
    told = []
    first = cache.fetch(data_set, lambda: told.append(1))
    second = cache.fetch(data_set, lambda: told.append(1))
    assert first == second and first.as_expected and len(built) == len(told) == 1
    assert cache.load(data_set).column("id").to_pylist() == ["a"]


def test_another_fingerprint_is_told_and_not_refused(tiny):
    data_set, _ = tiny
    fetched = cache.fetch(replace(data_set, fingerprint="0" * 64))
    assert not fetched.as_expected and fetched.fingerprint == "f" * 64


def test_a_new_version_of_the_recipe_is_built_anew(tiny):
    data_set, built = tiny
    cache.fetch(data_set)
    cache.fetch(replace(data_set, version=data_set.version + 1))
    assert len(built) == 2


def test_a_failed_build_leaves_nothing(tiny):
    data_set, _ = tiny

    def fail():
        raise InvalidData("no")

    with pytest.raises(InvalidData):
        cache.fetch(replace(data_set, build=fail))
    assert not cache.cached_path(data_set).exists()


def test_a_damaged_cache_says_what_to_do(tiny):
    data_set, _ = tiny
    path = cache.fetch(data_set).path
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidData, match="delete it and fetch again"):
        cache.fetch(data_set)


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG rules are Linux's")
def test_the_cache_follows_the_rules(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("PROXYSET_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.cache_folder() == Path("/home/someone/.cache/proxyset")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification says: ignore it
    assert cache.cache_folder() == Path("/home/someone/.cache/proxyset")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache.cache_folder() == Path("/cache/proxyset")
    monkeypatch.setenv("PROXYSET_CACHE", "~/own")
    assert cache.cache_folder() == Path("/home/someone/own")
