import pytest

from proxyset.errors import InvalidInput, MissingExtra
from proxyset.train.device import choose_device, out_of_memory
from proxyset.train.loop import Run
from proxyset.train.models import build_model
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised
from proxyset.train.tracker import Lines, MLflow, TensorBoard


def train(tracker, bars):
    images, labels = bars(20)
    run = Run(device="cpu", tracker=tracker, log_every=4)
    supervised(build_model("cnn-4", 2, size=16), images, labels, Settings(steps=10, batch_size=8), run=run)


def test_lines(bars):
    told = []
    train(Lines(told.append), bars)
    assert [line.split()[1] for line in told] == ["4", "8", "10"]
    assert all("loss" in line and "accuracy" in line and "lr" in line for line in told)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's own
def test_tensorboard_reads_what_was_written(bars, tmp_path):
    pytest.importorskip("tensorboard")
    train(TensorBoard(tmp_path), bars)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("loss")] == [4, 8, 10]


def test_mlflow_keeps_a_run(bars, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    train(MLflow("bars"), bars)
    (found,) = mlflow.search_runs(output_format="list")
    assert found.data.metrics["loss"] > 0


def test_mlflow_is_an_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(MissingExtra, match="mlflow"):
        MLflow()


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta!"])
def test_a_device_that_is_not_there(name):
    with pytest.raises(InvalidInput, match="try 'auto'"):
        choose_device(name)


def test_which_errors_mean_that_memory_ran_out():
    assert choose_device("cpu").type == "cpu"
    assert out_of_memory(MemoryError())
    assert out_of_memory(
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    )
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
