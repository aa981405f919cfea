"""A network of timm with the weights that were asked for. Nothing is downloaded, and nothing random, unless that is asked for."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

from proxyset.errors import InvalidInput, needing

HUB, RANDOM = "hub", "random"


def timm_network(name: str, weights: str | Path | None, extra: str = "timm") -> Any:
    """An image model of timm without its classifier: pixels, normalised as its authors did, to (n, d) features.

    Args:
        name: as timm has it, such as "mobilenetv3_small_050".
        weights: the file of a state dict (.safetensors or .pth, of the model with its classifier), "hub" to download those that
            timm names, into the cache of the Hugging Face hub, or "random".
        extra: of proxyset that brings timm, for errors.

    Raises:
        InvalidInput: no weights, weights that do not fit, or a name that timm does not know.
        MissingExtra: timm is not installed.
    """
    if weights is None:
        raise InvalidInput(
            f"timm:{name} needs weights: a file with a state dict (.safetensors or .pth), {HUB!r} to download the published "
            f"ones, or {RANDOM!r} to begin with none"
        )
    with needing(extra, "timm's models"):
        import timm
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    try:
        net = timm.create_model(name, pretrained=weights == HUB)
        if weights not in (HUB, RANDOM):
            file = Path(weights)
            safe = file.suffix == ".safetensors"
            state = load_file(file) if safe else torch.load(file, map_location="cpu", weights_only=True)
            net.load_state_dict(state)
    except (*_UNREADABLE, SafetensorError) as error:
        raise InvalidInput(f"timm:{name} cannot be made from {weights}: {str(error)[:500]}") from None
    net.reset_classifier(0)
    return net


# What timm, the hub, torch.load and load_state_dict raise on what is no model or not its weights.
_UNREADABLE = (
    RuntimeError, OSError, ValueError, TypeError, LookupError, EOFError, struct.error, pickle.UnpicklingError,
)  # fmt: skip
