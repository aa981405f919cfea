"""What stands for an item."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException

from proxyset.agent.page.items import Item, digest, items_of, kind_of
from proxyset.encoders.encoder import EncoderSpec

IDS = ["a", "b"]
CONTENTS = [b"\x89PNG\xff", "tö".encode()]


def test_by_kind():
    pictures = [Item(0, "a", "/p/0.png", ""), Item(1, "b", "/p/1.png", "")]
    assert items_of(IDS, CONTENTS, "image", "/p") == pictures
    assert [item.text for item in items_of(IDS, CONTENTS, "text", "/p")] == ["�PNG�", "tö"]
    names = [Item(0, "a", "", ""), Item(1, "b", "", "")]
    assert items_of(IDS, None, "image", "/p") == names
    assert items_of(IDS, CONTENTS, "embedding", "/p") == names


def test_without_the_encoder_what_is_utf8_is_a_text():
    found = items_of([*IDS, "c"], [*CONTENTS, b"a\0b"], "", "/p")
    assert [(item.picture, item.text) for item in found] == [("/p/0.png", ""), ("", "tö"), ("/p/2.png", "")]
    assert kind_of(EncoderSpec(name="unknown", dim=3), None) == ""
    assert kind_of(EncoderSpec(name="embeddings", dim=3), None) == "embedding"


def test_fingerprints_in_a_path():
    assert digest("0f" * 32) == "0f" * 32
    for wrong in ("", "0f", "../../etc/passwd", "g" * 64):
        with pytest.raises(HTTPException):
            digest(wrong)
