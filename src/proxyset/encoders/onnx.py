"""Image features by any ONNX model: a folder with `model.onnx` and `encoder.json`.

`encoder.json` (`onnx_recipe.Recipe`) says how pixels become the model's input and which output is the
feature. It carries the features of one fixed picture, too, which are computed again whenever the folder is
loaded. The model runs on the processor or, where the pool's side asks for it, on a GPU.
"""

from __future__ import annotations

import os
from pathlib import Path

from proxyset.encoders import selftest
from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.images import PIPELINE
from proxyset.encoders.onnx_recipe import MODEL, read, read_recipe
from proxyset.encoders.onnx_session import CPU
from proxyset.encoders.picture_network import PictureNetwork
from proxyset.errors import InvalidData
from proxyset.fingerprint import fingerprint

LARGEST_MODEL = 2**31 - 1  # bytes; protobuf's own limit for one file


class OnnxEncoder(PictureNetwork):
    """Features by ONNX Runtime.

    Args:
        folder: holds `model.onnx`, one file without external data, and `encoder.json`.
        threads: of the model on the processor; None leaves it to ONNX Runtime, which takes all cores.
        provider: as for `onnx_session.open_session`; for public items alone.

    Raises:
        InvalidData: a file is missing, damaged, malicious or does not fit the other.
        InvalidInput: there is no such provider here, or it does not start.
        EncoderMismatch: this machine computes other features than the exporter did (see `selftest`).
        MissingExtra: onnxruntime is not installed.
    """

    kind = "image"

    def __init__(
        self, folder: str | os.PathLike[str], threads: int | None = None, provider: str = CPU
    ) -> None:
        self._threads, self.provider = threads, provider
        self.folder = Path(folder).absolute()
        self.recipe = recipe = read_recipe(self.folder)
        weights = read(self.folder / MODEL, LARGEST_MODEL)
        self._sha256 = fingerprint(weights)
        super().__init__(
            weights,
            self.folder / MODEL,
            recipe.input,
            recipe.output,
            recipe.pooling,
            recipe.dim,
            threads,
            provider,
        )
        tested = self.encode([selftest.picture()])
        if tested.problems:
            raise InvalidData(
                f"{self.folder}: the self-test's picture cannot be encoded: {tested.problems[0]}"
            )
        selftest.compare(tested.embeddings[0], recipe.self_test.expected, recipe.tolerance, str(self.folder))

    def __reduce__(self) -> tuple[type[OnnxEncoder], tuple[Path, int | None, str]]:
        """A session cannot travel to another process; the folder's name can."""
        return OnnxEncoder, (self.folder, self._threads, self.provider)

    @property
    def spec(self) -> EncoderSpec:
        params = self.recipe.model_dump(mode="json", exclude={"self_test", "origin", "dim"})
        return EncoderSpec(
            name="onnx",
            dim=self.recipe.dim,
            params=params | {"weights_sha256": self._sha256, "images": PIPELINE},
        )
