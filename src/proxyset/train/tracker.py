"""Where the numbers of a run go while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from proxyset.errors import needing


class Tracker(Protocol):
    """Takes numbers by name, now and then."""

    def log(self, step: int, values: Mapping[str, float]) -> None: ...


class Silent:
    """Keeps nothing."""

    def log(self, step: int, values: Mapping[str, float]) -> None: ...


class Lines:
    """One line of text each time.

    Args:
        write: takes a line without its end, such as `cli.output.note`.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def log(self, step: int, values: Mapping[str, float]) -> None:
        told = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._write(f"step {step:>6}  {told}")


class TensorBoard:
    """Event files for TensorBoard.

    Raises:
        MissingExtra: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        with needing("tensorboard", "event files"):
            from torch.utils.tensorboard import SummaryWriter
        self._open: Callable[..., Any] = SummaryWriter
        self._folder = str(folder)
        self._writer: Any = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if self._writer is None:  # what an earlier call said of this step and later ones is not shown again
            self._writer = self._open(self._folder, purge_step=step)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()


class MLflow:
    """A run of MLflow, in the experiment and at the server that its own environment variables name.

    Raises:
        MissingExtra: mlflow is not installed.
    """

    def __init__(self, run_name: str | None = None) -> None:
        with needing("mlflow", "runs in MLflow"):
            import mlflow  # type: ignore[import-not-found,unused-ignore]
        self._client: Any = mlflow
        self._run: str = mlflow.start_run(run_name=run_name).info.run_id
        mlflow.end_run()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._client.log_metrics(dict(values), step=step, run_id=self._run)
