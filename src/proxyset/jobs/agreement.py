"""How far annotators agree: Krippendorff's alpha for any number of them, Cohen's kappa for each pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from proxyset.jobs.labels import Answer, votes


@dataclass(frozen=True)
class Pair:
    """Two annotators on the items that both labeled.

    Attributes:
        one, other: the annotators, in alphabetical order.
        items: labeled by both.
        observed: share of them with the same label.
        kappa: Cohen's (1960); None where chance alone gives full agreement (both used one class only).
    """

    one: str
    other: str
    items: int
    observed: float
    kappa: float | None


@dataclass(frozen=True)
class Agreement:
    """Annotators on the items that two or more of them labeled.

    Attributes:
        items: such items.
        disagreed: ids of those with different labels.
        alpha: Krippendorff's (1970) for nominal data, 1 is full agreement, 0 is chance; None where nothing can be told
            (no such item, or one class only).
        pairs: each two annotators who share an item.
    """

    items: int
    disagreed: tuple[str, ...]
    alpha: float | None
    pairs: tuple[Pair, ...]


def agreement(answers: Iterable[Answer]) -> Agreement:
    """Agreement of annotators, whoever labeled which items.

    Raises:
        InvalidData: one annotator with two labels for an item.
    """
    shared = {item: labels for item, labels in votes(answers).items() if len(labels) > 1}
    names = sorted({name for labels in shared.values() for name in labels})
    pairs = []
    for one, other in combinations(names, 2):
        both = [
            (labels[one], labels[other]) for labels in shared.values() if one in labels and other in labels
        ]
        if both:
            observed = sum(a == b for a, b in both) / len(both)
            pairs.append(Pair(one, other, len(both), observed, cohen_kappa(both)))
    return Agreement(
        items=len(shared),
        disagreed=tuple(item for item, labels in shared.items() if len(set(labels.values())) > 1),
        alpha=krippendorff_alpha([list(labels.values()) for labels in shared.values()]),
        pairs=tuple(pairs),
    )


def cohen_kappa(pairs: list[tuple[str, str]]) -> float | None:
    """Cohen's kappa of (label by one, label by the other); None where it is 0/0."""
    n = len(pairs)
    one, other = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    by_chance = sum(one[label] * other[label] for label in one)
    return (
        None if by_chance == n * n else (n * sum(a == b for a, b in pairs) - by_chance) / (n * n - by_chance)
    )


def krippendorff_alpha(units: Iterable[list[str]]) -> float | None:
    """Krippendorff's alpha for nominal data; a unit is the labels of one item, those with one label do not count.

    1 − D_o/D_e with D_o = Σ_u Σ_{a≠b∈u} 1/(m_u − 1) over ordered pairs, D_e = Σ_{c≠k} n_c n_k/(n − 1). None where D_e is 0.
    """
    total: Counter[str] = Counter()
    observed = 0.0
    for labels in units:
        m = len(labels)
        if m > 1:
            counts = Counter(labels)
            total += counts
            observed += (m * m - sum(number**2 for number in counts.values())) / (m - 1)
    n = total.total()
    expected = n * n - sum(number**2 for number in total.values())
    return None if expected == 0 else 1 - (n - 1) * observed / expected
