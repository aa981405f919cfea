"""Batch normalisation where a batch has one value of each channel: one item, whose picture has become one point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def lone_values_normalised(model: nn.Module) -> Iterator[None]:
    """While this lasts, batch normalisation in training mode takes what it knows from earlier batches where a batch holds one
    value of each channel, of which it could make nothing but zeros, and torch makes an error. All else is as it was.
    """

    def before(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        x = given[0]
        if layer.training and x.numel() == x.shape[1]:
            layer.training = False
            lone.add(layer)

    def after(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if layer in lone:
            layer.training = True
            lone.remove(layer)

    lone: set[nn.Module] = set()
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    hooks = [layer.register_forward_pre_hook(before) for layer in layers]
    hooks += [layer.register_forward_hook(after, always_call=True) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
