"""What the neighbour fuzzer encodes: ordinary and hostile items, and probes against them, for each kind of encoder."""

from __future__ import annotations

import atexit
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from proxyset.client import vote
from proxyset.encoders import FunctionEncoder, encoder_for
from proxyset.encoders.encoder import Encoder
from proxyset.encoders.hog import HogEncoder, HogParams
from proxyset.encoders.hub import HubEncoder
from proxyset.encoders.onnx import OnnxEncoder
from proxyset.encoders.ready import EmbeddingsEncoder
from proxyset.encoders.tabular import Categories, Number, TabularEncoder, TabularParams
from proxyset.encoders.text import WordLlamaEncoder
from proxyset.sources.source import Batch
from proxyset.wire.probe import Probe
from tests.fuzz.items import PICTURES, TEXTS, WORDS, Make, Rng, picture, words

CLASSES = ("a", "b", "c")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Domain:
    """Items of one encoder.

    Attributes:
        geometry: centroids, projection or None, and the dtype they travel in.
        questions: features of public items.
        hostile: name → item that is hard to read, encode or vote for.
        dtype: of arrays of embeddings.
        crowd: in some worlds D has so many times more records; above 1, where records are at an edge between centroids.
    """

    name: str
    kind: str
    encoder: Encoder
    ordinary: Make
    hostile: Mapping[str, Make]
    geometry: Callable[[Rng], tuple[Array, Array | None, str]]
    questions: Make
    dtype: str = "float32"
    crowd: int = 1
    classes: tuple[str, ...] = field(default=CLASSES)


# --- embeddings: any vector can be made, so probes and records are made against each other

_DTYPES = ("float32", "float16", "float64", "int8", "uint8", "int32")


def embedding(rng: Rng) -> Domain:
    d = int(rng.choice([1, 2, 3, 8, 16, 64]))
    shape = str(rng.choice(["plain", "equal", "huge", "tiny", "mixed", "opposite", "grid"]))
    dtype = str(rng.choice(_DTYPES, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]))
    centroids, projection = _centroids(shape, d, rng)
    scale = float(np.abs(centroids).max()) or 1.0
    seen = centroids if projection is None else rng.normal(size=(4, d))
    cast = np.dtype(dtype)

    def fitted(x: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            if cast.kind in "iu":
                info = np.iinfo(cast)
                x = np.clip(np.nan_to_num(np.rint(x)), max(info.min, -(2**31)), min(info.max, 2**31 - 1))
            return x.astype(cast)

    def ordinary(rng: Rng) -> Array:
        near = seen[rng.integers(len(seen))] + rng.normal(size=d) * scale * 10.0 ** rng.uniform(-8, 1)
        between = 0.5 * (seen[rng.integers(len(seen))] + seen[rng.integers(len(seen))])
        x = near if rng.random() < 0.5 else between if rng.random() < 0.5 else rng.normal(size=d) * scale
        return fitted(np.where(np.abs(x) < 1e14, x, np.sign(x) * 1e14))

    def widened(x: Array) -> Array:
        return x.astype(np.float64) if cast.kind == "i" and cast.itemsize > 2 else x.astype(np.float32)

    def one(value: float) -> Make:
        def make(rng: Rng) -> Array:
            x = widened(ordinary(rng)).astype(np.float64)
            x[rng.integers(d)] = value
            return x.astype(widened(fitted(np.zeros(1))).dtype)

        return make

    hostile: dict[str, Make] = {
        "NaN": one(np.nan), "infinite": one(np.inf), "−infinite": one(-np.inf), "1e30": one(1e30),
        "largest": one(1e15), "−largest": one(-1e15), "denormal": one(1e-44), "−0": one(-0.0),
        "zeros": lambda rng: fitted(np.zeros(d)),
        "centroid": lambda rng: fitted(np.clip(seen[rng.integers(len(seen))], -1e14, 1e14)),
        "huge": lambda rng: widened(fitted(rng.normal(size=d) * 1e14)),
        "wider type": lambda rng: widened(ordinary(rng)),
    }  # fmt: skip
    travels = "float32" if shape in ("huge", "tiny", "mixed") else str(rng.choice(["float32", "float16"]))

    def questions(rng: Rng) -> Array:
        own = np.clip(seen, -1e4, 1e4)
        X = own[rng.integers(len(own), size=int(rng.integers(1, 12)))]
        return np.asarray(X + rng.normal(size=X.shape) * rng.choice([0, 0.1, 1]), np.float32)

    return Domain(
        "embedding", "embedding", EmbeddingsEncoder(d), ordinary, hostile,
        lambda _: (centroids, projection, travels), questions, dtype,
    )  # fmt: skip


def _centroids(shape: str, d: int, rng: Rng) -> tuple[Array, Array | None]:
    R = int(rng.integers(1, 9))
    D, projection = d, None
    if rng.random() < 0.3:
        D = int(rng.integers(1, 9))
        P = rng.normal(size=(d, D)) * 10.0 ** rng.uniform(-3, 3)
        if rng.random() < 0.5:  # columns, and rows, that cancel but for a rest
            P[:, -1] = P[:, 0] * (1 + 1e-6 * rng.random())
            P[-1] = -P[0]
        if shape in ("huge", "tiny", "mixed"):
            P *= 10.0 ** rng.uniform(-10, 10, size=(d, 1))
        projection = P.astype(np.float32)
    C = rng.normal(size=(R, D))
    match shape:
        case "equal":
            C[:] = C[0]
            if rng.random() < 0.5:
                C[-1] += 1e-7
        case "huge":
            C *= 10.0 ** rng.uniform(5, 30)
        case "tiny":
            C *= 10.0 ** rng.uniform(-40, -5)
        case "mixed":
            C *= 10.0 ** rng.uniform(-20, 20, size=(R, 1))
        case "opposite":
            C = np.concatenate([C[:1], -C[:1]])
        case "grid":
            C = np.rint(C)
    return C.astype(np.float32), projection


def orthogonal(rng: Rng) -> Domain:
    """Centroids ±h and records nearly orthogonal to h, right where the voter changes its mind.

    Where that is, the shipped voter is asked, about one record at a time: it is searched for by halving. A voter whose
    rounding depends on what stands beside a record decides otherwise there once more records come.
    """
    d = int(rng.choice([32, 256, 1024]))
    h = (rng.normal(size=d) * 10.0 ** rng.uniform(-12, 2)).astype(np.float32)
    spec = EmbeddingsEncoder(d).spec
    voter = vote.Voter(Probe.build(np.stack([h, -h]), spec, "a" * 64, dtype="float32"))
    exact = h.astype(np.float64)
    coarse, fine = np.abs(h).argsort()[-2:]

    def record(rng: Rng) -> Array:
        x = rng.normal(size=d).astype(np.float32) * np.float32(10.0 ** rng.uniform(-3, 3))
        x[[coarse, fine]] = 0
        x[coarse] = -(x @ exact) / exact[coarse]
        size, rest = np.linalg.norm(x) * np.linalg.norm(exact), math.fsum(x * exact)

        def at(margin: float) -> Array:
            y = x.copy()
            y[fine] = (margin * size - rest) / exact[fine]
            return y

        def label(margin: float) -> int:
            return int(voter(at(margin)[None])[0])

        powers = 10.0 ** np.arange(-18, 1, 0.5)
        steps = [*-powers[::-1], 0.0, *powers]
        labels = voter(np.stack([at(margin) for margin in steps]))
        changes = np.flatnonzero(labels[1:] != labels[:-1])
        if not len(changes):
            return x
        n = changes[rng.choice([0, len(changes) - 1, rng.integers(len(changes))])]
        low, high = steps[n], steps[n + 1]
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if label(middle) == labels[n] else (low, middle)
        return at(low if rng.random() < 0.5 else high)

    edge = [record(rng) for _ in range(2)]

    def ordinary(rng: Rng) -> Array:
        x = edge[rng.integers(len(edge))].copy()
        for _ in range(int(rng.integers(3))):
            x[fine] = np.nextafter(x[fine], np.float32(rng.choice([-1, 1]) * 1e30))
        return x

    hostile: dict[str, Make] = {
        "zeros but one": lambda rng: np.eye(d, dtype=np.float32)[0] * 7,
        "zeros": lambda rng: np.zeros(d, np.float32),
        "on a centroid": lambda rng: h,
        "huge": lambda rng: rng.normal(size=d).astype(np.float32) * np.float32(1e14),
        "NaN": lambda rng: np.full(d, np.nan, np.float32),
    }
    return Domain(
        "orthogonal", "embedding", EmbeddingsEncoder(d), ordinary, hostile,
        lambda rng: (np.stack([h, -h]), None, "float32"),
        lambda rng: np.stack([h, -h, h]) * np.float32(min(1.0, 1e4 / np.linalg.norm(exact))), crowd=16,
    )  # fmt: skip


# --- encoders of items


def _around(encoder: Encoder, items: list[Any]) -> Callable[[Rng], tuple[Array, Array | None, str]]:
    """Probes about some encoded items: on them, between them, and all in one place."""
    X = np.concatenate([encoder.encode([item]).embeddings for item in items])

    def geometry(rng: Rng) -> tuple[Array, Array | None, str]:
        chosen = X[rng.integers(len(X), size=int(rng.integers(1, 7)))].astype(np.float64)
        match rng.integers(4):
            case 0:
                chosen = 0.5 * (chosen + chosen[0])
            case 1:
                chosen = chosen + rng.normal(size=chosen.shape) * 1e-3
            case 2 if len(chosen) > 1:
                chosen[1:] = chosen[0]
        projection, dtype = None, str(rng.choice(["float32", "float16"]))
        if rng.random() < 0.2:
            projection = rng.normal(size=(X.shape[1], 4)).astype(np.float32)
            chosen = chosen @ projection
        return chosen.astype(np.float32), projection, dtype

    return geometry


def _asked(encoder: Encoder, items: list[Any]) -> Make:
    X = np.concatenate([encoder.encode([item]).embeddings for item in items])
    return lambda rng: X[rng.integers(len(X), size=int(rng.integers(1, 12)))]


@cache
def _wordllama() -> tuple[Encoder, Any, Any]:
    encoder, rng = WordLlamaEncoder(), np.random.default_rng(0)
    items = [words(rng) for _ in range(30)]
    return encoder, _around(encoder, items), _asked(encoder, items)


def wordllama(rng: Rng) -> Domain:
    encoder, geometry, questions = _wordllama()
    return Domain("wordllama", "text", encoder, words, TEXTS, geometry, questions)


@cache
def _hub() -> tuple[Encoder, Any, Any]:
    from tests.encoders.hub_folders import text_folder

    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    encoder, rng = HubEncoder(text_folder(folder / "model"), threads=1), np.random.default_rng(0)
    items = [words(rng) for _ in range(30)]
    return encoder, _around(encoder, items), _asked(encoder, items)


def hub(rng: Rng) -> Domain:
    encoder, geometry, questions = _hub()
    return Domain("hub", "text", encoder, words, TEXTS, geometry, questions)


class _Pool:
    """What a function is tried with."""

    kind = "text"

    def shards(self) -> list[int]:
        return [0]

    def read(self, shard: int) -> Any:
        yield Batch(["0", "1"], ["left heart", "river"])


def _counted(texts: list[str]) -> Array:
    """A careless function: it raises for some texts, and returns for others what are no features."""
    (text, *_) = texts
    if "tax" in text:
        raise ValueError(text)
    if "\0" in text:
        raise SystemExit(text)
    if "😀" in text:
        return np.zeros((len(texts), 3))
    return np.array([[text.count(word) / (len(text) - 3) for word in WORDS] for text in texts])


@cache
def _function() -> tuple[Encoder, Any, Any]:
    phi, rng = FunctionEncoder("counts", _counted), np.random.default_rng(0)
    encoder = encoder_for(phi.fitted(_Pool()).spec, local=phi)
    items = [words(rng) for _ in range(30)]
    return encoder, _around(encoder, items), _asked(encoder, items)


def function(rng: Rng) -> Domain:
    encoder, geometry, questions = _function()
    raises: dict[str, Make] = {"divides by zero": lambda rng: "abc", "raises": lambda rng: "tax tax"}
    return Domain("function", "text", encoder, words, TEXTS | raises, geometry, questions)


@cache
def _hog() -> tuple[Encoder, Any, Any]:
    encoder, rng = HogEncoder(HogParams(size=16, cell=8, block=2)), np.random.default_rng(0)
    items = [picture(rng) for _ in range(30)]
    return encoder, _around(encoder, items), _asked(encoder, items)


def hog(rng: Rng) -> Domain:
    encoder, geometry, questions = _hog()
    return Domain("hog", "image", encoder, picture, PICTURES, geometry, questions)


@cache
def _onnx() -> tuple[Encoder, Any, Any]:
    from tests.encoders.test_onnx import PLAIN, write

    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    encoder, rng = OnnxEncoder(write(folder / "model", PLAIN), threads=1), np.random.default_rng(0)
    items = [picture(rng) for _ in range(30)]
    return encoder, _around(encoder, items), _asked(encoder, items)


def onnx(rng: Rng) -> Domain:
    encoder, geometry, questions = _onnx()
    return Domain("onnx", "image", encoder, picture, PICTURES, geometry, questions)


# --- tables: an item is a row, name → value; forms write values as their types have them

_YEAR = 365.25 * 86_400e6
COLUMNS = TabularParams(
    columns=[
        Categories(name="ward", values=["01", "02", "03", "1", "E11"], missing=True),
        Number(name="age", centre=40.0, scale=20.0, missing=True),
        Categories(name="smoker", values=["true", "True", "1", "no"], missing=False),
        Number(name="since", centre=30 * _YEAR, scale=10 * _YEAR, missing=False),
        Number(name="fit", centre=0.5, scale=0.5, missing=False),
    ]
)


def row(rng: Rng) -> dict[str, Any]:
    """In plain terms: a digit string, a whole number, a truth value, microseconds since 1970, a truth value."""
    return {
        "ward": f"0{rng.integers(1, 4)}",
        "age": int(rng.integers(0, 100)),
        "smoker": bool(rng.integers(2)),
        "since": int(rng.integers(0, 20_000)) * 86_400_000_000,
        "fit": bool(rng.integers(2)),
    }


def _cell(column: str, *values: Any) -> Make:
    def make(rng: Rng) -> dict[str, Any]:
        return row(rng) | {column: values[rng.integers(len(values))]}

    return make


CELLS: dict[str, Make] = {
    "a code among numbers": _cell("ward", "E11", "x", "1e3", "0x1"),
    "a text as a number": _cell("age", "E11", "forty", "4 0", "1,5", "٤٠"),
    "a number as text": _cell("age", " 40", "4e1", "+40", "1_0", "40.0", "040"),
    "NaN": _cell("age", float("nan"), "nan", "NaN"),
    "infinite": _cell("age", float("inf"), "-inf", "1e400"),
    "enormous": _cell("age", 10**15, 1e308, -(10**12)),
    "missing cell": _cell("age", None, ""),
    "missing category": _cell("ward", None, ""),
    "a missing word": _cell("ward", "NA", "null", "?", "None"),
    "another truth": _cell("fit", "yes", "TRUE", "2", None),
    "a date as text": _cell("since", "2020-02-30", "2001-01-01", "2001-01-01T00:00:00Z", "now"),
    "NUL": _cell("ward", "\0", "0\x001"),
    "odd text": _cell("ward", "a\nb", 'a"b', "a\rb", "a,b", "\u2028", "=1+1"),
    "a long category": _cell("ward", "x" * 100_000),
    "a list": _cell("ward", [1, 2], {"a": 1}),
    "all missing": lambda rng: dict.fromkeys(row(rng)),
}


@cache
def _table_parts() -> tuple[Encoder, Any, Any]:
    import pyarrow as pa

    encoder, rng = TabularEncoder(COLUMNS), np.random.default_rng(0)
    rows = [{name: str(value) for name, value in row(rng).items()} for _ in range(30)]
    for one in rows:
        one["fit"] = str(int(one["fit"] == "True"))
    items = [pa.Table.from_pylist([one]) for one in rows]
    X = np.concatenate([encoder.encode(item).embeddings for item in items])

    class Encoded:
        def encode(self, numbers: list[int]) -> Any:
            class Some:
                embeddings = X[numbers]

            return Some

    known: Any = Encoded()
    return encoder, _around(known, list(range(30))), _asked(known, list(range(30)))


def table(rng: Rng) -> Domain:
    encoder, geometry, questions = _table_parts()
    return Domain("table", "table", encoder, row, CELLS, geometry, questions)


DOMAINS: dict[str, Callable[[Rng], Domain]] = {
    "embedding": embedding, "orthogonal": orthogonal, "wordllama": wordllama, "function": function, "hog": hog, "onnx": onnx,
    "hub": hub, "table": table,
}  # fmt: skip
