import copy

import pytest
import torch

from proxyset.train.average import Average
from proxyset.train.models import build_model


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_equals_the_slow_reference(decay):
    torch.manual_seed(0)
    model = build_model("cnn-4", 2, size=8).train()
    average = Average(model, decay)
    slow = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for step in range(30):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape))
        model(torch.rand(4, 3, 8, 8))  # moves the running statistics
        average.update(model, step)
        d = min(decay, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            slow[name] = d * slow[name] + (1 - d) * tensor if tensor.is_floating_point() else tensor.clone()
    for name, tensor in average.model.state_dict().items():
        assert torch.allclose(tensor, slow[name], atol=1e-5), name
    if decay == 0:
        assert all(
            torch.equal(a, b) for a, b in zip(average.model.parameters(), model.parameters(), strict=True)
        )


def test_the_model_itself_is_left_alone():
    model = build_model("cnn-4", 2, size=8)
    before = copy.deepcopy(model.state_dict())
    average = Average(model, 0.9)
    average.update(model, 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    assert not average.model.training
