import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxyset.errors import InvalidData
from proxyset.sources import fetch, open_source

from .reading import everything, fetched

X = np.random.default_rng(0).normal(size=(17, 4)).astype(np.float16)


def write(folder, sizes, columns, rows_in_group=3):
    """Embeddings and metadata in files of these sizes; columns: name → function of the row."""
    for sub in ("img_emb", "metadata"):
        (folder / sub).mkdir(parents=True)
    start = 0
    for number, size in enumerate(sizes):
        rows = range(start, start + size)
        np.save(folder / "img_emb" / f"img_emb_{number:02}.npy", X[rows.start : rows.stop])
        table = pa.table({name: [cell(row) for row in rows] for name, cell in columns.items()})
        pq.write_table(
            table, folder / "metadata" / f"metadata_{number:02}.parquet", row_group_size=rows_in_group
        )
        start += size
    return folder


@pytest.mark.parametrize("shard_size", [1, 2, 5, 100])
def test_rows_and_what_is_known_of_them(tmp_path, shard_size):
    columns = {
        "image_path": "k{}".format,
        "caption": "c{}".format,
        "url": "u{}".format,
        "person": lambda row: row % 3,
    }
    folder = write(tmp_path, [10, 7], columns)
    (folder / "text_emb").mkdir()
    np.save(folder / "text_emb" / "text_emb_00.npy", X)
    source = open_source(folder, columns=["person"], shard_size=shard_size)
    assert source.kind == "embedding"
    ids, items, columns = everything(source)
    assert ids == [str(row) for row in range(17)]
    np.testing.assert_array_equal(items, X)
    assert columns == {"uri": [f"u{row}" for row in range(17)], "person": [str(row % 3) for row in range(17)]}
    np.testing.assert_array_equal(fetched(source, {"12"})["12"], X[12])


def test_ids_of_the_metadata(tmp_path):
    source = open_source(write(tmp_path, [10, 7], {"id": "k{}".format, "image_path": "p{}".format}))
    ids, _, columns = everything(source)
    assert ids == [f"k{row}" for row in range(17)]
    assert columns == {"uri": [f"p{row}" for row in range(17)]}
    ((name, item),) = fetch(source, {1: ["k11"]})
    assert name == "k11"
    np.testing.assert_array_equal(item, X[11])


def test_metadata_without_anything_to_keep(tmp_path):
    ids, items, columns = everything(open_source(write(tmp_path, [17], {"NSFW": str})))
    assert (len(ids), columns) == (17, {})
    np.testing.assert_array_equal(items, X)


def test_partners_of_different_length(tmp_path):
    folder = write(tmp_path, [10, 7], {"url": str})
    np.save(folder / "img_emb" / "img_emb_01.npy", X[:6])
    with pytest.raises(InvalidData, match=r"metadata_01\.parquet has 7 rows, img_emb/img_emb_01\.npy has 6"):
        open_source(folder)


def test_a_missing_partner(tmp_path):
    folder = write(tmp_path, [10, 7], {"url": str})
    (folder / "metadata" / "metadata_01.parquet").unlink()
    with pytest.raises(InvalidData, match=r"img_emb_01\.npy has no metadata file"):
        open_source(folder)


def test_partners_without_a_column_of_the_first(tmp_path):
    folder = write(tmp_path, [10, 7], {"url": str})
    pq.write_table(pa.table({"other": [0] * 7}), folder / "metadata" / "metadata_01.parquet")
    with pytest.raises(InvalidData, match=r"metadata_01\.parquet has no column url"):
        open_source(folder)
