import io

import numpy as np
import pytest
from PIL import Image

from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources import open_source
from proxyset.train.dataset import decode, load


def png(colour, size=(10, 10)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_decoded_in_order_channels_first():
    images = decode([("r", png((255, 0, 0)), "red"), ("b", png((0, 0, 255), (5, 9)), None)], 8)
    assert images.pixels.shape == (2, 3, 8, 8)
    assert images.pixels.dtype == np.uint8
    assert images.pixels[0, :, 0, 0].tolist() == [255, 0, 0]
    assert images.pixels[1, :, 7, 7].tolist() == [0, 0, 255]
    assert images.labels == ("red", None)
    assert images.problems == {}


def test_a_few_corrupt_images_are_listed_and_left_out():
    items = [(f"i{n}", png((n % 256, 0, 0)), "x") for n in range(300)]
    items[7] = ("broken", b"no image", "x")
    images = decode(items, 8)
    assert len(images.ids) == 299
    assert list(images.problems) == ["broken"]
    assert images.rows.tolist() == [n for n in range(300) if n != 7]
    assert "broken" not in images.ids


def test_many_corrupt_images_are_an_error_that_names_them():
    items = [("good", png((0, 0, 0)), None), ("cut off", png((0, 0, 0))[:40], None)]
    with pytest.raises(InvalidData, match=r"1 of 2 images cannot be decoded, more than 1.0%: cut off: "):
        decode(items, 8)
    with pytest.raises(InvalidData, match="none of 1 images can be decoded: cut off"):
        decode(items[1:], 8)
    with pytest.raises(InvalidData, match="0 images"):
        decode([], 8)


def test_a_folder_of_folders(tmp_path):
    for label, colour in (("a", (9, 9, 9)), ("b", (90, 90, 90))):
        (tmp_path / label).mkdir()
        for number in range(3):
            (tmp_path / label / f"{number}.png").write_bytes(png(colour))
    images = load(open_source(tmp_path), 8)
    assert images.labels == ("a",) * 3 + ("b",) * 3
    assert images.ids[0] == "a/0.png"


def test_other_items_and_sizes_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 3), np.float32))
    with pytest.raises(InvalidInput, match="embedding items, not images"):
        load(open_source(tmp_path / "x.npy"), 8)
    with pytest.raises(InvalidInput, match="at least 8 pixels"):
        decode([("a", png((0, 0, 0)), None)], 4)
