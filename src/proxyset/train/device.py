"""Where to compute, and with which numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from proxyset.errors import InvalidInput


def choose_device(name: str = "auto") -> torch.device:
    """The best device there is, or the one asked for.

    Args:
        name: "auto", "cpu", "cuda", "cuda:1" … or "mps".

    Raises:
        InvalidInput: an unknown name, or a device that this machine or this build of torch does not have.
    """
    if name == "auto":
        cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InvalidInput(f"no device {name!r} here: {str(error).splitlines()[0]}; try 'auto'") from None
    return device


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where the graphics processor has it (no loss scaling needed), else full precision."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error).lower() for words in ("can't allocate memory", "out of memory")
    )
