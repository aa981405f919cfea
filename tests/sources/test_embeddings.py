import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.errors import InvalidData
from proxyset.sources import fetch, open_source
from proxyset.sources.embeddings import open_npy

from ..peak import peak_bytes
from .reading import everything, fetched, read_through


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int8", "uint64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_any_real_dtype_and_order(tmp_path, dtype, order):
    X = np.random.default_rng(0).integers(0, 100, (25, 3)).astype(dtype)
    np.save(tmp_path / "x.npy", np.asarray(X, order=order))
    source = open_source(tmp_path / "x.npy", shard_size=10)
    assert source.kind == "embedding"
    assert [(shard.start, shard.stop) for shard in source.shards()] == [(0, 10), (10, 20), (20, 25)]
    ids, items, columns = everything(source)
    assert ids == [str(row) for row in range(25)]
    assert columns == {}
    np.testing.assert_array_equal(items, X)
    for name, item in fetched(source, {"0", "13", "24"}).items():
        np.testing.assert_array_equal(item, X[int(name)])


def test_ids_count_over_all_files(tmp_path):
    X = np.arange(14.0).reshape(7, 2)
    for name, part in {"a": X[:3], "b": X[3:3], "c/d": X[3:]}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / f"{name}.npy", part)
    source = open_source(tmp_path, shard_size=2)
    ids, items, _ = everything(source)
    assert ids == list("0123456")
    np.testing.assert_array_equal(items, X)
    assert [shard.file for shard in source.shards()] == ["a.npy", "a.npy", "c/d.npy", "c/d.npy"]
    (tmp_path / "a.npy").unlink()
    ((name, item),) = fetch(source, {3: ["5"]})
    assert name == "5"
    np.testing.assert_array_equal(item, X[5])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a .npy file"),
        (b"\x80\x04K\x01.", "not a .npy file"),  # a pickle
        (npy(np.array([[{}]], object), allow_pickle=True), "damaged or not an array of numbers"),
        (npy(np.ones(5)), r"shape \(n, d\).* it holds float64 of shape \(5,\)"),
        (npy(np.ones((2, 3, 4))), r"of shape \(2, 3, 4\)"),
        (npy(np.ones((3, 0))), r"d ≥ 1; it holds float64 of shape \(3, 0\)"),
        (npy(np.ones((2, 2), [("x", "f4")])), r"it holds \[\('x'"),
        (npy(np.ones((2, 2), complex)), "it holds complex128"),
        (npy(np.ones((2, 2), bool)), "it holds bool"),
        (npy(np.array([["a", "b"]])), "it holds <U1"),
        (npy(np.ones((0, 4))), r"is empty: its shape is \(0, 4\)"),
        (npy(np.ones((100, 4)))[:-1], "cut short"),
        (npy(np.ones((100, 4)))[:40], "cut short"),
        (npy(np.ones((2, 2))).replace(b"(2, 2)", b"(9999999999999999, 2)"), "cut short"),
        (npy(np.ones((2, 2))).replace(b"(2, 2)", b"(-2, 2)"), "cut short|damaged"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(tmp_path, data, message):
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with pytest.raises(InvalidData, match=message):
        open_source(path)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_anywhere_is_either_refused_or_harmless(tmp_path_factory, data):
    whole = bytearray(npy(np.arange(8, dtype=np.float32).reshape(4, 2)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x.npy"
    path.write_bytes(whole)
    try:
        array = open_npy(path)
    except InvalidData:
        return
    assert array.ndim == 2
    assert array.nbytes <= 32


def test_files_of_different_width_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    np.save(tmp_path / "b.npy", np.ones((2, 4)))
    with pytest.raises(InvalidData, match=r"b\.npy has d = 4, a\.npy has d = 3"):
        open_source(tmp_path)


def test_a_file_that_became_shorter_is_noticed(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((20, 3)))
    source = open_source(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.ones((10, 3)))
    with pytest.raises(InvalidData, match="has changed since it was planned: 10 rows"):
        everything(source)


def test_there_are_no_columns(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    with pytest.raises(InvalidData, match="no column 'person'"):
        open_source(tmp_path / "a.npy", columns=["person"])


def test_memory_is_that_of_a_batch(tmp_path):
    """400 MB on disk (a hole), 64 MiB at a time at most."""
    array = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(100_000, 1000))
    del array
    assert peak_bytes(read_through, tmp_path / "x.npy", 100_000) < 150e6
