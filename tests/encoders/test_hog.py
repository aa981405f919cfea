import numpy as np
import pytest
from pydantic import ValidationError

from proxyset.encoders import load_encoder, selftest
from proxyset.encoders.hog import HogEncoder, HogParams
from proxyset.errors import EncoderMismatch


def slow_hog(image, orientations=8, cell=8, cells=3):
    """HOG of one block, pixel by pixel: central differences, zero at the border, unsigned, hard binning."""
    side = cell * cells
    histogram = np.zeros((cells, cells, orientations))
    for y in range(side):
        for x in range(side):
            gy = image[y + 1, x] - image[y - 1, x] if 0 < y < len(image) - 1 else 0.0
            gx = image[y, x + 1] - image[y, x - 1] if 0 < x < len(image) - 1 else 0.0
            direction = np.rad2deg(np.arctan2(gy, gx)) % 180
            histogram[y // cell, x // cell, int(direction // (180 / orientations)) % orientations] += (
                np.hypot(gx, gy)
            )
    histogram /= cell * cell
    return (histogram / np.sqrt((histogram**2).sum() + 1e-10)).ravel()


def test_paper_features_equal_a_slow_reference(file):
    image = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    encoded = HogEncoder().encode([file(image)])
    assert encoded.embeddings.shape == (1, 72) and encoded.embeddings.dtype == np.float32
    np.testing.assert_allclose(encoded.embeddings[0], slow_hog(image / 255.0), atol=1e-5)


def test_every_image_gets_a_row_and_bad_ones_a_problem(file, photo):
    encoded = HogEncoder().encode([file(photo), b"junk", file(photo[..., 0])])
    assert list(encoded.problems) == [1]
    norms = np.linalg.norm(encoded.embeddings, axis=1)
    np.testing.assert_allclose(norms, [1, 0, 1], atol=1e-5)


def test_flat_image_is_the_zero_vector_and_no_problem(file):
    encoded = HogEncoder().encode([file(np.full((28, 28), 90, np.uint8))])
    assert not encoded.embeddings.any() and not encoded.problems


def test_no_items():
    assert HogEncoder().encode([]).embeddings.shape == (0, 72)


@pytest.mark.parametrize(
    ("options", "dim"), [("", 72), (":size=32", 4 * 72), (":cell=7,block=2,orientations=9", 324)]
)
def test_dimension(file, photo, options, dim):
    encoder = load_encoder(f"hog{options}")
    assert encoder.spec.dim == dim == encoder.encode([file(photo)]).embeddings.shape[1]


@pytest.mark.parametrize(
    "wrong", [{"size": 8}, {"size": 512, "cell": 2, "block": 16}, {"norm": "L1"}, {"images": 2}]
)
def test_impossible_parameters(wrong):
    with pytest.raises(ValidationError):
        HogParams(**wrong)


def test_the_fingerprint_is_fixed():
    """The next version must answer this version's probes: it changes only with the features."""
    assert HogEncoder().spec.fingerprint == "20cd98c0fb914871059a77cb0921f146e17e23ef7b7f34f6745b34f8606e2dde"


def test_another_library_would_be_noticed(monkeypatch):
    import skimage.feature

    original = skimage.feature.hog
    monkeypatch.setattr(skimage.feature, "hog", lambda *a, **k: original(*a, **k | {"block_norm": "L1"}))
    with pytest.raises(EncoderMismatch, match="self-test"):
        HogEncoder()


def test_selftest_picture_is_stable():
    from proxyset.encoders.images import decode

    pixels = np.asarray(decode(selftest.picture(), "RGB")).astype(np.int64)
    assert pixels.shape == (80, 96, 3)
    assert (pixels * np.arange(1, 4)).sum() == 5129220
