"""When a training has converged: by items that nobody trains on, and with the weights that were best there."""

import numpy as np
import pytest
import torch

from proxyset.train.loop import Fitted
from proxyset.train.models import build_model
from proxyset.wire.lineage import UNKNOWN
from proxyset_lab.jobs import stopping
from proxyset_lab.jobs.stopping import EVERY, MOST, PATIENCE, Stopping, converged


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("cnn-4", 2, size=16).eval()


def test_it_ends_once_the_loss_has_not_fallen_and_gives_the_best_weights_back(model, monkeypatch):
    losses = iter([0.9, 0.5, 0.6, 0.4, 0.5, 0.45, 0.7, 0.1])
    monkeypatch.setattr(stopping, "predict", lambda model, X: np.exp(-np.full((1, 1), next(losses))))
    stop = Stopping(np.zeros((1, 3, 16, 16), np.uint8), np.ones((1, 1)))
    told = []
    for done in range(1, 8 * EVERY + 1):
        with torch.no_grad():
            model.head.bias.fill_(done)
        told.append(stop(model, done))
        if told[-1]:
            break
    assert len(told) == (4 + PATIENCE) * EVERY and told.count(True) == 1
    stop.restore(model)
    assert model.head.bias[0] == 4 * EVERY  # where the loss was 0.4


@pytest.mark.parametrize(("count", "held"), [(19, 0), (20, 2), (1000, 100), (20000, MOST)])
def test_what_is_held_out_is_not_trained_on(count, held, model):
    X = np.zeros((count, 3, 16, 16), np.uint8)
    seen = []

    def train(places, run):
        seen.append(places)
        assert (run.stop is None) == (held == 0)
        return Fitted(model, torch.device("cpu"), 7, 0, 1, None, UNKNOWN)

    found = converged(X, np.ones((count, 2)) / 2, 3, train)
    assert found.steps == 7 and found.model is model
    assert len(set(seen[0])) == len(seen[0]) == count - held
    converged(X, np.ones((count, 2)) / 2, 4, train)
    assert (held == 0) == np.array_equal(*seen)  # chosen by the seed
