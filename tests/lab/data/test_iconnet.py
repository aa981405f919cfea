import io

import numpy as np
import pytest
from PIL import Image

from proxyset.demo.cache import load
from proxyset.errors import FetchError
from proxyset_lab.data import emoji, iconnet


def test_the_visible_part_is_centred_on_white():
    picture = Image.new("RGBA", (300, 200))
    picture.paste((200, 0, 0, 255), (10, 20, 110, 70))  # 100 × 50, off the centre
    pixels = np.asarray(iconnet.square(picture))
    red = (pixels == (200, 0, 0)).all(axis=2)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert pixels.shape == (224, 224, 3) and (pixels[0, 0] == 255).all()
    assert columns[0] == 13 and columns[-1] == 209  # 6 % of rim, up to rounding
    assert abs((rows[0] + rows[-1]) / 2 - 111.5) <= 1 and len(rows) == pytest.approx(98, abs=2)


def test_nothing_visible():
    assert iconnet.square(Image.new("RGBA", (5, 5))) is None


def test_one_spelling_of_a_code_point():
    assert emoji.code_point("2764-FE0F") == "2764"
    assert emoji.code_point("1F468-200D-1F680") == "1f468-200d-1f680"


def test_svg_is_drawn_with_its_own_box():
    pytest.importorskip("resvg_py")
    svg = emoji._svg(
        {"icons": {"a": {"body": '<rect x="4" width="4" height="8"/>', "width": 8}}, "height": 8}, "a"
    )
    pixels = np.asarray(emoji.draw(svg))
    assert pixels.shape == (256, 256, 4)
    assert pixels[128, 200, 3] == 255 and pixels[128, 50, 3] == 0


def test_without_debian_packages_the_note_says_what_is_missing(monkeypatch):
    def absent(package, wanted):
        raise FetchError(f"{package}: no such thing here")

    point, svg = (
        "1f426",
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect x="2" width="4" height="8"/></svg>',
    )
    monkeypatch.setattr(iconnet, "read_debian", absent)
    monkeypatch.setattr(emoji, "meanings", lambda: {point: emoji.Meaning("bird", "animal-bird")})
    monkeypatch.setattr(emoji, "styles", lambda: {"flat": [{point: svg}, {point: svg}]})
    pytest.importorskip("resvg_py")
    content = iconnet.build()
    assert "without the domain 'photo'" in content.note and "'clipart'" in content.note
    assert content.table.to_pydict()["group"] == [point]  # the same picture twice is kept once


@pytest.mark.thorough
def test_seven_styles_of_twelve_kinds():
    table = load(iconnet.ICONNET)
    domains, labels = (np.array(table[name].to_pylist()) for name in ("domain", "label"))
    assert set(labels) == set(iconnet._CLASSES)
    assert {"3d", "flat", "gradient", "outline", "mono"} <= set(domains)
    for domain in set(domains):
        assert set(labels[domains == domain]) == set(iconnet._CLASSES)
    for png in table["image"].to_pylist()[::50]:
        image = np.asarray(Image.open(io.BytesIO(png)))
        assert image.shape == (224, 224, 3) and np.ptp(image.astype(int)) > 50
