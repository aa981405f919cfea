"""A classifier that `export` wrote, read back: to measure it, or to let it teach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from proxyset.encoders.onnx import LARGEST_MODEL
from proxyset.encoders.onnx_session import open_session
from proxyset.errors import InvalidData, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.train.export import SCHEMA, About
from proxyset.train.models import Classifier
from proxyset.wire.files import Readable

MODEL = "model.onnx"


@dataclass(frozen=True)
class OnnxModel:
    """An exported classifier in ONNX Runtime, on the processor.

    Attributes:
        about: what the file says of itself.
        data: the file.
        shape: of one input, (C, S, S) or (d,).
        session: of ONNX Runtime.
    """

    about: About
    data: bytes
    shape: tuple[int, ...]
    session: Any

    @classmethod
    def read(cls, path: Readable, threads: int | None = None) -> OnnxModel:
        """Read an exported file, or the model.onnx of a folder, here or on object storage.

        Raises:
            InvalidInput: there is none. InvalidData: it is damaged, or no classifier that proxyset exported.
            MissingExtra: onnxruntime is not installed.
        """
        file = path / MODEL if path.is_dir() else path
        try:
            if file.stat().st_size > LARGEST_MODEL:
                raise InvalidData(f"{file} has more than the {LARGEST_MODEL} bytes accepted")
            return cls.of(file.read_bytes(), file, threads)
        except OSError as error:
            raise InvalidInput(f"cannot read the model {file}: {error.strerror or error}") from None

    @classmethod
    def of(cls, data: bytes, path: object = MODEL, threads: int | None = None) -> OnnxModel:
        """The classifier in these bytes; `path` is for errors, which are those of `read`."""
        session, _ = open_session(data, path, threads)
        text = session.get_modelmeta().custom_metadata_map.get("proxyset", "")
        inputs = session.get_inputs()
        try:
            about = About.from_json(text)
            shape = tuple(int(side) for side in inputs[0].shape[1:])
        except (ValueError, TypeError, KeyError):
            about, shape = None, ()
        if about is None or about.schema != SCHEMA or len(inputs) != 1:
            raise InvalidData(
                f"{path} is no classifier that proxyset exported: its metadata does not say which classes it has. A "
                "checkpoint has to be exported first"
            )
        return cls(about, data, shape, session)

    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, K) logits of float32 input (n, *shape); images lie in [0, 1]."""
        found: NDArray[np.float32] = self.session.run(["logits"], {self.session.get_inputs()[0].name: x})[0]
        return found

    def predict(self, items: NDArray[Any], size: int = 256) -> NDArray[np.int64]:
        """(n,) classes of (n, 3, S, S) uint8 pixels or (n, d) float32 embeddings."""
        scale = np.float32(255 if items.dtype == np.uint8 else 1)
        parts = [
            self.logits(items[start : start + size].astype(np.float32) / scale).argmax(axis=1)
            for start in range(0, len(items), size)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def teacher(self) -> Classifier:
        """The same model as a teacher for `distillation.distil`, which then runs in ONNX Runtime.

        Its features are its logits.
        """
        neutral = torch.zeros(1, *(1 for _ in self.shape))
        return Classifier(_Runs(self), nn.Identity(), neutral, neutral + 1, self.shape)


class _Runs(nn.Module):
    """Logits by ONNX Runtime; without gradients. The buffer lets a checkpoint tell two teachers apart."""

    sha256: Tensor

    def __init__(self, model: OnnxModel) -> None:
        super().__init__()
        self.model = model
        digest = bytearray.fromhex(fingerprint(model.data))
        self.register_buffer("sha256", torch.frombuffer(digest, dtype=torch.uint8).clone())

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.model.logits(x.detach().float().cpu().numpy())).to(x.device)
