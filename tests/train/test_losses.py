import math

import numpy as np
import pytest
import torch

from proxyset.train import losses

SHAPES = [(1, 2), (3, 2), (5, 4), (17, 10)]
SCALES = [0.1, 3.0, 40.0]


def logits(shape, scale, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape) * scale)


def softmax(row, temperature=1.0):
    largest = max(row)
    powers = [math.exp((value - largest) / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def log_softmax(row, temperature=1.0):
    largest = max(row)
    total = math.log(sum(math.exp((value - largest) / temperature) for value in row))
    return [(value - largest) / temperature - total for value in row]


def targets(shape):
    return torch.from_numpy(np.random.default_rng(9).integers(0, shape[1], shape[0]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES)
def test_cross_entropy_equals_the_slow_reference(shape, scale):
    a, y = logits(shape, scale, 0), targets(shape)
    slow = -sum(log_softmax(row)[k] for row, k in zip(a.tolist(), y.tolist(), strict=True)) / shape[0]
    assert float(losses.cross_entropy(a, y)) == pytest.approx(slow, rel=1e-9)
    soft = logits(shape, 1.0, 5).softmax(dim=1)
    slow = (
        -sum(
            p * q
            for row, weights in zip(a.tolist(), soft.tolist(), strict=True)
            for p, q in zip(log_softmax(row), weights, strict=True)
        )
        / shape[0]
    )
    assert float(losses.cross_entropy(a, soft)) == pytest.approx(slow, rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("q", [0.1, 0.7, 1.0])
def test_generalised_cross_entropy_equals_the_slow_reference(shape, scale, q):
    a, y = logits(shape, scale, 1), targets(shape)
    slow = (
        sum((1 - softmax(row)[k] ** q) / q for row, k in zip(a.tolist(), y.tolist(), strict=True)) / shape[0]
    )
    assert float(losses.generalised_cross_entropy(a, y, q)) == pytest.approx(slow, rel=1e-9)


def test_generalised_cross_entropy_lies_between_cross_entropy_and_absolute_error():
    a, y = logits((20, 5), 2.0, 2), targets((20, 5))
    nearly = losses.generalised_cross_entropy(a, y, 1e-6)
    assert float(nearly) == pytest.approx(float(losses.cross_entropy(a, y)), rel=1e-4)
    p = a.softmax(dim=1)[torch.arange(20), y]
    assert float(losses.generalised_cross_entropy(a, y, 1.0)) == pytest.approx(float((1 - p).mean()))


def test_a_wrong_label_pulls_less_than_with_cross_entropy():
    a = torch.tensor([[20.0, 0.0]], requires_grad=True)
    losses.generalised_cross_entropy(a, torch.tensor([1])).backward()
    robust = a.grad.abs().max()
    a.grad = None
    losses.cross_entropy(a, torch.tensor([1])).backward()
    assert robust < 1e-3 * a.grad.abs().max()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.95, 1.01])
def test_consistency_equals_the_slow_reference(shape, scale, threshold):
    weak, strong = logits(shape, scale, 3), logits(shape, scale, 4)
    total = counted = 0.0
    for guess, hard in zip(weak.tolist(), strong.tolist(), strict=True):
        p = softmax(guess)
        if max(p) >= threshold:
            counted += 1
            total -= log_softmax(hard)[p.index(max(p))]
    loss, share = losses.consistency(weak, strong, threshold)
    assert float(loss) == pytest.approx(total / shape[0], rel=1e-9)
    assert float(share) == pytest.approx(counted / shape[0])


def test_no_gradient_flows_through_targets_and_teachers():
    known, free = logits((6, 3), 3.0, 5).requires_grad_(), logits((6, 3), 1.0, 6).requires_grad_()
    for loss in (
        losses.consistency(known, free, 0.3)[0],
        losses.distillation(free, known, 2.0),
        losses.similarity(free, known),
    ):
        loss.backward()
        assert known.grad is None
        assert free.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation_equals_the_slow_reference(shape, scale, temperature):
    student, teacher = logits(shape, scale, 7), logits(shape, scale, 8)
    total = 0.0
    for learned, taught in zip(student.tolist(), teacher.tolist(), strict=True):
        target = softmax(taught, temperature)
        for p, log_p, log_q in zip(
            target, log_softmax(taught, temperature), log_softmax(learned, temperature), strict=True
        ):
            total += p * (log_p - log_q)
    slow = temperature**2 * total / shape[0]
    assert float(losses.distillation(student, teacher, temperature)) == pytest.approx(
        slow, rel=1e-8, abs=1e-12
    )


@pytest.mark.parametrize("n", [1, 2, 9])
@pytest.mark.parametrize(("d", "D"), [(1, 4), (3, 3), (8, 2)])
def test_similarity_equals_the_slow_reference(n, d, D):
    student, teacher = logits((n, d), 2.0, 10), logits((n, D), 2.0, 11)

    def cosine(a, b):
        dot = sum(p * q for p, q in zip(a, b, strict=True))
        return dot / math.sqrt(sum(p * p for p in a) * sum(q * q for q in b))

    s, t = student.tolist(), teacher.tolist()
    slow = sum((cosine(s[i], s[j]) - cosine(t[i], t[j])) ** 2 for i in range(n) for j in range(n)) / n**2
    assert float(losses.similarity(student, teacher)) == pytest.approx(slow, rel=1e-9, abs=1e-15)


def test_huge_logits_stay_finite():
    a, y = torch.tensor([[1e4, -1e4]]), torch.tensor([1])
    for loss in (
        losses.cross_entropy(a, y),
        losses.generalised_cross_entropy(a, y),
        losses.distillation(a, -a, 1.0),
    ):
        assert torch.isfinite(loss)


def test_weights_count_as_repeated_items_do():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 3, generator=rng), torch.randn(4, 3, generator=rng)
    y, w = torch.tensor([0, 1, 2, 1]), torch.tensor([3.0, 1.0, 0.0, 2.0])
    rows = torch.tensor([0, 0, 0, 1, 3, 3])
    for loss, given in (
        (losses.cross_entropy, (a, y)),
        (losses.generalised_cross_entropy, (a, y)),
        (lambda *of, **more: losses.distillation(*of, 2.0, **more), (a, b)),
    ):
        repeated = loss(*(part[rows] for part in given))
        torch.testing.assert_close(loss(*given, weights=w / w.mean()), repeated)
        torch.testing.assert_close(loss(*given, weights=torch.ones(4)), loss(*given))
