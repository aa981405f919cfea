"""What taking part costs a client with 1,000 images, against training on its own machine.

Import time, memory and bytes are measured; multiply-adds are counted from the layers: those of the encoder from its
graph, those of ResNet-18 (He et al., CVPR 2016, table 1) from its plan, a backward pass as two forward passes.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from proxyset.encoders.multiply_adds import graph_multiply_adds
from proxyset_lab.apart import measured, spent
from proxyset_lab.speed.encoding import pictures

_IMAGES, _CLUSTERS = 1000, 100
_RESNET18_PARAMETERS = 11_689_512


def cost_of_taking_part(encoder: Path) -> None:
    """Print a line for each cost, with an exported encoder."""
    encoder = encoder.resolve()
    with tempfile.TemporaryDirectory() as folder:
        answered = _answered(encoder, Path(folder))
    ours = _IMAGES * (graph_multiply_adds((encoder / "model.onnx").read_bytes()) + answered["vote"])
    epoch = 3 * _IMAGES * resnet18_multiply_adds()
    _print("import of the client", f"{_import_seconds():.2f} core-seconds")
    for extra, also in (("onnx", ()), ("onnx", ("torch",))):
        name = f"install, proxyset[{extra}]" + "".join(f" and {package}" for package in also)
        _print(name, f"{_installed('proxyset', extra, also) / 2**20:,.0f} MiB")
    _print("weights of the encoder", f"{(encoder / 'model.onnx').stat().st_size / 2**20:.1f} MiB")
    _print("peak memory of an answer", f"{answered['mib']:,.0f} MiB")
    _print("core-seconds of an answer", f"{answered['core_seconds']:.1f}")
    _print("multiply-adds of an answer", f"{ours / 1e9:,.0f} G")
    _print(
        "one epoch of fine-tuning ResNet-18",
        f"{epoch / 1e9:,.0f} G multiply-adds, {epoch / ours:.1f} × an answer",
    )
    _print("bytes of an answer", f"{answered['probe']:,.0f} down, {answered['release']:,.0f} up")
    model = 4 * _RESNET18_PARAMETERS
    moved = answered["probe"] + answered["release"]
    _print(
        "one FedAvg round of ResNet-18",
        f"{model:,} bytes down, {model:,} up, {2 * model / moved:,.0f} × an answer; multiply-adds of one epoch at least",
    )


def _answered(encoder: Path, folder: Path) -> dict[str, float]:
    """Index a small pool, then answer its probe with 1,000 images in a process of its own."""
    from proxyset.cloud.build import build_index

    for name, count in (("pool", 2 * _CLUSTERS), ("private", _IMAGES)):
        (folder / name).mkdir()
        for number, data in enumerate(pictures(count, 256)):
            (folder / name / f"{number:04d}.jpg").write_bytes(data)
    index = build_index(folder / "pool", folder / "index", encoder=f"onnx:{encoder}", clusters=_CLUSTERS)
    probe = index.probe(dtype="float16")
    (folder / "probe").write_bytes(probe.to_bytes())
    found = measured(answer_step, folder, encoder)
    projected = 0 if probe.projection is None else probe.projection.size
    return found | {
        "probe": len(probe.to_bytes()),
        "vote": probe.centroids.size + projected,
    }


def answer_step(folder: str, encoder: str) -> dict[str, float]:
    """The answer, in a process of its own."""
    from proxyset.client.answer import answer

    def work() -> None:
        release = answer(
            f"{folder}/probe",
            f"{folder}/private",
            epsilon=0.58,
            ledger=f"{folder}/ledger",
            encoder=f"onnx:{encoder}",
        )
        sent.append(len(release.to_bytes()))

    sent: list[int] = []
    return spent(work) | {"release": sent[0]}


def resnet18_multiply_adds(side: int = 224) -> int:
    """Multiply-adds of one image of `side` × `side` pixels through ResNet-18."""
    total, size, width = 64 * 3 * 49 * (side // 2) ** 2, side // 4, 64
    for stage, out in enumerate((64, 128, 256, 512)):
        size = size if stage == 0 else size // 2
        first = width * out * 9 + (0 if stage == 0 else width * out)  # with the shortcut's 1 × 1
        total += (first + 3 * out * out * 9) * size**2
        width = out
    return total + 512 * 1000


def _import_seconds() -> float:
    """Core-seconds of the client's imports, without the start of Python: median of five."""

    def seconds(code: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    client = "import proxyset.client.answer, proxyset.transport.http"
    return statistics.median(seconds(client) - seconds("pass") for _ in range(5))


def _installed(package: str, extra: str, also: tuple[str, ...] = ()) -> int:
    """Bytes of the files of a package, its dependencies and theirs."""
    from packaging.requirements import Requirement

    waiting, seen = [(package, extra), *((name, "") for name in also)], set[str]()
    total = 0
    while waiting:
        name, wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", name).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        total += sum(size for file in found.files or [] if (size := _size(Path(str(file.locate())))))
        for line in found.requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": wanted}):
                waiting.append((needed.name, next(iter(needed.extras), "")))
    return total


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _print(what: str, value: str) -> None:
    sys.stdout.write(f"{what:40s} {value}\n")
    sys.stdout.flush()
