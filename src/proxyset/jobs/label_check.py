"""Labels without a server: a sheet to fill in, the filled sheet checked, and what looks wrong in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from proxyset import atomic
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import InvalidInput
from proxyset.jobs.label_files import in_form, origin_of, read_labels, write_labels
from proxyset.jobs.label_studio.exported import is_export, read_export
from proxyset.jobs.labels import Answer, LabelSet, match_labels
from proxyset.jobs.suspicious import suspicious


@dataclass(frozen=True)
class SuspectItem:
    """A label that looks wrong.

    Attributes:
        id: of the item.
        label: what the annotators said.
        suggested: what the other labels make a model say.
        confidence: the probability that the model gives to `label`, 0 to 1.
    """

    id: str
    label: str
    suggested: str
    confidence: float


def suspects_of(
    labels: LabelSet, proxy: ProxySet, index: str | os.PathLike[str]
) -> tuple[list[SuspectItem], int]:
    """The labels that look wrong by the embeddings of the index, the worst first, and how many could not be judged.

    Raises:
        InvalidInput: the proxy set was drawn from another index.
        ArtifactError: the index is damaged.
        MissingExtra: cleanlab is not installed.
    """
    opened = Index.open(index)
    if opened.fingerprint != proxy.card.index:
        raise InvalidInput(f"{proxy.place} was not drawn from {index}: give the index it was drawn from")
    suspects, alone = suspicious(opened.embeddings(labels.ids), labels.codes)
    names = labels.labels
    found = [
        SuspectItem(labels.ids[s.row], names[s.row], labels.classes[s.suggested], s.confidence)
        for s in suspects
    ]
    return found, len(alone)


def write_sheet(proxy: ProxySet, out: str | os.PathLike[str], first: int | None = None) -> int:
    """Write a table to fill in, best items first: id, what there is to see (file, text or the row), and an empty label.

    Returns:
        How many rows.

    Raises:
        InvalidInput: a suffix that no file of labels has.
        FileExistsError: `out` is already there; somebody may have filled it in.
    """
    path = Path(out)
    if path.exists():
        raise FileExistsError(f"{path} already exists; choose another name or remove it")
    records = []
    for row, item in islice(zip(proxy.selection().to_pylist(), proxy.items(), strict=True), first):
        records.append({"id": row["id"], "label": "", **_shown(proxy, row, item), "hash": row["hash"]})
    names = list(dict.fromkeys(name for record in records for name in record))
    atomic.write_bytes(path, in_form(records, names, path))
    return len(records)


def import_labels(
    sheet: str | os.PathLike[str],
    proxy: ProxySet,
    out: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
) -> LabelSet:
    """Read a filled sheet or a JSON export of Label Studio, check it against its proxy set, and write it as a file of labels.
    Where the labels come from, if the sheet says so, goes along.

    Raises:
        InvalidData: it cannot be read, or is not about this proxy set (see `match_labels`).
        InvalidInput: a suffix that is not known.
    """
    answers = read_export(sheet) if is_export(sheet) else read_labels(sheet)
    origin = origin_of(sheet)
    found = match_labels(answers, proxy, classes=classes)
    hashes = proxy.by_id("hash")
    write_labels(
        [
            Answer(answer.id, answer.label, answer.annotator, hashes[answer.id])
            for answer in answers
            if answer.label and answer.id in hashes
        ],
        out,
        origin,
    )
    return found


def _shown(proxy: ProxySet, row: dict[str, Any], item: Any) -> dict[str, Any]:
    if proxy.card.kind == "image":
        return {"file": f"{proxy.place}/items/{row['file']}"}
    if proxy.card.kind == "text":
        return {"text": item}
    if proxy.card.kind == "table":
        values: dict[str, Any] = item.to_pylist()[0]
        return {
            name: value for name, value in values.items() if name not in ("id", "label", "annotator", "hash")
        }
    return {"uri": row["uri"]} if row["uri"] else {}
