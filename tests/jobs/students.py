"""A task small enough to learn in seconds: stripes upright or lying, on real PNG files, with its teacher and proxy set."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.train.dataset import framing
from proxyset.train.export import about_images, export_onnx
from proxyset.train.models import build_model
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised

CLASSES = ("lying", "upright")
SIDE = 16


def picture(number: int) -> np.ndarray:
    """(16, 16, 3) uint8; upright for odd numbers."""
    rng = np.random.default_rng(number)
    period, phase = rng.integers(2, 5), rng.integers(0, 4)
    stripes = np.tile(((np.arange(SIDE) + phase) // period % 2) * 150.0, (SIDE, 1))
    turned = stripes if number % 2 else stripes.T
    noisy = turned[..., None] + rng.integers(0, 100, (SIDE, SIDE, 3))
    return noisy.astype(np.uint8)


def folder(path: Path, numbers: range) -> Path:
    """An image folder with the class as the first folder."""
    for number in numbers:
        place = path / CLASSES[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number)).save(place / f"{number:04d}.png")
    return path


def arrays(numbers: range) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3, 16, 16) uint8 and (n,) int64."""
    items = np.stack([picture(number).transpose(2, 0, 1) for number in numbers])
    return np.ascontiguousarray(items), np.array([number % 2 for number in numbers], np.int64)


@cache
def teacher_bytes() -> bytes:
    """A trained cnn-12 as ONNX."""
    import tempfile

    items, labels = arrays(range(400))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model("cnn-12", 2, size=SIDE)
    supervised(model, items, labels, Settings(steps=60, batch_size=32, ema=0.9, augment="none"))
    with tempfile.TemporaryDirectory() as where:
        path = Path(where) / "model.onnx"
        export_onnx(model, path, about_images(CLASSES, framing(SIDE)))
        return path.read_bytes()


def proxy_of(tmp_path: Path, budget: int = 120) -> ProxySet:
    """A proxy set drawn without any release."""
    folder(tmp_path / "pool", range(1000, 1160))
    index = build_index(tmp_path / "pool", tmp_path / "index", clusters=8)
    return select(index, [], tmp_path / "proxy", budget=budget, strategy="random")
