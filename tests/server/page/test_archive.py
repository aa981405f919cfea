"""A proxy set as one file, in every form that its items can take."""

from __future__ import annotations

import zipfile

import pytest

from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.errors import InvalidInput
from proxyset.server.page.archive import pack
from proxyset.server.page.sets import forms_of
from tests.e2e.worlds import draw_pool


@pytest.fixture(params=["image", "embedding"])
def proxy(request, blobs):
    pool = draw_pool(blobs / "drawings", 4) if request.param == "image" else blobs / "pool.npy"
    encoder = "hog" if request.param == "image" else "auto"
    index = build_index(pool, blobs / "index", clusters=5, encoder=encoder)
    return select(index, [], blobs / "proxy", budget=12, strategy="random")


def test_every_form_that_fits(proxy):
    for form in ["zip", *forms_of(proxy.card.kind)]:
        place, file = pack(proxy, form, "set")
        with place:
            assert file.stat().st_size > 0
            if file.suffix == ".zip":
                with zipfile.ZipFile(file) as archive:
                    assert archive.testzip() is None
                    assert all(name.startswith("set/") and ".." not in name for name in archive.namelist())
        assert not file.exists()


def test_the_zip_is_the_proxy_set(proxy, tmp_path):
    place, file = pack(proxy, "zip", "set")
    with place, zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "out")
    assert ProxySet.open(tmp_path / "out" / "set").selection().equals(proxy.selection())


def test_an_unknown_form(proxy):
    with pytest.raises(InvalidInput, match="choose zip"):
        pack(proxy, "tar", "set")
