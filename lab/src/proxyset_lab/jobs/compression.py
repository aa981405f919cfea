"""Model compression: a teacher trained on the whole labelled pool is distilled, on what was picked, into a small student.

One teacher a private domain and seed, the same for all methods. Every student has the same initial weights, steps and
augmentation; only the items that it is taught on differ, and none of their labels is used. What stays at home ("local") is
taught on the client's own images, which the cloud could not do. Accuracy is of the client's held-out images in ONNX Runtime,
as the client would run it.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from proxyset.demo.splits import Rows
from proxyset.train.dataset import framing
from proxyset.train.distillation import Teaching, distil
from proxyset.train.export import about_images, export_onnx
from proxyset.train.latency import latency
from proxyset.train.loop import Run
from proxyset.train.models import Classifier, build_model, multiply_adds
from proxyset.train.onnx_model import OnnxModel
from proxyset.train.quantise import quantise
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised
from proxyset_lab.jobs.pixels import class_numbers, one_thread
from proxyset_lab.outcome import Costs, Outcome, measured
from proxyset_lab.task import Task

TEACHER, STUDENT = "cnn-24", "cnn-6"  # 12.6 times the multiply-adds at 32×32
TAUGHT = Settings(steps=500, batch_size=64, augment="weak")
LEARNS = Settings(steps=400, batch_size=64, augment="weak")
RULE = Teaching(temperature=4.0)
_RUN = Run(device="cpu")
_ROUNDS = 10


def compression_job(
    task: Task, rows: Rows, costs: Costs, weights: NDArray[np.float64] | None = None
) -> Outcome:
    """Distil on the picked rows, or on all, each by its weight: the teacher's answers cost nothing.

    The score is the int8 student's, which is what would be sent to a small device.
    """
    X = task.features.pixels()
    with one_thread(), torch.random.fork_rng(devices=[]):
        teacher = _teacher(task)
        student = _fresh(task, STUDENT)
        distil(
            student,
            OnnxModel.of(teacher, threads=1).teacher(),
            X[rows],
            replace(LEARNS, seed=task.group.seed),
            RULE,
            weights=weights,
            run=_RUN,
        )
        files = {"teacher": teacher, "float32": _exported(task, student)}
        files["int8"] = quantise(files["float32"], X[rows])
        scores = {name: _score(task, data) for name, data in files.items()}
        times = latency(files, X[rows[:1]].astype(np.float32) / np.float32(255), _ROUNDS)
        larger = multiply_adds(_fresh(task, TEACHER), student.shape) / multiply_adds(student, student.shape)
    details = {
        **{f"{name} accuracy": score for name, score in scores.items()},
        **{f"{name} bytes": float(len(data)) for name, data in files.items()},
        "multiply-adds saved, times": larger,
        **{f"{name} faster, times": times[name].ratio for name in ("float32", "int8")},
    }
    return measured(task, rows, scores["int8"], costs, details)


def _teacher(task: Task) -> bytes:
    """Trained once a group, on every label of the public pool."""
    path = task.work / "teacher.onnx"
    if not path.exists():
        y, _ = class_numbers(task)
        model = _fresh(task, TEACHER)
        settings = replace(TAUGHT, seed=task.group.seed)
        supervised(model, task.features.pixels()[task.pool], y[task.pool], settings, run=_RUN)
        path.write_bytes(_exported(task, model))
    return path.read_bytes()


def _fresh(task: Task, name: str) -> Classifier:
    _, classes = class_numbers(task)
    torch.manual_seed(task.group.seed)
    return build_model(name, len(classes), size=task.features.pixels().shape[-1])


def _exported(task: Task, model: Classifier) -> bytes:
    _, classes = class_numbers(task)
    with tempfile.TemporaryDirectory(dir=task.work) as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(model, path, about_images(classes.tolist(), framing(model.shape[-1])))
        return path.read_bytes()


def _score(task: Task, data: bytes) -> float:
    """The data set's metric on the client's held-out items."""
    model, test = OnnxModel.of(data, threads=1), task.split.test
    _, classes = class_numbers(task)
    X: NDArray[np.float32] = task.features.pixels()[test].astype(np.float32) / np.float32(255)
    return task.training.measure(classes, model.logits(X), task.y[test])
