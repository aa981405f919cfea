"""The loop that every method shares. What differs, the batch and its loss, is an `Objective`."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from proxyset.cloud.store import Place
from proxyset.errors import InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.train import batches
from proxyset.train.average import Average
from proxyset.train.checkpoint import Checkpoint, Progress
from proxyset.train.device import choose_device, mixed_precision, out_of_memory
from proxyset.train.normalisation import lone_values_normalised
from proxyset.train.settings import Settings
from proxyset.train.tracker import Silent, Tracker
from proxyset.wire.lineage import UNKNOWN, Lineage

CHECKPOINT = "checkpoint.safetensors"


class Objective(Protocol):
    """A method: what a step looks at, and what it wants."""

    def identity(self) -> object:
        """Method, options and data, as something that JSON holds."""
        ...

    def batch(self, step: int, device: torch.device) -> tuple[Tensor, ...]:
        """The step's tensors. All can be cut along their first axis into the same number of parts."""
        ...

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss of a batch or of a part of one, and other means worth watching."""
        ...


@dataclass(frozen=True)
class Run:
    """Where a training runs and what it leaves behind; nothing here changes the weights, but for the device's rounding and `stop`.

    Attributes:
        folder: for the checkpoint, on disk or object storage; the same call again goes on from it. None keeps nothing.
        device: as `device.choose_device` takes it.
        tracker: gets loss, learning rate and more.
        log_every: steps.
        save_every: seconds between checkpoints, and so the most that a kill loses; the last step is always saved.
        on_step: called after each step with how many are done and how many there are.
        stop: asked after each step with the averaged weights, in evaluation mode, and how many steps are done; True ends the
            training. What it remembers is not in a checkpoint, so it is refused together with `folder`.
        lineage: what the training items and labels have seen of private data; it goes into the checkpoint.
        warn: told in one line when something unusual happened, such as memory that ran out.
    """

    folder: Place | None = None
    device: str = "auto"
    tracker: Tracker = field(default_factory=Silent)
    log_every: int = 50
    save_every: float = 30.0
    lineage: Lineage = UNKNOWN
    on_step: Callable[[int, int], None] = lambda done, total: None
    stop: Callable[[nn.Module, int], bool] | None = None
    warn: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
        model: the averaged weights (the last ones where `Settings.ema` is 0), in evaluation mode, on `device`.
        device: where it lies.
        steps: of the whole training, fewer than the settings' where `Run.stop` ended it.
        resumed_at: the step that this call began with; 0 for a training in one go.
        parts: that a batch came in at the end; more than 1 after memory ran out.
        loss: the last step's; None where it was taken up finished, from a checkpoint that does not say.
        lineage: what the weights have seen: the run's, and that of a checkpoint that it took up.
    """

    model: nn.Module
    device: torch.device
    steps: int
    resumed_at: int
    parts: int
    loss: float | None
    lineage: Lineage


def fit(model: nn.Module, objective: Objective, settings: Settings, run: Run) -> Fitted:
    """Train `model` in place.

    Raises:
        InvalidInput: the loss is no number, one item does not fit in memory, the checkpoint is of another run, or both a folder and
            `stop` are given.
        ArtifactError: the checkpoint is damaged.
    """
    if run.stop and run.folder:
        raise InvalidInput(
            f"a training that may stop early leaves no checkpoint, and {run.folder} was given for one: leave out the folder or "
            "`stop`"
        )
    device = choose_device(run.device)
    checkpoint = _checkpoint(model, objective, settings, run)
    model = model.to(device).train()
    average = Average(model, settings.ema)
    optimizer = _optimizer(model, settings)
    progress = checkpoint.read(model, average.model, optimizer) if checkpoint else Progress()
    lineage = Lineage.union([run.lineage, progress.lineage])
    first, parts, loss, saved = progress.step, progress.parts, progress.loss, time.monotonic()
    done = first
    randomness = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with randomness, lone_values_normalised(model):
        for step in range(first, settings.steps):
            for group in optimizer.param_groups:
                group["lr"] = settings.rate(step)
            torch.manual_seed(batches.derived(settings.seed, batches.LAYERS, step))
            batch = objective.batch(step, device)
            values, parts = _gradients(model, objective, batch, parts, run)
            loss = values["loss"]
            if not math.isfinite(loss):
                raise InvalidInput(
                    f"the loss became {loss} at step {step}: lower the learning rate ({settings.lr:g}), or look for "
                    "items that are not numbers"
                )
            optimizer.step()
            average.update(model, step)
            done = step + 1
            if done % run.log_every == 0 or done == settings.steps:
                run.tracker.log(done, values | {"lr": settings.rate(step)})
            if checkpoint and (done == settings.steps or time.monotonic() - saved >= run.save_every):
                checkpoint.write(Progress(done, parts, lineage, loss), model, average.model, optimizer)
                saved = time.monotonic()
            run.on_step(done, settings.steps)
            if run.stop and run.stop(average.model, done):
                break
    return Fitted(average.model, device, done, first, parts, loss, lineage)


def _gradients(
    model: nn.Module, objective: Objective, batch: tuple[Tensor, ...], parts: int, run: Run
) -> tuple[dict[str, float], int]:
    """Leave the batch's gradient in the parameters; when memory runs out, in twice as many parts.

    The parts' gradients add up to the whole batch's, but layers that normalise over a batch see the parts.
    """
    size = len(batch[0])
    while True:
        model.zero_grad(set_to_none=True)
        try:
            return _accumulate(model, objective, batch, parts), parts
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if parts >= size:
                raise InvalidInput(
                    "out of memory with a single item: choose a smaller model or smaller images"
                ) from error
        parts = min(2 * parts, size)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        run.warn(
            f"out of memory: each batch of {size} now comes in {parts} parts of at most {-(-size // parts)}; "
            "the gradient is still that of the whole batch"
        )


def _accumulate(
    model: nn.Module, objective: Objective, batch: tuple[Tensor, ...], parts: int
) -> dict[str, float]:
    totals: defaultdict[str, float] = defaultdict(float)
    for part in zip(*(tensor.tensor_split(parts) for tensor in batch), strict=True):
        share = len(part[0]) / len(batch[0])
        with mixed_precision(part[0].device):
            loss, watched = objective.loss(model, part)
        (loss * share).backward()  # type: ignore[no-untyped-call]
        for name, value in ({"loss": loss} | watched).items():
            totals[name] += share * float(value.detach())
    return dict(totals)


def _optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Biases and normalisation are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.momentum > 0
        )
    return torch.optim.AdamW(groups, lr=settings.lr)


def _checkpoint(model: nn.Module, objective: Objective, settings: Settings, run: Run) -> Checkpoint | None:
    if run.folder is None:
        return None
    shapes = [[name, list(tensor.shape)] for name, tensor in model.state_dict().items()]
    origin = (
        [model.origin] if getattr(model, "origin", "") else []
    )  # other weights to begin with: another training
    identity = fingerprint([objective.identity(), dataclasses.asdict(settings), shapes, *origin])
    return Checkpoint(run.folder / CHECKPOINT, identity)
