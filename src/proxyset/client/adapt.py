"""A model fitted at home: the class shares of the owner's own items, and what they change in its predictions.

A model gives p(k | x) for the class shares w of its training set. Where an owner's shares π differ and each class looks as it did,
p(k | x) · π_k / w_k, renormalised, is right. π is found on unlabelled items by expectation maximisation (Saerens, Latinne and
Decaestecker 2002), which believes the probabilities; but they are wrong where the owner's items look otherwise, and then an owner
without any skew seems to have one. So two things hold it back: a Dirichlet prior, which pulls π to w as hard as `_PRIOR` times the
items would, and `strength`: the log-odds move by D / (D + `_EVIDENCE`) of log(π / w), where D = KL(π ‖ w) is how far off the shares
seem to be. Both constants were chosen on data that no reported figure is of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from proxyset.errors import InvalidInput

_PRIOR = 0.3  # records of the training set's mixture that the prior is worth, for each of the owner's
_EVIDENCE = 0.1  # nats of KL(π ‖ w) at which half of the correction is applied
_STEPS, _STILL = 500, 1e-7  # of expectation maximisation: at most, and the change of a share that ends it
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
        strength: how much of log(prior / training) that is, in [0, 1]; 1 for shares that were stated.
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
    prior = _estimate(scores, w)
    ratio = _log_ratio(prior, w)
    apart = float(prior @ ratio)
    strength = apart / (apart + _EVIDENCE) if apart > 0 else 0.0
    return Fitted(prior, w, strength * ratio, strength, len(scores))


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


def _estimate(scores: Array, w: Array) -> Array:
    """(K,) the most probable shares under a Dirichlet prior around w, by expectation maximisation from w."""
    known = w > 0
    if len(scores) == 0 or known.sum() < 2:
        return w
    likelihood = np.exp(scores[:, known] - scores[:, known].max(axis=1, keepdims=True)) / w[known]
    pull = _PRIOR * len(scores) * w[known]
    prior = w[known]
    for _ in range(_STEPS):
        joint = likelihood * prior
        found = (joint / joint.sum(axis=1, keepdims=True)).sum(axis=0) + pull
        found /= found.sum()
        moved, prior = float(np.abs(found - prior).max()), found
        if moved < _STILL:
            break
    full = np.zeros_like(w)
    full[known] = prior
    return full


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
