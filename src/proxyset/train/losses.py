"""The losses: what a batch of logits is compared with. Each is a mean over the batch, differentiable, and stable for large
logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Mean of −log p(target).

    Args:
        logits: (n, K) float.
        targets: (n,) int64 classes, or (n, K) probabilities (soft labels).
        weights: (n,) factors of the items; None for 1.
    """
    if weights is None:
        return functional.cross_entropy(logits, targets)
    return (weights * functional.cross_entropy(logits, targets, reduction="none")).mean()


def generalised_cross_entropy(
    logits: Tensor, targets: Tensor, q: float = 0.7, *, weights: Tensor | None = None
) -> Tensor:
    """Mean of (1 − p(target)^q) / q: between cross-entropy (q → 0) and mean absolute error (q = 1), so that a wrong label
    cannot pull without bound.

    Source: Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
    NeurIPS 2018, equation 6.

    Args:
        logits: (n, K) float.
        targets: (n,) int64.
        q: in (0, 1].
        weights: (n,) factors of the items; None for 1.
    """
    log_p = functional.log_softmax(logits, dim=1).gather(1, targets[:, None]).squeeze(1)
    values = -torch.expm1(q * log_p) / q
    return (values if weights is None else weights * values).mean()


def consistency(weak: Tensor, strong: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """FixMatch on unlabeled items: the class that the model is sure of under weak augmentation is the target under strong.

    Source: Sohn et al., "FixMatch", NeurIPS 2020, equation 4. No gradient flows through the targets.

    Args:
        weak, strong: (n, K) logits of the same items.
        threshold: least probability of a class that counts.

    Returns:
        The mean over all n (an unsure item adds 0), and the share of items that counted.
    """
    sureness, classes = weak.detach().softmax(dim=1).max(dim=1)
    counted = (sureness >= threshold).to(strong.dtype)
    losses = functional.cross_entropy(strong, classes, reduction="none")
    return (losses * counted).mean(), counted.mean()


def distillation(
    student: Tensor, teacher: Tensor, temperature: float, *, weights: Tensor | None = None
) -> Tensor:
    """T² · KL(teacher ‖ student) of the distributions softened by T, so that gradients keep their size as T varies.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2.

    Args:
        student, teacher: (n, K) logits; none flows back into the teacher.
        temperature: T > 0.
        weights: (n,) factors of the items; None for 1.
    """
    softened = functional.log_softmax(student / temperature, dim=1)
    target = functional.log_softmax(teacher.detach() / temperature, dim=1)
    if weights is None:
        return temperature**2 * functional.kl_div(softened, target, reduction="batchmean", log_target=True)
    each = functional.kl_div(softened, target, reduction="none", log_target=True).sum(dim=1)
    return temperature**2 * (weights * each).mean()


def similarity(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference between the pairwise cosines of two sets of features, which may differ in dimension.

    After Tung and Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019 (there with rows of the inner products
    normalised, here the features).

    Args:
        student: (n, d) features.
        teacher: (n, D) features of the same items; none flows back into the teacher.
    """
    own, other = functional.normalize(student, dim=1), functional.normalize(teacher.detach(), dim=1)
    return functional.mse_loss(own @ own.T, other @ other.T)
