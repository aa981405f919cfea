"""A session of ONNX Runtime: on the processor or, where the build can, on a GPU; what is in the file is looked at first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from proxyset.encoders.onnx_file import refuse_external_data
from proxyset.errors import InvalidData, MissingExtra

# In order of preference. Azure's provider is left out: private images stay on the machine.
_PROVIDERS = (
    "CUDAExecutionProvider",
    "ROCMExecutionProvider",
    "MIGraphXExecutionProvider",
    "DmlExecutionProvider",
    "CPUExecutionProvider",
)


def open_session(
    weights: bytes, path: Path, threads: int | None = None
) -> tuple[Any, tuple[type[Exception], ...]]:
    """A session of ONNX Runtime, and the errors that it raises, which have no common base but Exception.

    Args:
        weights: the model. What keeps its weights in other files is refused before ONNX Runtime sees it.
        path: where it is from, for errors.
        threads: as for `OnnxEncoder`.

    Raises:
        InvalidData: it is damaged, malicious, or nothing that ONNX Runtime can load.
        MissingExtra: onnxruntime is not installed.
    """
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError:
        raise MissingExtra("onnxruntime", "onnx", "ONNX models") from None
    refuse_external_data(weights, path)
    errors = (
        state.EPFail, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf,
        state.NoModel, state.NotFound, state.NotImplemented, state.RuntimeException, ValueError, RuntimeError,
        MemoryError,
    )  # fmt: skip
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 4  # what goes wrong is raised
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads cost 40 % more
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in _PROVIDERS if provider in available]
    try:
        return onnxruntime.InferenceSession(weights, options, providers=providers), errors
    except errors as error:
        raise InvalidData(f"{path} cannot be loaded: {str(error)[:500]}") from None
