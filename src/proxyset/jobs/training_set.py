"""From a proxy set and its labels to arrays that a training takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet
from proxyset.cloud.select.density_ratio import DensityRatio
from proxyset.cloud.store import in_store, place
from proxyset.encoders import Encoder, load_encoder
from proxyset.errors import InvalidData, InvalidInput
from proxyset.jobs.label_files import origin_of, read_labels
from proxyset.jobs.labels import Answer, LabelSet, check_classes, listed, match_labels
from proxyset.sources import Source, open_source
from proxyset.sources.remote import is_url
from proxyset.train.dataset import Images, decode, load
from proxyset.wire.lineage import PUBLIC, UNKNOWN, Lineage

_ENCODERS = {"embedding": "embeddings", "text": "wordllama", "table": "tabular"}


@dataclass(frozen=True)
class TrainingSet:
    """Labeled items.

    Attributes:
        items: (n, 3, S, S) uint8 pixels, or (n, d) float32 embeddings.
        labels: (n,) int64, positions in `classes`.
        classes: (K,) names.
        ids: (n,) names of the items, unique in their source.
        encoder: that made the embeddings; None for pixels.
        proxy: the proxy set, None for a plain folder.
        lineage: what items and labels have seen of private data.
        notes: what was left out, in sentences.
        weights: (n,) what each item counts in the loss; None for all alike.
    """

    items: NDArray[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    encoder: Encoder | None = None
    proxy: ProxySet | None = None
    lineage: Lineage = UNKNOWN
    notes: tuple[str, ...] = ()
    weights: NDArray[np.float64] | None = None


def read_training_set(
    path: str | os.PathLike[str],
    labels: Path | None = None,
    *,
    classes: Sequence[str] | None = None,
    size: int = 32,
    public_inputs: bool = False,
    encoder: Encoder | None = None,
    index: Index | None = None,
    weighted: bool = False,
) -> TrainingSet:
    """Read a proxy set, or any labeled images (a folder of folders, Parquet with a column `label`, WebDataset).

    Args:
        path: PROXY, or labeled images.
        labels: a file of labels for a proxy set (`label_files.read_labels`); None takes those that the pool came with.
        classes: the class list; None takes the labels that occur, sorted.
        size: pixels that an image is scaled to.
        public_inputs: the caller states that what says nothing of itself (plain images, labels by hand) is public; else what it
            has seen is unknown.
        encoder: takes the items' features, for a head on it. None takes the pixels of images, and the features of all else by an
            encoder that needs no files.
        weighted: each item counts by the density ratio that it was chosen by (`ratios`).
        index: that a proxy set was drawn from, made with `encoder`: its embeddings are taken instead of encoding again.

    Raises:
        InvalidInput: an encoder for other items, an index of another proxy set or without its encoder, or weights of a set that
            has none.
        InvalidData: no labels, one class only, an unknown class, labels of another project or of other items with the same
            ids, or too many corrupt images.
        ArtifactError: the proxy set is damaged, or the labels were changed since their lineage was written.
    """
    if classes is not None:
        classes = check_classes(classes)
    if proxy := _proxy_set(path):
        _check_features(proxy, encoder, index)
        if encoder is None and proxy.card.kind != "image":
            encoder = _encoder(proxy)
        found = _of_proxy_set(proxy, labels, classes, size, public_inputs, encoder, index)
        return replace(found, weights=ratios(proxy, found.ids)) if weighted else found
    if weighted:
        raise InvalidInput(f"{path} is not a proxy set, so its items have no weights")
    if index is not None:
        raise InvalidInput(f"{path} is not a proxy set, so it has no rows in the index {index.folder}")
    if labels is not None:
        raise InvalidInput(
            f"{path} is not a proxy set, so {labels} has nothing to refer to: labels of plain images are their folders' names"
        )
    source = open_source(path)
    if source.kind != "image":
        raise InvalidInput(
            f"{path} is no proxy set and holds {source.kind} items: only labeled images work here"
        )
    if encoder is not None:
        ids, X, names = _embedded(source, encoder)
        known, numbers = _codes(ids, names, classes, str(path))
        return TrainingSet(X, numbers, known, tuple(ids), encoder, lineage=_unstated(public_inputs))
    images = load(source, size)
    known, numbers = _codes(images.ids, images.labels, classes, str(path))
    lineage = _unstated(public_inputs)
    return TrainingSet(images.pixels, numbers, known, images.ids, lineage=lineage, notes=left_out(images))


def ratios(proxy: ProxySet, ids: Sequence[str]) -> NDArray[np.float64]:
    """(n,) density ratios of client to pool of some items of a proxy set, the largest 1.

    Where labels cost nothing, a set can be the whole pool: each item counts as often as the owner has its like.

    Raises:
        InvalidInput: the set was chosen by a strategy whose scores are no log density ratios.
    """
    if proxy.card.strategy != DensityRatio.name:
        raise InvalidInput(
            f"{proxy.place} was chosen by {proxy.card.strategy}, whose scores are no density ratios: choose with "
            f"{DensityRatio.name}, or train without weights"
        )
    score = proxy.by_id("score")
    logs = np.array([score[item] for item in ids], np.float64)
    found: NDArray[np.float64] = np.exp(logs - logs.max(initial=-np.inf))
    return found


def read_test_set(path: str, like: TrainingSet, size: int = 32) -> TrainingSet:
    """Read labeled items to measure on, as the training set's items are: by its encoder, whatever the test's own would be.

    Raises:
        InvalidData: items of another kind, without labels, or of a class that the model does not know.
    """
    if proxy := _proxy_set(path):
        wanted = "image" if like.encoder is None else like.encoder.kind
        if proxy.card.kind != wanted:
            raise InvalidData(f"{path} holds {proxy.card.kind} items; the model takes {wanted} items")
        return _of_proxy_set(proxy, None, like.classes, size, False, like.encoder)
    source = open_source(path)
    if like.encoder is None:
        images = load(source, size)
        of_images = codes(images, like.classes, path)
        return TrainingSet(images.pixels, of_images, like.classes, images.ids, notes=left_out(images))
    ids, X, names = _embedded(source, like.encoder)
    _, numbers = _codes(ids, names, like.classes, path)
    return TrainingSet(X, numbers, like.classes, tuple(ids), like.encoder)


def read_unlabeled(path: str, size: int = 32, *, public_inputs: bool = False) -> Images:
    """Read images for FixMatch: the pool, or a proxy set, such as a wider one drawn from the same release.

    Raises:
        InvalidData: no images, or too many that cannot be decoded.
        InvalidInput: items of another kind.
    """
    proxy = _proxy_set(path)
    images = load(open_source(proxy.folder / "items" if proxy else path), size)
    return replace(images, lineage=proxy.card.lineage if proxy else _unstated(public_inputs))


def _proxy_set(path: str | os.PathLike[str]) -> ProxySet | None:
    """The proxy set that lies there; None where something else does, such as a pool."""
    if is_url(path) and not in_store(path):
        return None  # nobody writes a proxy set to a web server
    return ProxySet.open(path) if (place(path) / "card.json").is_file() else None


def _unstated(public: bool) -> Lineage:
    """Of an input that says nothing of itself."""
    return UNKNOWN.vouch() if public else UNKNOWN


def _check_features(proxy: ProxySet, encoder: Encoder | None, index: Index | None) -> None:
    kind = proxy.card.kind
    if encoder is not None and encoder.kind != kind:
        raise InvalidInput(
            f"the encoder {encoder.spec.name} takes {encoder.kind} items; {proxy.place} holds {kind} items"
        )
    if index is None:
        return
    made = index.manifest.encoder
    if encoder is None or encoder.spec.fingerprint != made.fingerprint:
        raise InvalidInput(
            f"embeddings of {index.folder} need its own encoder, {made.name}, to measure and to export with"
        )
    if index.fingerprint != proxy.card.index:
        raise InvalidInput(
            f"{proxy.place} was drawn from the index {proxy.card.index}; {index.folder} is {index.fingerprint}"
        )


def _of_proxy_set(
    proxy: ProxySet,
    file: Path | None,
    classes: Sequence[str] | None,
    size: int,
    public: bool,
    encoder: Encoder | None,
    index: Index | None = None,
) -> TrainingSet:
    """The labels that a pool came with are as public as the pool; those in a file say themselves what they saw."""
    origin = origin_of(file) if file else None
    of_labels = origin.lineage if origin else _unstated(public) if file else PUBLIC
    lineage = Lineage.union([proxy.card.lineage, of_labels])
    matched = match_labels(read_labels(file) if file else _own_labels(proxy), proxy, classes=classes)
    notes = _unlabeled(matched, len(proxy.selection()))
    if index is not None:
        X = index.embeddings(matched.ids)
        return TrainingSet(X, matched.codes, matched.classes, matched.ids, encoder, proxy, lineage, notes)
    if encoder is None:
        chosen = set(matched.rows.tolist())
        items = ((row, item) for row, item in enumerate(proxy.items()) if row in chosen)
        images = decode(
            ((name, item, None) for name, (_, item) in zip(matched.ids, items, strict=True)), size
        )
        of_images = matched.codes[images.rows]
        return TrainingSet(
            images.pixels,
            of_images,
            matched.classes,
            images.ids,
            None,
            proxy,
            lineage,
            notes + left_out(images),
        )
    X = encoder.encode(_items(proxy)).whole(str(proxy.place))[matched.rows]
    return TrainingSet(X, matched.codes, matched.classes, matched.ids, encoder, proxy, lineage, notes)


def _own_labels(proxy: ProxySet) -> list[Answer]:
    """The labels that the pool came with."""
    labels = proxy.by_id("label")
    if not any(labels.values()):
        raise InvalidData(
            f"the pool of {proxy.place} has no labels: have its items labeled and give the file (labels)"
        )
    return [Answer(item, label or "") for item, label in labels.items()]


def _encoder(proxy: ProxySet) -> Encoder:
    """As the pool was encoded where that needs no files; a table's statistics are those of the proxy set, which is public."""
    kind = proxy.card.kind
    files = {"embedding": "embeddings.npy", "text": "items.jsonl", "table": "items.parquet"}
    source = open_source(proxy.folder / "items" / files[kind], kind=kind)
    return load_encoder(_ENCODERS[kind], source=source)


def _items(proxy: ProxySet) -> Any:
    items = list(proxy.items())
    if proxy.card.kind == "table":
        import pyarrow as pa

        return pa.concat_tables(items)
    return np.stack(items) if proxy.card.kind == "embedding" else items


def _embedded(source: Source, encoder: Encoder) -> tuple[list[str], NDArray[np.float32], list[str | None]]:
    ids: list[str] = []
    labels: list[str | None] = []
    parts = []
    for shard in source.shards():
        for batch in source.read(shard):
            parts.append(encoder.encode(batch.items).whole(source.path, batch.ids))
            ids += batch.ids
            labels += batch.columns.get("label") or [None] * len(batch.ids)
    return ids, np.concatenate(parts), labels


def codes(images: Images, classes: Sequence[str], where: str) -> NDArray[np.int64]:
    """(n,) labels as a model of these classes numbers them.

    Raises:
        InvalidData: an image without a label, or of a class that the model does not know.
    """
    return _codes(images.ids, images.labels, classes, where)[1]


def _codes(
    ids: Sequence[str], labels: Sequence[str | None], classes: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if missing := [name for name, label in zip(ids, labels, strict=True) if not label]:
        raise InvalidData(
            f"{len(missing)} of {len(ids)} items of {where} have no label{listed(missing)}: label them or leave them out"
        )
    found = sorted({label for label in labels if label})
    known = tuple(classes or found)
    if unknown := [label for label in found if label not in known]:
        raise InvalidData(
            f"{where} has {len(unknown)} classes that the model does not know{listed(unknown)}; it knows {', '.join(known)}"
        )
    number = {label: code for code, label in enumerate(known)}
    return known, np.array([number[str(label)] for label in labels], np.int64)


def _unlabeled(matched: LabelSet, items: int) -> tuple[str, ...]:
    notes = []
    if matched.unlabeled:
        notes.append(
            f"{len(matched.unlabeled)} of {items} items have no label and were left out{listed(matched.unlabeled)}"
        )
    if matched.ties:
        notes.append(f"{len(matched.ties)} items have a tie and were left out{listed(matched.ties)}")
    if matched.elsewhere:
        notes.append(f"{len(matched.elsewhere)} labels are of items outside this proxy set")
    return tuple(notes)


def left_out(images: Images) -> tuple[str, ...]:
    """A sentence about images that could not be decoded; nothing when there are none."""
    if not images.problems:
        return ()
    listed = "; ".join(f"{name}: {reason}" for name, reason in images.problems.items())
    return (f"{len(images.problems)} images cannot be decoded and were left out: {listed}",)


def shared(
    items: NDArray[Any], test: NDArray[Any], ids: Sequence[str], of: str = "training items"
) -> tuple[str, ...]:
    """A sentence about test items that are among the items trained on, pixel for pixel or number for number; else nothing.

    Args:
        items, test: (n, …) and (m, …), prepared in the same way.
        ids: (m,) names of the test items.
        of: what `items` are called.
    """
    known = {item.tobytes() for item in items}
    found = [name for name, item in zip(ids, test, strict=True) if item.tobytes() in known]
    if not found:
        return ()
    return (
        f"{len(found)} of {len(test)} test items are among the {of}{listed(found)}, so the accuracy is too good: leave them out "
        "of one of the two",
    )
