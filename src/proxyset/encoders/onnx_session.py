"""A session of ONNX Runtime: on the processor or, where it is asked for, on a GPU; what is in the file is looked at first."""

from __future__ import annotations

from typing import Any

from proxyset.encoders.onnx_file import refuse_external_data
from proxyset.errors import InvalidData, InvalidInput, needing

CPU = "cpu"
_SUFFIX = "ExecutionProvider"
_ELSEWHERE = "azure"  # sends items to other machines
_WHEELS = (
    "cuda and tensorrt come with the package onnxruntime-gpu, dml with onnxruntime-directml, openvino with onnxruntime-openvino, "
    "migraphx with onnxruntime-migraphx, coreml with onnxruntime on macOS; install one of them in the place of onnxruntime"
)


def providers() -> dict[str, str]:
    """The providers of the installed ONNX Runtime that compute on this machine: short name → ONNX Runtime's, {"cpu":
    "CPUExecutionProvider"}."""
    import onnxruntime

    names = {name.removesuffix(_SUFFIX).lower(): name for name in onnxruntime.get_available_providers()}
    return {short: name for short, name in names.items() if short != _ELSEWHERE}


def open_session(
    weights: bytes, path: object, threads: int | None = None, provider: str = CPU
) -> tuple[Any, tuple[type[Exception], ...]]:
    """A session of ONNX Runtime, and the errors that it raises, which have no common base but Exception.

    Args:
        weights: the model. What keeps its weights in other files is refused before ONNX Runtime sees it.
        path: where it is from, for errors.
        threads: as for `OnnxEncoder`.
        provider: of ONNX Runtime, as `providers` names it. Operators that it lacks run on the processor. What meets
            private records leaves it at "cpu".

    Raises:
        InvalidInput: there is no such provider here, or it does not start.
        InvalidData: it is damaged, malicious, or nothing that ONNX Runtime can load.
        MissingExtra: onnxruntime is not installed.
    """
    with needing("onnx", "ONNX models"):
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
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
    known = providers()
    wanted = known.get(provider)
    if wanted is None:
        raise InvalidInput(
            f"the installed ONNX Runtime has no provider {provider!r} on this machine; it has {', '.join(sorted(known))}. {_WHEELS}"
        )
    try:
        session = onnxruntime.InferenceSession(
            weights, options, providers=list(dict.fromkeys([wanted, known[CPU]]))
        )
    except errors as error:
        raise InvalidData(f"{path} cannot be loaded by {wanted}: {str(error)[:500]}") from None
    if (started := session.get_providers())[0] != wanted:  # ONNX Runtime goes on without it
        raise InvalidInput(
            f"ONNX Runtime has {wanted} and could not start it on this machine ({', '.join(started)} did): look at the driver "
            "and at the libraries that it needs, or ask for cpu"
        )
    return session, errors
