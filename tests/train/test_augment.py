import math

import pytest
import torch

from proxyset.train import augment


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=12, side=16, seed=3):
    return torch.rand(n, 3, side, side, generator=rng(seed))


def slow_shift(image, down, right):
    """Row r of the result is row r + down of the image, the rim repeated."""
    height, width = image.shape[1:]
    out = torch.empty_like(image)
    for r in range(height):
        for c in range(width):
            out[:, r, c] = image[:, min(max(r + down, 0), height - 1), min(max(c + right, 0), width - 1)]
    return out


def test_weak_is_one_of_the_shifts():
    x = images(6, 8)
    out = augment.weak(x, rng())
    for image, moved in zip(x, out, strict=True):
        shifts = [slow_shift(image, down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        assert any(torch.equal(moved, shift) for shift in shifts)


def test_only_flip_mirrors():
    x = images(40, 8)
    straight, flipped = augment.weak(x, rng()), augment.weak(x, rng(), flip=True)
    centre = x[:, :, 1:-1, 1:-1]

    def mirrored(out):
        """How many images hold their centre turned round, at some shift."""
        return sum(
            any(
                torch.equal(image[:, 1 + d : 7 + d, 1 + e : 7 + e], part.flip(2))
                for d in (-1, 0, 1)
                for e in (-1, 0, 1)
            )
            for image, part in zip(out, centre, strict=True)
        )

    assert mirrored(straight) == 0
    # P(fewer than 6 or more than 34 of 40 fair coins) < 1e-5
    assert 6 <= mirrored(flipped) <= 34


@pytest.mark.parametrize("change", [augment.weak, augment.strong])
@pytest.mark.parametrize(("n", "side"), [(1, 8), (7, 28), (33, 32)])
def test_shape_range_and_repeatability(change, n, side):
    x = images(n, side)
    out = change(x, rng(5))
    assert out.shape == x.shape
    assert out.min() >= 0
    assert out.max() <= 1
    assert torch.equal(out, change(x, rng(5)))
    assert n == 1 or not torch.equal(out, change(x, rng(6)))


def test_operations_at_strength_0_leave_the_image_alone():
    x = images()
    assert torch.allclose(augment._warp(x, torch.zeros(12, 6)), x, atol=1e-5)
    assert torch.allclose(augment._recolour(x, torch.zeros(12, 5)), x, atol=1e-6)


@pytest.mark.parametrize("operation", range(6))
def test_one_image_warped_alone_is_as_in_the_batch(operation):
    x, strengths = images(), torch.zeros(12, 6)
    strengths[:, operation] = torch.linspace(-1, 1, 12)
    whole = augment._warp(x, strengths)
    for row in range(12):
        alone = augment._warp(x[row : row + 1], strengths[row : row + 1])
        assert torch.allclose(whole[row], alone[0], atol=1e-6)
    assert not torch.allclose(whole[0], x[0], atol=1e-2)


def slow_recolour(image, strengths):
    """One image, one pixel at a time, straight from the definitions."""
    brighten, contrast, fade, solarize, levels = (float(value) for value in strengths)
    channels, height, width = image.shape
    a = [[[min(max(float(v) * (1 + 0.5 * brighten), 0), 1) for v in row] for row in plane] for plane in image]
    mean = sum(v for plane in a for row in plane for v in row) / (channels * height * width)
    a = [[[min(max(mean + (v - mean) * (1 + 0.7 * contrast), 0), 1) for v in row] for row in p] for p in a]
    out = torch.empty_like(image)
    for c in range(channels):
        for r in range(height):
            for k in range(width):
                v = a[c][r][k]
                if fade > 0:
                    v += fade * (sum(a[j][r][k] for j in range(channels)) / channels - v)
                if fade < 0:
                    near = [
                        a[c][i][j]
                        for i in range(max(r - 1, 0), min(r + 2, height))
                        for j in range(max(k - 1, 0), min(k + 2, width))
                    ]
                    v += -fade * (sum(near) / len(near) - v)
                if v > 1 - 0.6 * abs(solarize):
                    v = 1 - v
                if levels:
                    steps = 2 ** math.floor(8 - 6 * abs(levels)) - 1
                    v = round(v * steps) / steps
                out[c, r, k] = v
    return out


@pytest.mark.parametrize("seed", range(4))
def test_colours_equal_the_slow_reference(seed):
    x = images(5, 8, seed).double()
    strengths = (torch.rand(5, 5, generator=rng(seed)) * 2 - 1).double()
    strengths[0] = 0
    strengths[1, 4] = 0
    fast = augment._recolour(x, strengths)
    for row in range(5):
        assert torch.allclose(fast[row], slow_recolour(x[row], strengths[row]), atol=1e-6)


def test_cut_out_is_a_gray_rectangle():
    x = images(50, 32)
    out = augment._cut_out(x, rng())
    for image, cut in zip(x, out, strict=True):
        changed = (image != cut).any(dim=0)
        rows, columns = changed.any(dim=1), changed.any(dim=0)
        assert torch.equal(changed, rows[:, None] & columns[None, :])
        assert (cut[:, changed] == 0.5).all()
        assert rows.sum() <= 17
