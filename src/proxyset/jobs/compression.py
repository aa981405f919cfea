"""Adaptive model compression: a large teacher, distilled on the proxy set into a student that fits the client's device.

The teacher is trained on the labeled public pool. What it knows of the client's kind of data, it teaches on the items that
the client's answers chose. The student leaves as ONNX in float32 and int8, each with a card, ready to be signed.

OUT/float32, OUT/int8    model.onnx and card.json, as `proxyset model sign` takes them
OUT/report.json, .md     what was measured
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.store import Place, check_new, new_folder, place
from proxyset.encoders.multiply_adds import graph_multiply_adds
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.fingerprint import fingerprint
from proxyset.jobs.packing import pack
from proxyset.jobs.training_set import codes, ratios, shared
from proxyset.sources import open_source
from proxyset.train import torch
from proxyset.train.dataset import Images, decode, framing, load
from proxyset.train.distillation import Teaching, distil
from proxyset.train.evaluate import wilson
from proxyset.train.export import about_images, export_onnx
from proxyset.train.family import Budget as Budget
from proxyset.train.family import Precision, largest_student, size_of
from proxyset.train.latency import Latency, latency
from proxyset.train.loop import Run
from proxyset.train.models import build_model
from proxyset.train.onnx_model import OnnxModel
from proxyset.train.quantise import quantise
from proxyset.train.settings import Settings
from proxyset.wire.files import Readable
from proxyset.wire.lineage import PRIVATE, Lineage
from proxyset.wire.model import CARD, MODEL, ModelCard

AUTO = "auto"
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
_LAST = (
    CARD,
    "report.json",
)  # nobody reads a student without its card, nor takes a folder without its report for done


class Measured(BaseModel):
    """One of the three models on one machine.

    Attributes:
        bytes: of the ONNX file.
        multiply_adds: of one image.
        microseconds: processor time of one image, one thread.
        faster: how many times as fast as the teacher, with the middle half of the rounds.
        agreement: share of the proxy items on which it says what the teacher says (training items, for a student).
        right, tested: of the labeled test items; None without any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    multiply_adds: int
    microseconds: float
    faster: tuple[float, float, float]
    agreement: float
    right: int | None = None
    tested: int | None = None


class Report(BaseModel):
    """What came of a compression.

    Attributes:
        student: its name, such as "cnn-8".
        precision: of the file that has to fit the budget.
        max_bytes, max_multiply_adds: the budget; None for none.
        items: that it was distilled on.
        settings: of training and distillation.
        lineage: what the student has seen of private data.
        models: "teacher", "float32" and "int8".
        notes: what makes a figure better than it is, in sentences.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: str = "proxyset.compression/2"
    student: str
    precision: Precision
    max_bytes: int | None
    max_multiply_adds: int | None
    items: int
    settings: dict[str, Any]
    lineage: Lineage
    models: dict[str, Measured]
    notes: tuple[str, ...] = ()


def compress(
    proxy: ProxySet,
    teacher: str | os.PathLike[str] | Place,
    out: str | os.PathLike[str] | Place,
    *,
    student: str = AUTO,
    budget: Budget | None = None,
    settings: Settings | None = None,
    rule: Teaching | None = None,
    test: str | os.PathLike[str] | None = None,
    weighted: bool = False,
    teacher_saw_private: bool = False,
    public_inputs: bool = False,
    licence: str = "",
    run: Run | None = None,
) -> Report:
    """Distil a teacher into a student on a proxy set of images.

    Args:
        proxy: the proxy set. Labels are not needed, unless `rule.label_weight` is above 0.
        teacher: an image classifier that proxyset exported: an ONNX file, or a folder with model.onnx (and card.json), here or
            on object storage.
        out: a new folder, or its URL on object storage, where report.json is put last.
        student: "auto" for the largest CNN within the budget, or a name as `models.build_model` takes it, which must fit.
        budget: what the student may weigh.
        settings, rule, run: as `distillation.distil` takes them.
        test: labeled public images to measure with; never the client's.
        weighted: each item counts by the density ratio that it was chosen by (`training_set.ratios`).
        teacher_saw_private: the teacher was trained on private items without a guarantee.
        public_inputs: the caller states that what says nothing of itself, such as a teacher from elsewhere, saw public data
            alone.
        licence: terms of the student's weights.

    Sensitivity:
        That of the releases behind the proxy set: everything here is post-processing of them and of public data.
    Unit:
        The releases'.
    Guarantee:
        That of the card's lineage: the releases behind the proxy set and those that the teacher has seen; none with
        `teacher_saw_private`, or where the teacher or its card says so, or does not say.
    Assumes:
        The teacher saw what its file and its card, or the caller, say.

    Raises:
        InvalidInput: no such teacher, no student that fits, or impossible settings.
        InvalidData: items or the teacher cannot be read.
        MissingExtra: torch, onnx or onnxruntime is not installed.
    """
    budget, rule, run = budget or Budget(), rule or Teaching(), run or Run()
    settings = settings or Settings()
    where = place(teacher)
    taught = OnnxModel.read(where)
    if taught.about.input != "image" or proxy.card.kind != "image":
        raise InvalidInput(
            f"distillation compresses classifiers of images; this teacher takes {taught.about.input} items and this proxy set "
            f"holds {proxy.card.kind} items"
        )
    classes, side = taught.about.classes, taught.shape[1]
    if taught.about.framing != framing(side).model_dump(mode="json"):
        raise InvalidInput(
            f"the teacher frames its images in another way than training does: {taught.about.framing}; export one that was trained "
            "by proxyset"
        )
    lineage = Lineage.union(
        [proxy.card.lineage, _of_teacher(taught, where), *([PRIVATE] if teacher_saw_private else [])]
    )
    lineage = lineage.vouch() if public_inputs else lineage
    name = _student(student, classes, side, budget, lineage)
    images = _proxy_images(proxy, side)
    labels = codes(images, classes, f"the proxy set {proxy.place}") if rule.label_weight else None
    weights = ratios(proxy, images.ids) if weighted else None
    tested = None if test is None else load(open_source(test, kind="image"), side)
    truth = None if tested is None else codes(tested, classes, str(test))
    notes = shared(images.pixels, tested.pixels, tested.ids, "proxy items") if tested else ()
    for note in notes:
        run.warn(note)
    made = place(out)
    check_new(made, _LAST[-1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = build_model(name, len(classes), taught.shape[0], side)
    run = replace(run, lineage=lineage)
    fitted = distil(
        model, taught.teacher(), images.pixels, settings, rule, labels=labels, weights=weights, run=run
    )
    lineage = fitted.lineage
    with tempfile.TemporaryDirectory() as scratch:
        about = about_images(classes, framing(side), lineage, taught.about.mixture)  # whose answers it gives
        export_onnx(model, Path(scratch) / MODEL, about)
        files = {"teacher": taught.data, "float32": (Path(scratch) / MODEL).read_bytes()}
    files["int8"] = quantise(files["float32"], images.pixels)
    _check_bytes(files[budget.precision], budget)
    counted = graph_multiply_adds(files["float32"])
    counts = {"teacher": graph_multiply_adds(taught.data), "float32": counted, "int8": counted}
    measured = _measured(files, counts, images, tested, truth)
    report = Report(
        student=name,
        precision=budget.precision,
        max_bytes=budget.max_bytes,
        max_multiply_adds=budget.max_multiply_adds,
        items=len(images.ids),
        settings=asdict(settings) | asdict(rule),
        lineage=lineage,
        models=measured,
        notes=notes,
    )
    with new_folder(made, *_LAST) as folder:  # not before: a run that is killed while it works leaves nothing
        for precision in PRECISIONS:
            (folder / precision).mkdir()
            pack(
                files[precision],
                folder / precision,
                name=f"{name}, {precision}",
                licence=licence,
                origin=f"distilled on the proxy set {proxy.card.index[:16]} of {len(images.ids)} items ({proxy.card.strategy})",
                multiply_adds=counted,
            )
        (folder / _LAST[-1]).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    return report


def markdown(report: Report) -> str:
    """The report for people."""
    lines = [
        f"# {report.student}, distilled on {report.items:,} proxy items",
        "",
        f"It saw {report.lineage.words()}.",
        "",
        "| model | bytes | multiply-adds | times as fast as the teacher | agrees with the teacher | accuracy |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in report.models.items():
        middle, low, high = found.faster
        accuracy = ""
        if found.tested:
            below, above = wilson(found.right or 0, found.tested)
            accuracy = f"{(found.right or 0) / found.tested:.1%} ({below:.1%} … {above:.1%})"
        lines.append(
            f"| {name} | {found.bytes:,} | {found.multiply_adds:,} | {middle:.2f} ({low:.2f} … {high:.2f}) | "
            f"{found.agreement:.1%} | {accuracy} |"
        )
    lines += [
        "",
        "Speed: one image, one thread, the models in turns; in brackets the middle half of the rounds. Agreement: on the proxy "
        "items themselves. Accuracy: on the test items, with its 95 % interval. How good it is on the client's own data, only the "
        "client can say: `proxyset client predict`.",
        *(f"\n**{note}**" for note in report.notes),
    ]
    return "\n".join(lines) + "\n"


def _student(student: str, classes: tuple[str, ...], side: int, budget: Budget, lineage: Lineage) -> str:
    if student == AUTO:
        return largest_student(classes, side, budget, lineage=lineage)
    if over := budget.exceeded_by(size_of(student, classes, side, budget.precision, lineage)):
        raise InvalidInput(f"{student} ({budget.precision}) has {over}: name a smaller one, or auto")
    return student


def _check_bytes(data: bytes, budget: Budget) -> None:
    if budget.max_bytes is not None and len(data) > budget.max_bytes:
        raise InvalidInput(
            f"the trained student has {len(data):,} bytes ({budget.precision}), more than the {budget.max_bytes:,} allowed, though "
            "it seemed to fit: allow a little more, or name a smaller student"
        )


def _of_teacher(taught: OnnxModel, place: Readable) -> Lineage:
    """What the teacher's file says, and its card where there is one."""
    if not place.is_dir() or not (place / CARD).is_file():
        return taught.about.lineage
    card = ModelCard.read(place)
    if card.sha256 != fingerprint(taught.data):
        raise ArtifactError(f"the card in {place} is that of another model: pack the teacher again")
    return Lineage.union([taught.about.lineage, card.lineage])


def _proxy_images(proxy: ProxySet, side: int) -> Images:
    labels = proxy.by_id("label")
    return decode(zip(labels, proxy.items(), labels.values(), strict=True), side)


def _measured(
    files: dict[str, bytes],
    counted: dict[str, int],
    images: Images,
    tested: Images | None,
    truth: NDArray[np.int64] | None,
) -> dict[str, Measured]:
    models = {name: OnnxModel.of(data, name) for name, data in files.items()}
    said = {name: model.predict(images.pixels) for name, model in models.items()}
    x = images.pixels[:1].astype(np.float32) / np.float32(255)
    times: dict[str, Latency] = latency(files, x)
    found = {}
    for name, model in models.items():
        right = None
        if tested is not None and truth is not None:
            right = int((model.predict(tested.pixels) == truth).sum())
        time = times[name]
        found[name] = Measured(
            bytes=len(files[name]),
            multiply_adds=counted[name],
            microseconds=1e6 * time.seconds,
            faster=(time.ratio, time.low, time.high),
            agreement=float((said[name] == said["teacher"]).mean()),
            right=right,
            tested=None if truth is None else len(truth),
        )
    return found
