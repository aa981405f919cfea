"""What is being built, seen from outside."""

from __future__ import annotations

import shutil

from proxyset.cloud.build import build_index
from proxyset.server.page.watched import look
from proxyset.train.metrics_file import MetricsFile


def test_an_index_at_every_stage(blobs):
    folder = blobs / "index"
    assert look(folder).kind == "nothing"
    build_index(blobs / "pool.npy", folder, clusters=6)
    whole = look(folder)
    assert (whole.kind, whole.finished, whole.problem) == ("index", True, "")
    assert [(stage.done, stage.total) for stage in whole.stages] == [(1, 1)] * 3
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").unlink()
    half = look(folder)
    assert not half.finished
    assert [stage.done for stage in half.stages] == [1, 0, 0]


def test_a_pool_that_is_gone_is_told(blobs):
    build_index(blobs / "pool.npy", blobs / "index", clusters=6)
    shutil.copytree(blobs / "index", blobs / "copy")
    plan = blobs / "copy" / "plan.json"
    plan.write_text(plan.read_text().replace("pool.npy", "gone.npy"))
    found = look(blobs / "copy")
    assert "gone.npy" in found.problem and found.stages[0].total is None
    plan.write_text("{")
    assert look(blobs / "copy").problem


def test_a_run(tmp_path):
    run = MetricsFile(tmp_path / "run", 20)
    run.log(10, {"loss": 2.0})
    run.log(15, {"loss": 1.0, "accuracy": 0.5})
    found = look(tmp_path / "run")
    assert (found.kind, found.steps, found.of, found.finished) == ("training", 15, 20, False)
    assert found.metrics == {"loss": [(10, 2.0), (15, 1.0)], "accuracy": [(15, 0.5)]}
    run.log(20, {"loss": 0.5})
    assert look(tmp_path / "run").finished
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 21, "val')
    assert "cannot be read" in look(tmp_path / "run").problem
