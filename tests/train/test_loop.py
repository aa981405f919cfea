"""The loop: exact resume, memory that runs out, losses that are no numbers."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from proxyset.errors import ArtifactError, InvalidInput
from proxyset.train.checks import check_labels
from proxyset.train.distillation import Teaching, distil
from proxyset.train.fixmatch import Unlabeled, fixmatch
from proxyset.train.loop import CHECKPOINT, Run
from proxyset.train.models import Classifier, build_model
from proxyset.train.settings import Settings
from proxyset.train.supervised import supervised
from proxyset.wire.lineage import PRIVATE, PUBLIC, UNKNOWN

SHORT = Settings(steps=12, batch_size=8, seed=3)


class Stop(Exception):
    """The process dies here."""


def stop_at(step):
    def on_step(done, total):
        if done == step:
            raise Stop

    return on_step


def model(dropout=0.0, size=16):
    torch.manual_seed(0)
    made = build_model("cnn-4", 2, size=size)
    if dropout:
        made.head = nn.Sequential(nn.Dropout(dropout), made.head)
    return made


def weights(fitted):
    return {name: tensor.clone() for name, tensor in fitted.model.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


METHODS = {
    "supervised": lambda m, images, labels, s, run: supervised(m, images, labels, s, run=run),
    "robust": lambda m, images, labels, s, run: supervised(
        m, images, labels, s, loss="generalised-cross-entropy", run=run
    ),
    "fixmatch": lambda m, images, labels, s, run: fixmatch(
        m, images[:8], labels[:8], images, s, Unlabeled(2, 0.5, ramp=0.5), run=run
    ),
    "distil": lambda m, images, labels, s, run: distil(
        m, teacher(), images, s, Teaching(2.0, 0.3, 0.5), labels=labels, run=run
    ),
}


def teacher():
    torch.manual_seed(9)
    return build_model("cnn-8", 2, size=16)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_resumed_run_gives_the_same_weights_bit_for_bit(method, optimizer, bars, tmp_path):
    images, labels = bars(40)
    settings = dataclasses.replace(SHORT, optimizer=optimizer, lr=0.01)
    train = METHODS[method]
    dropout = 0.0 if method == "distil" else 0.5
    whole = train(model(dropout), images, labels, settings, Run(device="cpu"))

    def part(on_step=lambda done, total: None):
        torch.manual_seed(np.random.default_rng().integers(1 << 30))  # what happened before does not matter
        run = Run(tmp_path, "cpu", save_every=0, on_step=on_step)
        return train(model(dropout), images, labels, settings, run)

    for stop in (7, 11):
        with pytest.raises(Stop):
            part(stop_at(stop))
    resumed = part()
    assert resumed.resumed_at == 11
    assert equal(weights(whole), weights(resumed))
    again = part()
    assert again.resumed_at == settings.steps
    assert equal(weights(whole), weights(again))


def test_another_seed_gives_other_weights(bars):
    images, labels = bars(40)
    run = Run(device="cpu")
    one, other = (
        supervised(model(), images, labels, dataclasses.replace(SHORT, seed=seed), run=run) for seed in (3, 4)
    )
    assert not equal(weights(one), weights(other))


def test_training_leaves_the_global_generator_alone(bars):
    images, labels = bars(40)
    m = model()
    before = torch.get_rng_state()
    supervised(m, images, labels, SHORT, run=Run(device="cpu"))
    assert torch.equal(before, torch.get_rng_state())


def test_a_checkpoint_of_another_run_is_refused(bars, tmp_path):
    images, labels = bars(40)
    run = Run(tmp_path, "cpu")
    supervised(model(), images, labels, SHORT, run=run)
    for settings, y in [
        (dataclasses.replace(SHORT, lr=0.5), labels),
        (SHORT, 1 - labels),
    ]:
        with pytest.raises(InvalidInput, match="other settings, data, labels or another model"):
            supervised(model(), images, y, settings, run=run)
    with pytest.raises(InvalidInput, match="another model"):
        supervised(build_model("cnn-8", 2, size=16), images, labels, SHORT, run=run)


def test_a_checkpoint_keeps_what_its_weights_have_seen(bars, tmp_path):
    images, labels = bars(40)
    first = supervised(model(), images, labels, SHORT, run=Run(tmp_path, "cpu", lineage=PRIVATE))
    assert first.lineage == PRIVATE
    again = supervised(model(), images, labels, SHORT, run=Run(tmp_path, "cpu", lineage=PUBLIC))
    assert (again.resumed_at, again.lineage) == (SHORT.steps, PRIVATE)
    assert supervised(model(), images, labels, SHORT, run=Run(device="cpu")).lineage == UNKNOWN
    file = tmp_path / CHECKPOINT
    file.write_bytes(file.read_bytes().replace(b"private", b"privat3"))
    with pytest.raises(ArtifactError, match="lineage in"):
        supervised(model(), images, labels, SHORT, run=Run(tmp_path, "cpu"))


@pytest.mark.parametrize("damage", [b"", b"rubbish", lambda data: data[: len(data) // 2]])
def test_a_damaged_checkpoint_is_named(damage, bars, tmp_path):
    images, labels = bars(40)
    run = Run(tmp_path, "cpu")
    supervised(model(), images, labels, SHORT, run=run)
    file = tmp_path / CHECKPOINT
    file.write_bytes(damage(file.read_bytes()) if callable(damage) else damage)
    with pytest.raises(ArtifactError, match="delete it and train again"):
        supervised(model(), images, labels, SHORT, run=run)


class Limited(Classifier):
    """A model on a device that holds activations of so many items."""

    most = 3
    error: type[BaseException] = torch.OutOfMemoryError

    def features(self, x):
        if len(x) > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().features(x)


def limited(most, error):
    """Without batch normalisation, so that the parts' gradients add up to the whole batch's."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 5))
    made = Limited(body, nn.Linear(5, 2), torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1), (3, 16, 16))
    made.most, made.error = most, error
    return made


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_out_of_memory_halves_the_batch_says_so_and_keeps_the_gradient(error, bars, tmp_path):
    images, labels = bars(40)
    told = []
    run = Run(tmp_path, "cpu", warn=told.append)
    small = supervised(limited(3, error), images, labels, SHORT, run=run)
    assert small.parts == 4
    assert ["2 parts of at most 4" in line for line in told] == [True, False]
    assert "4 parts of at most 2" in told[1]
    large = supervised(limited(99, error), images, labels, SHORT, run=Run(device="cpu"))
    assert large.parts == 1
    for name, tensor in small.model.state_dict().items():
        assert torch.allclose(tensor, large.model.state_dict()[name], atol=2e-3), name
    assert supervised(limited(3, error), images, labels, SHORT, run=run).parts == 4  # remembered


def test_one_item_that_does_not_fit_is_an_error(bars):
    images, labels = bars(40)
    with pytest.raises(InvalidInput, match="out of memory with a single item"):
        supervised(limited(0, MemoryError), images, labels, SHORT, run=Run(device="cpu"))


def test_other_runtime_errors_are_not_swallowed(bars):
    images, labels = bars(40)
    wrong = limited(99, MemoryError)
    wrong.head = nn.Linear(7, 2)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        supervised(wrong, images, labels, SHORT, run=Run(device="cpu"))


def test_a_loss_that_is_no_number_is_an_error(bars):
    images, labels = bars(40)
    settings = dataclasses.replace(SHORT, optimizer="sgd", lr=1e18)
    with pytest.raises(InvalidInput, match=r"the loss became (nan|inf) at step \d+: lower the learning rate"):
        supervised(model(), images, labels, settings, run=Run(device="cpu"))


@pytest.mark.parametrize(
    ("items", "labels", "words"),
    [
        (np.zeros((0, 3, 8, 8), np.uint8), np.zeros(0, np.int64), "0 items"),
        (np.zeros((4, 3, 8, 8), np.uint8), np.zeros(4, np.int64), "all 4 labels are of class 0"),
        (np.zeros((4, 3, 8, 8), np.uint8), np.array([0, 1, -1, -1]), "2 of 4 rows have no label"),
        (np.zeros((4, 3, 8, 8), np.uint8), np.array([0, 1]), r"labels must be \(4,\)"),
        (np.zeros((4, 3, 8, 8)), np.array([0, 1, 0, 1]), "uint8 pixels"),
        (np.full((4, 3), np.nan, np.float32), np.array([0, 1, 0, 1]), "4 of 4 embeddings are not finite"),
    ],
)
def test_bad_items_and_labels(items, labels, words):
    with pytest.raises(InvalidInput, match=words):
        check_labels(items, labels)


@pytest.mark.parametrize(
    "values", [{"steps": 0}, {"batch_size": 0}, {"lr": 0}, {"lr": float("nan")}, {"ema": 1.0}, {"warmup": -1}]
)
def test_bad_settings(values):
    with pytest.raises(InvalidInput):
        Settings(**values)


def test_the_rate_rises_and_falls_as_a_cosine():
    settings = Settings(steps=100, lr=2.0, warmup=0.1)
    rates = [settings.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[9] == rates[10] == 2.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(1.0)
    assert 0 < rates[99] < 0.01


def test_a_training_ends_where_it_is_told_to(bars, tmp_path):
    items, labels = bars(40)
    seen = []

    def stop(averaged, done):
        assert not averaged.training
        seen.append(done)
        return done == 5

    fitted = supervised(model(), items, labels, SHORT, run=Run(device="cpu", stop=stop))
    assert fitted.steps == 5 and seen == [1, 2, 3, 4, 5]
    whole = supervised(
        model(), items, labels, SHORT, run=Run(device="cpu", stop=lambda averaged, done: False)
    )
    assert whole.steps == SHORT.steps
    assert equal(weights(whole), weights(supervised(model(), items, labels, SHORT, run=Run(device="cpu"))))
    with pytest.raises(InvalidInput, match="may stop early leaves no checkpoint"):
        supervised(model(), items, labels, SHORT, run=Run(folder=tmp_path, device="cpu", stop=stop))
