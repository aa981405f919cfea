"""Labels as files: CSV, JSON and JSON lines with `id`, `label` and, where known, `annotator` and `hash`.

Labels that data owners gave have FILE.lineage.json beside them: what they have seen of private data, and the receipts. It names
the file's SHA-256, so it holds for that file alone.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset import atomic
from proxyset.errors import ArtifactError, InvalidData, InvalidInput, first_problem
from proxyset.fingerprint import fingerprint
from proxyset.jobs.labels import Answer
from proxyset.sources.columns import look_up
from proxyset.sources.delimited import read_header, rows
from proxyset.sources.files import reading
from proxyset.sources.lines import open_lines
from proxyset.sources.text import json_objects
from proxyset.wire.lineage import UNSIGNED, Lineage
from proxyset.wire.receipt import Receipt

_COLUMNS = ("id", "label", "annotator", "hash")
_SUFFIXES = ".csv, .tsv, .json or .jsonl"
_SHA256 = r"^[0-9a-f]{64}$"


class Origin(BaseModel):
    """Where the labels in a file come from.

    Attributes:
        index, proxy, questions: fingerprints of what was asked about.
        lineage: what the labels have seen: the answers that gave them, and those that chose the items.
        receipts: of the answers that gave them, as they came: JSON.
        sha256: of the file of labels; `write_labels` sets it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal["proxyset.label-origin/1"] = "proxyset.label-origin/1"
    index: str = Field(pattern=_SHA256)
    proxy: str = Field(pattern=_SHA256)
    questions: str = Field(pattern=_SHA256)
    lineage: Lineage
    receipts: tuple[str, ...] = ()
    sha256: str = Field(default="0" * 64, pattern=_SHA256)


def origin_of(path: str | os.PathLike[str]) -> Origin | None:
    """What stands beside a file of labels; None where nothing does, and what they have seen is unknown.

    Raises:
        ArtifactError: it is damaged or of other labels, or a receipt is missing or not valid.
    """
    place = _beside(path)
    if not place.is_file():
        return None
    with reading(place):
        text = place.read_bytes()
    try:
        found = Origin.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactError(f"{place} is damaged or of another version: {first_problem(error)}") from None
    with reading(Path(path)):
        if fingerprint(Path(path).read_bytes()) != found.sha256:
            raise ArtifactError(
                f"{path} was changed after {place.name} was written, so what its labels have seen is not known: fetch the labels "
                f"again, or remove {place.name} to go on with labels of unknown origin"
            )
    claims = [Receipt.from_bytes(receipt.encode()).claim for receipt in found.receipts]
    signed = {(claim.release, claim.key): claim.privacy for claim in claims}
    for draw in found.lineage.draws:
        if draw.labels and draw.owner != UNSIGNED and signed.get((draw.release, draw.owner)) != draw.privacy:
            raise ArtifactError(
                f"{place} has no receipt for the answer {draw.release[:12]}… that it names as signed"
            )
    return found


def _beside(path: str | os.PathLike[str]) -> Path:
    return Path(f"{os.fspath(path)}.lineage.json")


def read_labels(path: str | os.PathLike[str]) -> list[Answer]:
    """Read a file of labels; the suffix says which form. Rows with an empty label are kept: they say "not labeled".

    CSV and TSV have a header; JSON is a list of objects, or an object with one under "labels"; JSON lines have one object a
    line. Other columns are passed over.

    Raises:
        InvalidData: the file cannot be read, has no `id` or `label`, a row without an id, or no rows.
        InvalidInput: another suffix.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix in (".csv", ".tsv"):
        records = _delimited(file)
    elif suffix == ".json":
        records = _json(file)
    elif suffix in (".jsonl", ".ndjson"):
        records = _lines(file)
    else:
        raise InvalidInput(f"{file}: a file of labels is named {_SUFFIXES}")
    answers = [_answer(record, where) for where, record in records]
    if not answers:
        raise InvalidData(f"{file} is empty: it has no labels")
    return answers


def write_labels(
    answers: Iterable[Answer], path: str | os.PathLike[str], origin: Origin | None = None
) -> None:
    """Write labels, whole or not at all; the suffix says which form. Columns that are empty throughout are left out.

    Their origin goes beside them; without one, one that an earlier file left there goes away.

    Raises:
        InvalidInput: another suffix than those that `read_labels` takes.
    """
    kept = list(answers)
    names = [name for name in _COLUMNS if name in ("id", "label") or any(getattr(a, name) for a in kept)]
    records = [{name: getattr(answer, name) for name in names} for answer in kept]
    data = in_form(records, names, path)
    _beside(path).unlink(missing_ok=True)
    atomic.write_bytes(path, data)
    if origin:
        said = origin.model_copy(update={"sha256": fingerprint(data)})
        atomic.write_bytes(_beside(path), said.model_dump_json(indent=1).encode() + b"\n")


def in_form(records: Sequence[dict[str, Any]], names: Sequence[str], path: str | os.PathLike[str]) -> bytes:
    """Records with the columns `names` as a file, whose suffix says which form. Raises InvalidInput for another suffix."""
    suffix = Path(path).suffix.lower()
    text = io.StringIO(newline="")
    if suffix in (".csv", ".tsv"):
        writer = csv.DictWriter(text, names, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    elif suffix == ".json":
        json.dump(records, text, ensure_ascii=False, indent=1, default=str)
    elif suffix in (".jsonl", ".ndjson"):
        text.writelines(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records)
    else:
        raise InvalidInput(f"{path}: a file of labels is named {_SUFFIXES}")
    return text.getvalue().encode()


def _delimited(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    header = read_header(path)
    with open_lines(path) as lines:
        for row in rows(lines, path, header):
            yield lines.at(), dict(zip(header, row, strict=True))


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with open_lines(path) as lines:
        for record in json_objects(lines):
            yield lines.at(), record


def _json(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with reading(path):
        data = path.read_bytes()
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is not JSON: {error}") from None
    if isinstance(found, dict):
        found = found.get("labels")
    if not isinstance(found, list):
        raise InvalidData(f"{path} is not a list of objects with the keys id and label")
    for number, record in enumerate(found):
        if not isinstance(record, dict):
            raise InvalidData(f"{path}, item {number}: not an object with the keys id and label")
        yield f"{path}, item {number}", record


def _answer(record: dict[str, Any], where: str) -> Answer:
    there = {name: look_up(name, record) for name in _COLUMNS}
    if missing := [name for name in ("id", "label") if there[name] is None]:
        raise InvalidData(
            f"{where}: no {' and no '.join(missing)}, only {', '.join(map(repr, record)) or 'nothing'}; a file of labels has "
            "the columns id and label, and may have annotator and hash"
        )
    values = {
        name: _text(None if key is None else record[key], f"{where}, {name}") for name, key in there.items()
    }
    if not values["id"]:
        raise InvalidData(f"{where}: no id; it is that of selection.parquet")
    return Answer(values["id"], values["label"].strip(), values["annotator"].strip(), values["hash"])


def _text(value: Any, where: str) -> str:
    """A text; the numbers of JSON count as the texts they are written as."""
    if value is None:
        return ""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise InvalidData(f"{where}: {value!r} is not a text")
