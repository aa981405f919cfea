"""Readers of private data: one record is read as if it were alone.

A pool is public, so its readers (`sources`) are strict: they look at all of it for its form, and stop at the first thing that
is wrong. Private data must not be read like that. If one record could change how others are read, its owner would not be
protected by noise for one record; if one record could stop an answer, whether there is an answer would tell of it. So here

* nothing is inferred from content: which kind of items there is, and which columns count, the question's encoder says; cells
  are given as the file has them;
* a record that cannot be read is in its batch, marked in `Batch.unread`, and nothing else is touched;
* a folder is the union of its files of a fitting form, each read by its own suffix (or, without one, as the picture that it
  begins as), in order of name, as if it were alone.

Assumes:
    The form of a file is its writer's, not a record's: its name and suffix, the header of a CSV file and the schema of a Parquet
    file, the shape of an array, the folders `img_emb` and `metadata` of clip-retrieval. The writer of a CSV file put quotes
    about cells that need them, and that of a tar gave every sample a name of its own. (Where they did not, reading goes on at
    the next line or member, and no more than the records beside the damage are lost.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from proxyset.errors import InvalidData
from proxyset.sources.clip_retrieval import embedding_files
from proxyset.sources.columns import look_up
from proxyset.sources.detect import Format, form_of, forms_of
from proxyset.sources.files import counted, list_files, locate, reading
from proxyset.sources.private import arrays, json_lines, parquet, pictures, rows
from proxyset.sources.private.records import Wanted
from proxyset.sources.source import Batch, Kind

__all__ = ["PrivateFiles", "open_private_files"]


@dataclass(frozen=True)
class PrivateFiles:
    """Files of private records.

    Attributes:
        path: a file or a folder.
        files: the files, relative to `path` ("" for the path itself), with their forms.
        wanted: what is read of each record.
        passed_over: what else lies there and is not read: kind of file → how many. For the owner; it says nothing of records.
    """

    path: str
    files: tuple[tuple[str, Format], ...]
    wanted: Wanted
    passed_over: dict[str, int] = field(default_factory=dict, compare=False, kw_only=True)

    @property
    def kind(self) -> Kind:
        return self.wanted.kind

    def batches(self) -> Iterator[Batch]:
        """All records, in order. Ids name a record to its owner; they may be equal, and nothing depends on them.

        Raises:
            ReadFailed: the machine cannot read a file now (a network drive). What a file holds raises nothing.
        """
        for are_images, files in groupby(self.files, lambda file: file[1] == "images"):
            if are_images:
                images = ((locate(self.path, file), file) for file, _ in files)
                yield from pictures.read_images(
                    ((path, file or path.name) for path, file in images), self.wanted
                )
                continue
            for file, form in files:
                yield from self._read(file, form)

    def _read(self, file: str, form: Format) -> Iterator[Batch]:
        path = locate(self.path, file)
        match form:
            case "csv":
                return rows.read(path, file, self.wanted)
            case "jsonl":
                return json_lines.read(path, file, self.wanted)
            case "parquet":
                return parquet.read(path, file, self.wanted)
            case "tar":
                return pictures.read_tar(path, file, self.wanted)
            case _:
                return arrays.read(path, file, self.wanted, form == "clip-retrieval")

    def unfit(self, needed: Sequence[str] = ()) -> str | None:
        """Why the form of this one file keeps all records from being read, if it does: told from no record, and without records.

        Args:
            needed: columns that must be there beside those of the items.
        """
        match self.files:
            case (("", "csv"),):
                there = rows.header(locate(self.path, ""))
            case (("", "parquet"),):
                there = parquet.header(locate(self.path, ""))
            case (("", "npy"),):
                found = arrays.width(locate(self.path, ""))
                return (
                    f"its rows have {found} numbers, not {self.wanted.dim}"
                    if found not in (None, self.wanted.dim)
                    else None
                )
            case _:
                return None
        asked = dict.fromkeys((*self.wanted.features, *needed))
        missing = [name for name in asked if look_up(name, there) is None]
        if not there or not missing:
            return None
        return (
            f"it has no column {', '.join(map(repr, missing[:10]))}; its columns are: {', '.join(there[:50])}"
        )


def open_private_files(path: str | os.PathLike[str], wanted: Wanted) -> PrivateFiles:
    """Private data of one kind, under a path of this machine. A folder without a fitting file has no records.

    Raises:
        InvalidData: there is no such file or folder, or the file's suffix is not of a form that has such items.
    """
    place = Path(path)
    with reading(place):
        is_folder, is_file = place.is_dir(), place.is_file()
    forms = forms_of(wanted.kind)
    if is_file:
        form = form_of(str(place.parent), place.name, forms)
        if form is None:
            raise InvalidData(
                f"{place} has no items of kind {wanted.kind}; looked for a file {', '.join(sorted(forms))}"
            )
        return PrivateFiles(os.fspath(path), (("", form),), wanted)
    if not is_folder:
        raise InvalidData(
            f"{place} is neither a file nor a folder" if place.exists() else f"{place} does not exist"
        )
    names = list_files(place)
    if wanted.kind == "embedding" and (found := embedding_files(names)):
        return PrivateFiles(os.fspath(path), tuple((name, "clip-retrieval") for name in found), wanted)
    found_forms = ((name, form_of(str(place), name, forms)) for name in names)
    read = tuple((name, form) for name, form in found_forms if form)
    others = set(names) - {name for name, _ in read}
    return PrivateFiles(os.fspath(path), read, wanted, passed_over=counted(others))
