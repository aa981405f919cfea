"""Atlases on the disk: drawn up once, replaced when damaged, and no obstacle when the disk is full."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest

from proxyset.cloud.build import build_index
from proxyset.errors import ArtifactError
from proxyset.server.page.atlas import Atlas, survey
from proxyset.server.page.atlases import Atlases, decode, encode


@pytest.fixture
def index(blobs):
    return build_index(blobs / "pool.npy", blobs / "index", clusters=9)


def same(one: Atlas, other: Atlas) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def test_the_second_look_reads_no_assignment(index, tmp_path):
    drawn = Atlases(tmp_path).of(index)
    assert same(drawn, survey(index))
    shutil.rmtree(index.folder / "assignments")
    assert same(Atlases(tmp_path).of(index), drawn)


def test_a_damaged_atlas_is_drawn_up_again(index, tmp_path):
    kept = tmp_path / "kept"
    drawn = Atlases(kept).of(index)
    (file,) = kept.iterdir()
    good = file.read_bytes()
    for bad in (b"", good[:-1], good[:-1] + bytes([good[-1] ^ 1]), good.replace(b"atlas/1", b"atlas/9")):
        file.write_bytes(bad)
        assert same(Atlases(kept).of(index), drawn)
        assert file.read_bytes() == good


def test_an_atlas_of_another_index_is_refused(index, blobs):
    other = build_index(blobs / "pool.npy", blobs / "other", clusters=8)
    with pytest.raises(ArtifactError, match="not of the index"):
        decode(encode(survey(other), other), index)


def test_an_atlas_that_cannot_be_kept_is_shown(index, tmp_path, caplog):
    (tmp_path / "file").write_text("where the folder should be")
    with caplog.at_level(logging.WARNING, "proxyset.service"):
        assert same(Atlases(tmp_path / "file").of(index), survey(index))
    assert "atlas is not kept" in caplog.text
