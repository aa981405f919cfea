"""A model fitted at home: the class shares of the owner's own items, and what they change in its predictions.

A model gives p(k | x) for the class shares w of its training set. Where an owner's shares π differ and each class looks as it did,
p(k | x) · π_k / w_k, renormalised, is right. π is found on unlabelled items by expectation maximisation (Saerens, Latinne and
Decaestecker 2002), which believes the probabilities. They are wrong where a model is too sure of itself or the owner's items look
otherwise, and then an owner without any skew seems to have one. So two estimates have to agree, which err in different ways:

* `_believing`: a few steps of expectation maximisation. What the scores tell well is found in a step or two; what they hardly tell,
  and an error of the model drives farthest, takes many.
* `_explaining`: a mean over explanations of the scores, weighed by how well each fits their shape (`_Shape`): a model too sure or
  not sure enough, shares near to w or far from it, no skew at all.

A class is moved where both move it the same way, by the geometric mean of both. What is applied is a part of it, `strength`:
D² / (D² + c²), where D = KL(π ‖ w) is how far off the shares seem to be, and c = `_EVIDENCE` + (K − 1) / n how far they may seem
to be for little reason. It is less where D is many times as far as the mean prediction is from w (`_visible`). All constants were
chosen on data that no reported figure is of (`proxyset-lab adapt`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from proxyset.errors import InvalidInput

# of the scores: a model may be too sure of itself, or not sure enough
_SLOPES = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
_SLOPE_SPREAD = 0.5  # standard deviation of log slope, before any item is seen
_PULLS = (0.05, 0.3)  # items' worth of the training set's mixture that the prior is, for each of the owner's
_NO_SKEW = 0.03  # probability that there is no skew, before any item is seen
_BELIEF = 0.6  # of the likelihood: classes are not quite Gaussian
_TIED = 0.3  # of the biases that would explain the scores without any skew
_EVIDENCE = 0.1  # nats of KL(π ‖ w) at which half of the correction is applied to many items
_AMPLIFIED = 8.0  # times the distance of the mean prediction: farther than that, shares are believed the less
_EVEN = 0.1  # of the covariance that is taken to be alike in all directions
_ALIKE = 1e-6  # nats between which all scores of a class tell nothing
_FARTHEST = 15.0  # nats below an item's best class: lower scores tell no more
_STEPS, _STILL = 25, 1e-4  # of expectation maximisation: at most, and the change of a share that ends it
_BELIEVED_STEPS, _BELIEVED_PULL = 6, 0.1  # of the estimate that believes the scores
_DIRECTIONS = 64  # of the scores, those in which they differ most: more would cost time and tell little
_LEAST = 1e-4  # share below which a class is not pushed further down
_LOWEST = -700.0  # log-probability that stands for none at all: exp of it is still a number

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """What a model needs to fit an owner's own mixture. It is private: it was made of private items.

    Attributes:
        prior: (K,) the owner's class shares, as estimated or stated; they add up to 1.
        training: (K,) those of the training set.
        offsets: (K,) what is added to log-probabilities before they are normalised again; 0 for a class that the training set
            has none of.
        strength: how much of the correction that is, in [0, 1]; 1 for shares that were stated.
        items: how many the estimate is from; 0 for shares that were stated.
    """

    prior: Array
    training: Array
    offsets: Array
    strength: float
    items: int

    def apply(self, log_probabilities: ArrayLike) -> Array:
        """The model's log-probabilities of any items, as they are for this owner's mixture.

        Args:
            log_probabilities: (n, K), as `adapt_to_client` takes them.

        Returns:
            (n, K) float64, normalised.

        Raises:
            InvalidInput: as `adapt_to_client`.
        """
        found = _checked(log_probabilities, len(self.prior)) + self.offsets
        normalised: Array = found - _log_sum(found)
        return normalised


def adapt_to_client(log_probabilities: ArrayLike, class_shares: ArrayLike) -> Fitted:
    """Estimate the class shares of an owner's items, without labels, and fit the model to them.

    Args:
        log_probabilities: (n, K) the model's log p(k | x) of the owner's items; −inf for none. Rows are normalised, so logits do
            as well. With n = 0 nothing changes.
        class_shares: (K,) of the training set, as the loss weighted them; counts do as well.

    Returns:
        Shares (`prior`) and the correction (`apply`). The order of items changes nothing; that of classes changes theirs alone.

    Sensitivity:
        Unbounded: shares are a function of all private items.
    Unit:
        None.
    Guarantee:
        None: the result is as private as the items, and stays with them.
    Assumes:
        Classes look as they do in the training set, and differ in how many there are. What breaks that is held back, not undone.

    Raises:
        InvalidInput: a score that is NaN or +∞, an item without any possible class, shapes that do not fit, or shares that are
            negative, not finite or all zero.
    """
    w = _shares(class_shares, "class shares of the training set")
    scores = _checked(log_probabilities, len(w))
    prior, offsets = _estimate(scores, w)
    apart = max(0.0, float(prior @ _log_ratio(prior, w)))
    doubt = _EVIDENCE + (len(w) - 1) / max(len(scores), 1)
    strength = _visible(scores, w, apart) * apart**2 / (apart**2 + doubt**2)
    return Fitted(prior, w, strength * offsets, strength, len(scores))


def state_shares(shares: ArrayLike, class_shares: ArrayLike) -> Fitted:
    """The correction for shares that the owner knows and states: all of it is applied.

    Args:
        shares: (K,) the owner's; counts do as well.
        class_shares: as `adapt_to_client`.

    Sensitivity:
        Unbounded.
    Unit:
        None.
    Guarantee:
        None: the result is as private as the shares.
    Assumes:
        As `adapt_to_client`.

    Raises:
        InvalidInput: as `adapt_to_client`.
    """
    w, prior = _shares(class_shares, "class shares of the training set"), _shares(shares, "class shares")
    if len(prior) != len(w):
        raise InvalidInput(f"there are {len(prior)} class shares; the model has {len(w)} classes")
    return Fitted(prior, w, _log_ratio(prior, w), 1.0, 0)


def _estimate(scores: Array, w: Array) -> tuple[Array, Array]:
    """(K,) the shares and (K,) the correction of scores: what two estimates agree upon."""
    known = w > 0
    prior, offsets = w.copy(), np.zeros_like(w)
    if len(scores) == 0 or known.sum() < 2:
        return prior, offsets
    Z = np.maximum(scores[:, known] - scores[:, known].max(axis=1, keepdims=True), -_FARTHEST)
    if np.ptp(Z - Z.mean(axis=1, keepdims=True), axis=0).max() < _ALIKE:
        return prior, offsets
    v = w[known]
    one, other = (found - v @ found for found in (_believing(Z, v), _explaining(Z, v)))
    agreed = np.where(one * other > 0, np.sign(one) * np.sqrt(np.abs(one * other)), 0.0)
    shares = v * np.exp(agreed - agreed.max())
    prior[known], offsets[known] = shares * v.sum() / shares.sum(), agreed
    return prior, offsets


def _visible(scores: Array, w: Array, apart: float) -> float:
    """In [0, 1]: how much of a skew of `apart` nats the mean prediction shows; 0 for less than two items.

    Of a model that tells classes apart the mean prediction is nearly as far from w as the shares are: where these seem
    `_AMPLIFIED` times as far, an error was multiplied.
    """
    if len(scores) < 2 or apart <= 0:
        return 0.0
    known = w > 0
    mean = np.exp(scores[:, known] - _log_sum(scores[:, known])).mean(axis=0)
    return min(1.0, _AMPLIFIED * max(0.0, float(mean @ np.log(np.maximum(mean, 1e-300) / w[known]))) / apart)


def _believing(Z: Array, w: Array) -> Array:
    """(K,) the log-ratio of shares after a few steps of expectation maximisation, with a Dirichlet prior around w."""
    likelihoods = np.exp(Z - np.log(w))  # Z is within `_FARTHEST` of 0, and rows may have any scale
    shares = w
    for _ in range(_BELIEVED_STEPS):
        joint = likelihoods * shares
        found = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0) + _BELIEVED_PULL * w
        shares = found / found.sum()
    return _log_ratio(shares, w)


def _explaining(Z: Array, w: Array) -> Array:
    """(K,) the correction as a mean over what could explain the items, by how well it does.

    An explanation is a slope t of the scores (below 1 for a model that is too sure of itself) and a pull of the prior; one more for
    each t says that there is no skew at all. Each is fitted by expectation maximisation, and weighed by its likelihood.
    """
    shape = _Shape(Z - Z.mean(axis=1, keepdims=True), w)
    found = []
    for t in _SLOPES:
        doubt = -0.5 * (np.log(t) / _SLOPE_SPREAD) ** 2
        for pull in (*_PULLS, np.inf):
            shares, fit = shape.explain(t, pull)
            odds = doubt + np.log(_NO_SKEW if np.isinf(pull) else (1 - _NO_SKEW) / len(_PULLS))
            found.append((_BELIEF * len(Z) * fit + odds, _log_ratio(shares, w) / t))
    logs = np.array([log for log, _ in found])
    weights = np.exp(logs - logs.max())
    correction: Array = weights / weights.sum() @ np.array([ratio for _, ratio in found])
    return correction


class _Shape:
    """Gaussian classes of one covariance Σ in the space of scores z, tied to the model's own answers.

    If softmax(t z + b) is right for shares w, the classes are N(m + t Σ e_k, Σ) with b_k = log w_k − t m_k − t² Σ_kk / 2. So for
    given t and shares π the items' mean and covariance C give m and Σ: Σ + t² Σ (diag π − π πᵀ) Σ = C, solved in the eigenbasis of
    C^½ (diag π − π πᵀ) C^½.
    """

    def __init__(self, Z: Array, w: Array) -> None:
        n, K = Z.shape
        self.Z, self.w, self.mean = Z, w, Z.mean(axis=0)
        C = (Z - self.mean).T @ (Z - self.mean) / n
        even = np.eye(K) - 1 / K
        C = (1 - _EVEN) * C + _EVEN * (np.trace(C) / (K - 1) + 1e-12) * even
        values, vectors = np.linalg.eigh(C)
        # scores of an item add up to 0: the first one is 0
        values, vectors = values[1:][-_DIRECTIONS:], vectors[:, 1:][:, -_DIRECTIONS:]
        self.root, self.white = vectors * np.sqrt(values), (Z - self.mean) @ (vectors / np.sqrt(values))

    def explain(self, t: float, pull: float) -> tuple[Array, float]:
        """Shares under a Dirichlet prior around w of `pull` · n items (∞: w itself), and the items' mean log-likelihood."""
        n = len(self.Z)
        w, shares = self.w, self.w
        for _ in range(_STEPS):
            inner, basis, centres, bias = self._tied(t, shares)
            if np.isinf(pull):
                break
            joint = t * self.Z + _TIED * bias + np.log(shares) - np.log(w)
            joint = np.exp(joint - joint.max(axis=1, keepdims=True))
            found = (joint / joint.sum(axis=1, keepdims=True)).sum(axis=0) + pull * n * w
            found = np.maximum(found / found.sum(), 1e-12)
            moved, shares = float(np.abs(found - shares).max()), found / found.sum()
            if moved < _STILL:
                break
        precision = (basis / inner) @ basis.T
        scores = self.white @ precision @ centres.T - 0.5 * np.einsum(
            "kd,de,ke->k", centres, precision, centres
        )
        scores += np.log(shares)
        far = 0.5 * np.einsum("nd,de,ne->n", self.white, precision, self.white)
        fit = float((_log_sum(scores)[:, 0] - far).mean() - 0.5 * np.log(inner).sum())
        return shares, fit

    def _tied(self, t: float, shares: Array) -> tuple[Array, Array, Array, Array]:
        """Eigenvalues and -vectors of Σ and (K, d) class centres, both in the basis where C is 1; and (K,) the biases b."""
        root = self.root
        spread = (root.T * shares) @ root - np.outer(root.T @ shares, root.T @ shares)
        values, basis = np.linalg.eigh(t * t * spread)
        values = np.maximum(values, 1e-12)
        inner = 2 / (1 + np.sqrt(1 + 4 * values))
        centres = t * (root - shares @ root) @ (basis * inner) @ basis.T
        corners = root @ basis * np.sqrt(inner)
        spreads = np.einsum("kd,kd->k", corners, corners)
        bias = np.log(self.w) - t * (self.mean - t * corners @ (corners.T @ shares)) - 0.5 * t * t * spreads
        return inner, basis, centres, bias - self.w @ bias


def _log_ratio(prior: Array, w: Array) -> Array:
    """(K,) log(prior / w), no lower than for a share of `_LEAST`; 0 where w is 0, of which the model can know nothing."""
    known = w > 0
    ratio = np.zeros_like(w)
    ratio[known] = np.log(np.maximum(prior[known], np.minimum(_LEAST, w[known]))) - np.log(w[known])
    return ratio


def _checked(log_probabilities: ArrayLike, classes: int) -> Array:
    """(n, K) normalised and finite. Raises InvalidInput as `adapt_to_client`."""
    try:
        scores = np.array(log_probabilities, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"log-probabilities must be numbers, one row an item: {error}") from None
    if scores.size == 0 and scores.ndim <= 1:
        scores = scores.reshape(0, classes)
    if scores.ndim != 2 or scores.shape[1] != classes:
        raise InvalidInput(
            f"log-probabilities must have one row an item and one column for each of {classes} classes; their "
            f"shape is {scores.shape}"
        )
    wrong = np.isnan(scores).any(axis=1) | np.isposinf(scores).any(axis=1)
    if wrong.any():
        raise InvalidInput(
            f"{int(wrong.sum()):,} of {len(scores):,} items have a log-probability that is NaN or +∞, the first in row "
            f"{int(wrong.argmax())}: leave out items that the model could not score"
        )
    nothing = np.isneginf(scores).all(axis=1)
    if nothing.any():
        raise InvalidInput(
            f"{int(nothing.sum()):,} of {len(scores):,} items have no possible class (all −∞), the first in row "
            f"{int(nothing.argmax())}"
        )
    scores -= scores.max(axis=1, keepdims=True, initial=-np.inf)
    scores -= _log_sum(scores)
    return np.maximum(scores, _LOWEST)


def _log_sum(scores: Array) -> Array:
    """(n, 1) log Σ exp of each row."""
    most = scores.max(axis=1, keepdims=True)
    total: Array = most + np.log(np.exp(scores - most).sum(axis=1, keepdims=True))
    return total


def _shares(given: ArrayLike, what: str) -> Array:
    try:
        shares = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{what} must be numbers: {error}") from None
    if shares.ndim != 1 or len(shares) == 0:
        raise InvalidInput(f"{what} must be one number a class; their shape is {shares.shape}")
    if not np.isfinite(shares).all() or (shares < 0).any() or not shares.any():
        raise InvalidInput(
            f"{what} must be finite, not negative and not all zero; they are {shares[:20].tolist()}"
        )
    shares /= shares.max()
    total: Array = shares / shares.sum()
    return total
