"""Random changes of images that do not change what they show, over a whole batch at once.

Images are float32 (n, C, H, W) in [0, 1]; randomness comes from a generator on the CPU, so that every device sees the same.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

_SHIFT = 0.125  # of the side: 4 pixels of 32
_OPERATIONS = 2  # RandAugment's N: how many an image gets
_GRAY = 0.5
# Largest strength of each operation. Every one leaves an image as it is at strength 0: an image that was not dealt an
# operation takes part in it with strength 0, which keeps the batch whole.
_TURN, _SHEAR, _MOVE, _ZOOM = math.radians(30), 0.3, 0.2, 0.25
_BRIGHTEN, _CONTRAST, _FADE, _SOLARIZE, _BLUR, _LEVELS = 0.5, 0.7, 1.0, 0.6, 1.0, 6
_KINDS, _MAPS = 11, 6  # operations, and how many of them are geometric


def weak(images: Tensor, rng: Generator, *, flip: bool = False) -> Tensor:
    """Shift each image by up to an eighth of its side; what moves in repeats the rim.

    Args:
        images: (n, C, H, W).
        rng: on the CPU.
        flip: also mirror half of the images; not for digits, text or anything with a right and a left.
    """
    n, _, height, width = images.shape
    rows = _shifted(n, height, rng)
    columns = _shifted(n, width, rng)
    if flip:
        mirrored = torch.rand(n, 1, generator=rng) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows, columns = rows.to(images.device), columns.to(images.device)
    item = torch.arange(n, device=images.device)
    return images.permute(0, 2, 3, 1)[item[:, None, None], rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )


def strong(images: Tensor, rng: Generator, *, flip: bool = False) -> Tensor:
    """The weak change, two random operations of random strength, and a gray square.

    After RandAugment (Cubuk et al. 2020) and Cutout (DeVries and Taylor 2017), as FixMatch combines them. The geometric
    operations are one affine map, sampled once.

    Args:
        images: (n, C, H, W).
        rng: on the CPU.
        flip: as in `weak`.
    """
    n = len(images)
    images = weak(images, rng, flip=flip)
    dealt = torch.rand(n, _KINDS, generator=rng).argsort(dim=1) < _OPERATIONS
    strengths = (torch.rand(n, _KINDS, generator=rng) * 2 - 1) * dealt
    strengths = strengths.to(images.device)
    return _cut_out(_recolour(_warp(images, strengths[:, :_MAPS]), strengths[:, _MAPS:]), rng)


def _shifted(n: int, side: int, rng: Generator) -> Tensor:
    """(n, side) row numbers, moved by up to an eighth and kept inside."""
    most = max(1, round(side * _SHIFT))
    moves = torch.randint(-most, most + 1, (n, 1), generator=rng)
    return (torch.arange(side) + moves).clamp(0, side - 1)


def _warp(images: Tensor, strengths: Tensor) -> Tensor:
    """Turn, shear, move and zoom. strengths: (n, 6) in [−1, 1]."""
    turn, shear_x, shear_y, move_x, move_y, zoom = (
        strengths * strengths.new_tensor([_TURN, _SHEAR, _SHEAR, _MOVE * 2, _MOVE * 2, _ZOOM])
    ).T
    cos, sin, scale = turn.cos(), turn.sin(), zoom.exp()
    across = torch.stack([scale * (cos + shear_x * sin), scale * (shear_x * cos - sin), move_x], dim=1)
    down = torch.stack([scale * (sin + shear_y * cos), scale * (cos - shear_y * sin), move_y], dim=1)
    grid = functional.affine_grid(torch.stack([across, down], dim=1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _recolour(images: Tensor, strengths: Tensor) -> Tensor:
    """Brightness, contrast, saturation or blur, inversion of light parts, fewer levels. strengths: (n, 5) in [−1, 1]."""
    brighten, contrast, fade, solarize, levels = (column[:, None, None, None] for column in strengths.T)
    images = (images * (1 + _BRIGHTEN * brighten)).clamp(0, 1)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (middle + (images - middle) * (1 + _CONTRAST * contrast)).clamp(0, 1)
    gray = images.mean(dim=1, keepdim=True)
    images = torch.where(fade > 0, images + _FADE * fade * (gray - images), images)
    blurred = functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    images = torch.where(fade < 0, images - _BLUR * fade * (blurred - images), images)
    images = torch.where(images > 1 - _SOLARIZE * solarize.abs(), 1 - images, images)
    steps = 2 ** (8 - _LEVELS * levels.abs()).floor() - 1
    return torch.where(levels == 0, images, (images * steps).round() / steps)


def _cut_out(images: Tensor, rng: Generator) -> Tensor:
    """A gray square of up to half the side, anywhere."""
    n, _, height, width = images.shape
    half = torch.rand(n, 1, generator=rng) * 0.25
    near_row = (torch.arange(height) / height - torch.rand(n, 1, generator=rng)).abs() < half
    near_column = (torch.arange(width) / width - torch.rand(n, 1, generator=rng)).abs() < half
    inside = (near_row[:, None, :, None] & near_column[:, None, None, :]).to(images.device)
    return torch.where(inside, images.new_tensor(_GRAY), images)
