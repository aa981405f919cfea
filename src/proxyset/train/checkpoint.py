"""Checkpoints: one safetensors file, no pickle, whole or not there.

Tensors: model.NAME, average.NAME, optimizer.NUMBER.NAME. The header carries the step, the number of parts that a batch comes in,
what was trained on what, and what that has seen of private data. States of random generators are not needed: every step's
randomness is a function of the seed and the step (`batches`), so a run that goes on gives the weights, bit for bit on a CPU, that
it would have given anyway.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from proxyset.cloud.store import Draft, Place
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.lineage import PUBLIC, UNKNOWN, Lineage

SCHEMA = "proxyset.checkpoint/1"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: finished steps.
        parts: that a batch comes in, more than 1 after memory ran out.
        lineage: what the weights have seen so far; of no weights, nothing private.
        loss: of the last finished step; None where there is none, or the file does not say.
    """

    step: int = 0
    parts: int = 1
    lineage: Lineage = PUBLIC
    loss: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A run's state, on disk or on object storage.

    Attributes:
        path: the file; need not be there yet.
        identity: fingerprint of everything that the weights depend on (settings, data, method).
    """

    path: Place
    identity: str

    @cached_property
    def _draft(self) -> Draft:
        return Draft(self.path)

    def write(
        self, progress: Progress, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        """Replace the file. Raises InvalidInput where another training writes it, on object storage."""
        tensors = {
            name: tensor.detach().cpu().contiguous().clone()
            for name, tensor in _tensors(model, average, optimizer)
        }
        about = {
            "schema": SCHEMA,
            "identity": self.identity,
            "step": str(progress.step),
            "parts": str(progress.parts),
            "lineage": progress.lineage.model_dump_json(),
            "loss": json.dumps(progress.loss),
        }
        self._draft.write(save(tensors, about))

    def read(self, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Put the stored state into what was just built; Progress() and nothing done when there is no file.

        Raises:
            InvalidInput: the file is of a run with other settings, data, model or method.
            ArtifactError: the file is damaged.
        """
        try:
            with ExitStack() as opened:
                here = opened.enter_context(self._draft.reading())
                if here is None:
                    return Progress()
                file = opened.enter_context(safe_open(here, framework="pt"))
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except SafetensorError as error:
            raise ArtifactError(f"{self.path} is damaged ({error}): delete it and train again") from None
        if about.get("schema") != SCHEMA:
            raise ArtifactError(f"{self.path} is not a checkpoint of this version: delete it and train again")
        if about["identity"] != self.identity:
            raise InvalidInput(
                f"{self.path} belongs to a run with other settings, data, labels or another model: choose another output "
                "folder, or remove it to train anew"
            )
        said = about.get("lineage")
        lineage = UNKNOWN if said is None else Lineage.parse(said, str(self.path))
        try:
            model.load_state_dict(_below(tensors, "model."))
            average.load_state_dict(_below(tensors, "average."))
            for number, parameter in enumerate(_parameters(optimizer)):
                if state := _below(tensors, f"optimizer.{number}."):
                    optimizer.state[parameter] = {
                        name: value if name == "step" else value.to(parameter.device)
                        for name, value in state.items()
                    }
            loss = json.loads(about.get("loss", "null"))
            return Progress(int(about["step"]), int(about["parts"]), lineage, loss)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ArtifactError(f"{self.path} does not fit the model ({error}): delete it") from None


def _tensors(
    model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, Tensor]]:
    for prefix, module in (("model.", model), ("average.", average)):
        for name, tensor in module.state_dict().items():
            yield prefix + name, tensor
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state[parameter].items():
            yield f"optimizer.{number}.{name}", value


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
