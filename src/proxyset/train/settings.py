"""How a model is trained: one frozen record that the checkpoint repeats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from proxyset.errors import InvalidInput


@dataclass(frozen=True)
class Settings:
    """What all loops share.

    Attributes:
        steps: of the optimizer.
        batch_size: labeled items a step, also when memory makes it come in parts.
        optimizer: "adamw", or "sgd" with Nesterov momentum.
        lr: the highest learning rate; it rises for `warmup` of the steps, then falls to 0 as a half cosine.
        momentum: of sgd.
        weight_decay: decoupled for adamw.
        ema: the weights that are evaluated and exported are an exponential average with this decay (less in the first
            steps, so that a short run forgets where it began); 0 for the last weights.
        augment: of labeled items: "weak", "strong" or "none" (embeddings).
        flip: whether a mirror image shows the same thing. Not so for digits.
        seed: of batches, augmentation and dropout. On a CPU, the same seed gives the same weights.
    """

    steps: int = 1000
    batch_size: int = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 3e-3
    momentum: float = 0.9
    weight_decay: float = 0.05
    warmup: float = 0.05
    ema: float = 0.99
    augment: Literal["weak", "strong", "none"] = "weak"
    flip: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise InvalidInput(
                f"steps and batch size must be at least 1; they are {self.steps} and {self.batch_size}"
            )
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise InvalidInput(f"the learning rate must be above 0; it is {self.lr}")
        if not 0 <= self.ema < 1 or not 0 <= self.warmup < 1:
            raise InvalidInput(f"ema and warmup must lie in [0, 1); they are {self.ema} and {self.warmup}")

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 ≤ step < steps."""
        rising = round(self.warmup * self.steps)
        if step < rising:
            return self.lr * (step + 1) / rising
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - rising) / (self.steps - rising)))
