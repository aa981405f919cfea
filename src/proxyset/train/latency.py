"""How long one item takes, as ratios: the models take turns, so that what else the machine does meets all alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset.errors import InvalidInput
from proxyset.train.onnx_model import OnnxModel

_RUNS = 20  # of one model in one round: long against the clock's step


@dataclass(frozen=True)
class Latency:
    """Time of one item in ONNX Runtime, one thread.

    Attributes:
        seconds: of processor time, median over rounds. Of this machine and this moment: quote the ratio.
        ratio: how many times as long the first model takes, median over rounds.
        low, high: the middle half of the rounds' ratios.
    """

    seconds: float
    ratio: float
    low: float
    high: float


def latency(models: Mapping[str, bytes], x: NDArray[np.float32], rounds: int = 30) -> dict[str, Latency]:
    """Measure models on the same single item.

    Args:
        models: name → ONNX file; the first is what the others are compared with.
        x: (1, *shape) float32, an input that all of them take.
        rounds: in each, every model runs 20 times; the order turns from round to round.

    Raises:
        InvalidInput: no models or rounds. InvalidData: one cannot be loaded.
    """
    if not models or rounds < 1:
        raise InvalidInput(f"there is nothing to time: {len(models)} models, {rounds} rounds")
    loaded = {name: OnnxModel.of(data, Path(name), threads=1) for name, data in models.items()}
    for model in loaded.values():
        model.logits(x)
    names = list(models)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            started = time.thread_time()  # with one thread the model runs in this one
            for _ in range(_RUNS):
                loaded[name].logits(x)
            seconds[name].append((time.thread_time() - started) / _RUNS)
    first = np.array(seconds[names[0]])
    found = {}
    for name in names:
        ratios = first / np.array(seconds[name])
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        found[name] = Latency(float(np.median(seconds[name])), float(middle), float(low), float(high))
    return found
