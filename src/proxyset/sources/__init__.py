"""Readers of pools and private data. They know files, not privacy and not networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import get_args

from proxyset.errors import InvalidInput
from proxyset.sources.batches import SHARD_ITEMS
from proxyset.sources.clip_retrieval import ClipRetrieval
from proxyset.sources.columns import look_up
from proxyset.sources.delimited import read_header
from proxyset.sources.detect import detect
from proxyset.sources.embeddings import Embeddings
from proxyset.sources.fetch import fetch
from proxyset.sources.files import locate_any, place
from proxyset.sources.folder import ImageFolder
from proxyset.sources.foreign import foreign_source
from proxyset.sources.given import Given, is_path
from proxyset.sources.memory import open_memory
from proxyset.sources.parquet import Parquet
from proxyset.sources.source import KEPT_COLUMNS, Batch, Kind, RandomAccess, Shard, Source
from proxyset.sources.table import CsvTable
from proxyset.sources.text import CsvText, JsonLines
from proxyset.sources.webdataset import WebDataset

__all__ = ["KEPT_COLUMNS", "Batch", "Kind", "RandomAccess", "Shard", "Source", "fetch", "open_source"]


def open_source(
    path: Given,
    *,
    kind: Kind | None = None,
    columns: Sequence[str] = (),
    shard_size: int | None = None,
) -> Source:
    """Open a pool, in whatever form it is: files, or data in memory.

    | form | items | ids |
    |---|---|---|
    | folder of images | image | path relative to the folder |
    | `.tar` (WebDataset, img2dataset) | image, else text | key, after the tar's name if there are several |
    | `.parquet` | by column: image, text, embedding, else table | column `id`, else row number |
    | `.jsonl`, `.ndjson` | text | key `id`, else row number |
    | `.csv`, `.tsv` | text if there is a column `text`, else table | column `id`, else row number |
    | `.npy` | embedding | row number |
    | `img_emb/*.npy` and `metadata/*.parquet` (clip-retrieval) | embedding | column `id`, else row number |
    | in memory: see `sources.given` | by what an item is | column or key `id`, else row number |

    All but the first and the last two may be one file or a folder of them. Files may also lie where fsspec can read
    them ("s3://bucket/pool", "https://host/pool.parquet"). Row numbers count from 0 over the whole source.

    Args:
        path: a file or a folder; "NAME:PLACE" of a source that an installed package offers, or "module:Class:PLACE"; or the data
            themselves.
        kind: take the items to be of this kind, where the data leaves a choice.
        columns: further columns to carry in `Batch.columns`, such as the one that names the person. A table
            does not have them among its features.
        shard_size: items in a shard (tar files are one shard each, Parquet shards end with a row group); by
            default as in `batches.SHARD_ITEMS`.

    Raises:
        InvalidData: there is no such data, it is empty or damaged, or does not have one of `columns`.
        InvalidInput: `kind` or `shard_size` makes no sense.
    """
    if kind is not None and kind not in get_args(Kind):
        raise InvalidInput(f"kind must be one of {', '.join(get_args(Kind))}, not {kind!r}")
    if shard_size is not None and shard_size < 1:
        raise InvalidInput(f"shard_size must be at least 1, not {shard_size}")
    if not is_path(path):
        return open_memory(path, kind, columns, shard_size)
    if (foreign := foreign_source(os.fspath(path))) is not None:
        if kind not in (None, foreign.kind):
            raise InvalidInput(f"{path} holds {foreign.kind} items, and kind={kind!r} was asked for")
        return foreign
    form, files = detect(place(path), kind)
    where, asked, sizes = os.fspath(path), tuple(columns), SHARD_ITEMS
    if shard_size is not None:
        sizes = dict.fromkeys(SHARD_ITEMS, shard_size)
    match form:
        case "images":
            return ImageFolder(where, files, asked, sizes["image"])
        case "tar":
            return WebDataset(where, files, asked, kind)
        case "parquet":
            return Parquet(where, files, asked, shard_size, kind)
        case "jsonl":
            return JsonLines(where, files, asked, sizes["text"])
        case "csv" if kind == "text" or (
            kind is None and look_up("text", read_header(locate_any(where, files[0])))
        ):
            return CsvText(where, files, asked, sizes["text"])
        case "csv":
            return CsvTable(where, files, asked, sizes["table"])
        case "npy":
            return Embeddings(where, files, asked, sizes["embedding"])
        case "clip-retrieval":
            return ClipRetrieval(where, files, asked, sizes["embedding"])
