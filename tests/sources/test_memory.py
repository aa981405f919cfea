"""Pools in memory: whatever holds the same items gives the same batches."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources import open_source
from proxyset.sources.source import Batch

from .reading import everything

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 3)).astype(np.float32)
TEXTS = [f"text {number}" for number in range(7)]
PIXELS = RNG.integers(0, 256, size=(4, 6, 5, 3)).astype(np.uint8)
IDS = [f"i{number}" for number in range(7)]


def read(data: Any, **options: Any) -> Batch:
    source = open_source(data, **options)
    (shard,) = source.shards()
    (batch,) = source.read(shard)
    return batch


def pictures() -> list[bytes]:
    found = []
    for pixels in PIXELS:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        found.append(out.getvalue())
    return found


def torch_set(items: Any, labels: Any = None) -> Any:
    torch = pytest.importorskip("torch")

    class Items(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(items)

        def __getitem__(self, row: int) -> Any:
            if row >= len(items):
                raise IndexError(row)
            return items[row] if labels is None else (items[row], labels[row])

    return Items()


def huggingface(**columns: Any) -> Any:
    return pytest.importorskip("datasets").Dataset.from_dict(columns)


MATRICES = {
    "array": lambda: X,
    "tensor": lambda: pytest.importorskip("torch").from_numpy(X),
    "list": lambda: list(X),
    "lists": lambda: X.tolist(),
    "torch": lambda: torch_set(X),
    "tensors": lambda: pytest.importorskip("torch").utils.data.TensorDataset(
        pytest.importorskip("torch").from_numpy(X)
    ),
    "arrow": lambda: pa.table({"embedding": X.tolist()}),
    "huggingface": lambda: huggingface(embedding=X.tolist()),
    "frame": lambda: pytest.importorskip("pandas").DataFrame({"emb": list(X)}),
    "mappings": lambda: [{"embedding": row} for row in X],
}


@pytest.mark.parametrize("made", MATRICES.values(), ids=MATRICES)
def test_embeddings(made: Any) -> None:
    batch = read(made())
    np.testing.assert_allclose(batch.items, X, rtol=1e-6)
    assert batch.ids == list(map(str, range(7)))


LISTS = {
    "list": lambda: TEXTS,
    "array": lambda: np.array(TEXTS),
    "torch": lambda: torch_set(TEXTS),
    "series": lambda: pytest.importorskip("pandas").Series(TEXTS, index=range(10, 17)),
    "column": lambda: pa.chunked_array([TEXTS]),
    "arrow": lambda: pa.table({"caption": TEXTS}),
    "huggingface": lambda: huggingface(text=TEXTS),
    "mappings": lambda: [{"text": text} for text in TEXTS],
}


@pytest.mark.parametrize("made", LISTS.values(), ids=LISTS)
def test_texts(made: Any) -> None:
    assert read(made()).items == TEXTS


PICTURES = {
    "PIL": lambda: [Image.fromarray(pixels) for pixels in PIXELS],
    "array": lambda: PIXELS,
    "files": pictures,
    "floats": lambda: [np.moveaxis(pixels, -1, 0) / 255 for pixels in PIXELS],
    "tensors": lambda: torch_set(pytest.importorskip("torch").from_numpy(np.moveaxis(PIXELS, -1, 1).copy())),
    "arrow": lambda: pa.table({"image": pictures()}),
    "huggingface": lambda: huggingface(image=[Image.fromarray(pixels) for pixels in PIXELS]).cast_column(
        "image", pytest.importorskip("datasets").Image()
    ),
}


@pytest.mark.parametrize("made", PICTURES.values(), ids=PICTURES)
def test_pictures(made: Any) -> None:
    batch = read(made(), kind="image")
    for data, pixels in zip(batch.items, PIXELS, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), pixels)


TABLE = {
    "id": IDS,
    "age": [1, 2, None, 4, 5, 6, 7],
    "ward": ["a", "b", None, "a", "b", "a", "b"],
    "label": list("xyxyxyx"),
}
TABLES = {
    "arrow": lambda: pa.table(TABLE),
    "frame": lambda: pytest.importorskip("pandas").DataFrame(TABLE),
    "huggingface": lambda: huggingface(**TABLE),
    "mappings": lambda: pa.table(TABLE).to_pylist(),
    "polars": lambda: pytest.importorskip("polars").DataFrame(TABLE),
}


@pytest.mark.parametrize("made", TABLES.values(), ids=TABLES)
def test_tables(made: Any) -> None:
    batch = read(made())
    assert batch.ids == IDS and batch.columns["label"] == TABLE["label"]
    assert batch.items.column_names == ["age", "ward"]
    assert batch.items.column("ward").to_pylist() == TABLE["ward"]
    assert [None if v is None or v != v else v for v in batch.items.column("age").to_pylist()] == TABLE["age"]


def test_labels_and_ids_are_carried() -> None:
    batch = read(torch_set(TEXTS, range(7)))
    assert batch.columns["label"] == list("0123456")
    batch = read(
        [{"id": name, "text": text, "licence": "CC0"} for name, text in zip(IDS, TEXTS, strict=True)]
    )
    assert batch.ids == IDS and batch.columns["licence"] == ["CC0"] * 7


def test_shards_are_read_and_picked_by_themselves() -> None:
    source = open_source(X, shard_size=3)
    assert [(s.start, s.stop) for s in source.shards()] == [(0, 3), (3, 6), (6, 7)]
    found = dict(source.pick(source.shards()[1], ["4", "1"]))  # type: ignore[attr-defined]
    assert list(found) == ["4"]
    np.testing.assert_array_equal(found["4"], X[4])


def test_the_name_follows_the_content() -> None:
    names = {
        open_source(data).name for data in (X, X.copy(), X + 1, X.astype(np.float64), TEXTS, TEXTS[::-1])
    }  # type: ignore[attr-defined]
    assert len(names) == 5 and all(name.startswith("in-memory:") for name in names)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (7, "a builtins.int cannot be read"),
        (iter(TEXTS), r"list\(data\)"),
        ({"text": TEXTS}, r"pyarrow.table\(data\)"),
        (X[0], "shape"),
        (np.zeros((2, 2, 2, 2, 2)), "no item"),
        ([object()], "item 0 is object"),
        ([], "empty"),
        (np.zeros((0, 3)), "empty"),
        ([*TEXTS, 7], "item 7 of the data in memory, taken for text: it is no text but int"),
        ([X[0], X[0][:2]], "from 2 to 3 numbers"),
        ([{"id": "a", "text": "x"}] * 2, "'a' appears twice"),
        (pa.table({"id": IDS}), "to make features of: only id"),
        ([np.full((3, 3), 2.0)], "between 0 and 1"),
    ],
)
def test_what_cannot_be_read_is_said(data: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        open_source(data).shards()


def test_a_kind_that_is_not_there_is_said() -> None:
    with pytest.raises(InvalidData, match="no column of image items"):
        open_source(pa.table({"text": TEXTS}), kind="image")
    with pytest.raises(InvalidData, match="no column 'who'"):
        open_source(X, columns=["who"])


def test_arrays_that_hold_something_else_than_they_show():
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(np.eye(3))
    for given in (sparse, torch_sparse()):
        with pytest.raises(InvalidInput, match="a sparse array is not read: make it dense"):
            open_source(given)
    with pytest.raises(InvalidData, match="make them float64"):
        open_source(np.eye(3, dtype=np.longdouble))
    masked = np.ma.masked_equal([[1, 2], [3, 4]], 2)
    np.testing.assert_array_equal(everything(open_source(masked))[1], [[1, np.nan], [3, 4]])


def torch_sparse():
    return pytest.importorskip("torch").eye(3).to_sparse()


UNKEPT = {
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array([5, 6])),
    "interval": pa.array([(1, 2, 3), (1, 2, 4)], pa.month_day_nano_interval()),
    "union": pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
    "nothing": pa.array([{}, {}], pa.struct([])),
}


@pytest.mark.parametrize("what", UNKEPT)
def test_a_column_that_cannot_be_kept_is_named(what):
    with pytest.raises(InvalidData, match=r"the column 'odd' is of the type .* which cannot be kept"):
        open_source(pa.table({"n": [1, 2], "odd": UNKEPT[what]}))
