"""Model compression: a teacher trained on the whole labelled pool is distilled, on what was picked, into a small student.

One teacher a private domain and seed, the same for all methods. Every student has the same initial weights, augmentation and
rule of when to stop (`stopping`; what is held out needs no label, the teacher says what is wanted); only the items that it is
taught on differ, and none of their labels is used. What stays at home ("local") is
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
from proxyset.encoders.multiply_adds import graph_multiply_adds
from proxyset.train.dataset import framing
from proxyset.train.distillation import Teaching, distil
from proxyset.train.evaluate import predict
from proxyset.train.export import about_images, export_onnx
from proxyset.train.latency import latency
from proxyset.train.loop import Fitted, Run
from proxyset.train.models import Classifier, build_model
from proxyset.train.onnx_model import OnnxModel
from proxyset.train.quantise import quantise
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised
from proxyset_lab.jobs.pixels import class_numbers, one_thread
from proxyset_lab.jobs.stopping import Converged, Places, converged
from proxyset_lab.outcome import Costs, Outcome, measured
from proxyset_lab.task import Task

TEACHER, STUDENT = "cnn-24", "cnn-6"  # 12.6 times the multiply-adds at 32×32
TAUGHT = Settings(steps=500, batch_size=64, augment="weak")
LEARNS = Settings(steps=400, batch_size=64, augment="weak")
RULE = Teaching(temperature=4.0)
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
        student, steps = _distilled(task, X[rows], OnnxModel.of(teacher, threads=1).teacher(), weights)
        files = {"teacher": teacher, "float32": _exported(task, student)}
        files["int8"] = quantise(files["float32"], X[rows])
        scores = {name: _score(task, data) for name, data in files.items()}
        times = latency(files, X[rows[:1]].astype(np.float32) / np.float32(255), _ROUNDS)
        larger = graph_multiply_adds(teacher) / graph_multiply_adds(files["float32"])
    details = {
        **{f"{name} accuracy": score for name, score in scores.items()},
        **{f"{name} bytes": float(len(data)) for name, data in files.items()},
        "multiply-adds saved, times": larger,
        "steps": float(steps),
        **{f"{name} faster, times": times[name].ratio for name in ("float32", "int8")},
    }
    return measured(task, rows, scores["int8"], costs, details)


def _distilled(
    task: Task, X: NDArray[np.uint8], teacher: Classifier, weights: NDArray[np.float64] | None
) -> Converged:
    """The student that has learnt what the teacher says of some images."""
    settings = replace(LEARNS, seed=task.group.seed)

    def train(places: Places, run: Run) -> Fitted:
        some = None if weights is None else weights[places]
        return distil(_fresh(task, STUDENT), teacher, X[places], settings, RULE, weights=some, run=run)

    return converged(X, predict(teacher.eval(), X), task.group.seed, train)


def _teacher(task: Task) -> bytes:
    """Trained once a group, on every label of the public pool."""
    path = task.work / "teacher.onnx"
    if not path.exists():
        numbers, classes = class_numbers(task)
        X, y = task.features.pixels()[task.pool], numbers[task.pool]
        settings = replace(TAUGHT, seed=task.group.seed)

        def train(places: Places, run: Run) -> Fitted:
            return supervised(_fresh(task, TEACHER), X[places], y[places], settings, run=run)

        found = converged(X, np.eye(len(classes))[y], task.group.seed, train)
        path.write_bytes(_exported(task, found.model))
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
