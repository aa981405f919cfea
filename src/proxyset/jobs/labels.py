"""Labels of a proxy set: who said what about which item, matched with the items they are about."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import InvalidData, InvalidInput

_NAMED = 5  # items that a message names


@dataclass(frozen=True)
class Answer:
    """What one annotator said about one item.

    Attributes:
        id: of the item, as in selection.parquet.
        label: a class; empty means that the annotator said nothing.
        annotator: who said it; may be empty where there is only one.
        hash: SHA-256 of the item, where the file knows it: labels of another pool with the same ids are then found out.
    """

    id: str
    label: str
    annotator: str = ""
    hash: str = ""


@dataclass(frozen=True)
class LabelSet:
    """The labels of a proxy set, one an item, in order of rank.

    Attributes:
        ids: (n,) of the labeled items.
        rows: (n,) int64, their rows in selection.parquet (= their ranks).
        codes: (n,) int64, positions in `classes`.
        classes: the class list, in the order given, else sorted.
        unlabeled: ids that nobody labeled, in order of rank.
        ties: ids whose annotators disagree without a majority: left out, for a person to decide.
        elsewhere: labeled ids that are not in this proxy set (it may be a smaller one of the same pool).
    """

    ids: tuple[str, ...]
    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    classes: tuple[str, ...]
    unlabeled: tuple[str, ...]
    ties: tuple[str, ...]
    elsewhere: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> tuple[str, ...]:
        """(n,) the label of each labeled item."""
        return tuple(self.classes[code] for code in self.codes)

    @property
    def counts(self) -> dict[str, int]:
        """Labeled items of each class; a class without any has 0."""
        found = np.bincount(self.codes, minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))


def match_labels(
    answers: Iterable[Answer],
    proxy: ProxySet,
    *,
    classes: Sequence[str] | None = None,
    complete: bool = False,
) -> LabelSet:
    """Match answers with the items of a proxy set; several annotators of one item decide by majority.

    Args:
        answers: as read from a file or pulled from Label Studio; at most one an item and annotator, or equal ones.
        proxy: the proxy set that was labeled.
        classes: the class list; None takes the labels that occur, sorted.
        complete: an item without a label is an error.

    Raises:
        InvalidData: labels of another project, an unknown class, one annotator with two labels for an item, no label at
            all, only one class, or (with `complete`) items without a label.
    """
    given = [answer for answer in answers if answer.label]
    hashes = proxy.by_id("hash")
    order = list(hashes)
    _refuse_other_project(given, hashes, proxy)
    known = _classes(given, classes)
    by_item = votes(given)
    decided = {item: _majority(labels.values()) for item, labels in by_item.items()}
    ties = tuple(item for item in order if item in decided and decided[item] is None)
    unlabeled = tuple(item for item in order if item not in decided)
    rows = [row for row, item in enumerate(order) if decided.get(item) is not None]
    code = {name: number for number, name in enumerate(known)}
    codes = [code[str(decided[order[row]])] for row in rows]
    if complete and (unlabeled or ties):
        raise InvalidData(
            f"{len(unlabeled)} of {len(order)} items have no label{listed(unlabeled)} and {len(ties)} have a tie"
            f"{listed(ties)}: label them, or train on those that have one"
        )
    if len(set(codes)) < 2:
        raise InvalidData(_too_few(codes, known, len(order), len(ties)))
    inside = set(order)
    return LabelSet(
        ids=tuple(order[row] for row in rows),
        rows=np.array(rows, np.int64),
        codes=np.array(codes, np.int64),
        classes=known,
        unlabeled=unlabeled,
        ties=ties,
        elsewhere=tuple(item for item in by_item if item not in inside),
    )


def _refuse_other_project(answers: Sequence[Answer], hashes: dict[str, str], proxy: ProxySet) -> None:
    items = {answer.id for answer in answers}
    here = [item for item in items if item in hashes]
    changed = sorted(
        {answer.id for answer in answers if answer.hash and hashes.get(answer.id, answer.hash) != answer.hash}
    )
    if items and not here:
        raise InvalidData(
            f"none of the {len(items)} labeled ids{listed(sorted(items))} is in {proxy.place}: these are labels of "
            "another project; give the proxy set that was labeled"
        )
    if changed:
        raise InvalidData(
            f"{len(changed)} of {len(items)} labels{listed(changed)} were given to items with the same id but other "
            f"content than in {proxy.place}: these are labels of another project"
        )
    if 2 * len(here) < len(items):
        raise InvalidData(
            f"only {len(here)} of the {len(items)} labeled ids are in {proxy.place}: these are probably labels of "
            "another project; if not, remove the rows of other items"
        )


def _classes(answers: Sequence[Answer], classes: Sequence[str] | None) -> tuple[str, ...]:
    found = Counter(answer.label for answer in answers)
    if classes is None:
        return tuple(sorted(found))
    known = check_classes(classes)
    if unknown := [label for label in sorted(found) if label not in known]:
        near = {label: get_close_matches(label, known, 1) for label in unknown[:_NAMED]}
        listed = ", ".join(
            f"{label!r} ({found[label]} times{f'; did you mean {match[0]!r}?' if match else ''})"
            for label, match in near.items()
        )
        raise InvalidData(
            f"{len(unknown)} labels are not in the class list: {listed}"
            f"{', …' if len(unknown) > _NAMED else ''}. The classes are {', '.join(known)}: correct the labels or "
            "the list"
        )
    return known


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """A class list, stripped of blanks around the names.

    Raises:
        InvalidInput: fewer than two names, an empty one, or one twice.
    """
    names = tuple(name.strip() for name in classes)
    if len(names) < 2 or not all(names):
        raise InvalidInput(f"a class list needs at least two names and no empty one, not {list(names)}")
    if twice := [name for name, number in Counter(names).items() if number > 1]:
        raise InvalidInput(f"the class list names {', '.join(map(repr, twice))} more than once")
    return names


def votes(answers: Iterable[Answer]) -> dict[str, dict[str, str]]:
    """Item → annotator → label, without the answers that say nothing.

    Raises:
        InvalidData: one annotator with two labels for an item.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    twice = {}
    for answer in answers:
        if answer.label:
            before = found[answer.id].setdefault(answer.annotator, answer.label)
            if before != answer.label:
                twice[answer.id] = (answer.annotator or "nobody named", before, answer.label)
    if twice:
        item, (annotator, one, other) = next(iter(twice.items()))
        raise InvalidData(
            f"{len(twice)} items have two labels by the same annotator, such as {item!r}: {one!r} and {other!r} by "
            f"{annotator}. Keep one row of each, or name the annotators in a column `annotator`"
        )
    return dict(found)


def _majority(labels: Iterable[str]) -> str | None:
    ranked = Counter(labels).most_common(2)
    tied = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    return None if tied else ranked[0][0]


def _too_few(codes: Sequence[int], classes: Sequence[str], items: int, ties: int) -> str:
    if not codes:
        rest = f" ({ties} have a tie between annotators)" if ties else ""
        return f"none of the {items} items has a label{rest}: label some, then run this again"
    return (
        f"all {len(codes)} labeled items have the same class, {classes[codes[0]]!r}: there is nothing to tell apart. "
        "Label more, or check that the right column was read"
    )


def listed(names: Sequence[str]) -> str:
    """The first names, in brackets; nothing where there is none."""
    shown = ", ".join(map(repr, names[:_NAMED]))
    return f" ({shown}{', …' if len(names) > _NAMED else ''})" if names else ""
