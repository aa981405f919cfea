import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.cloud.metadata import MOST_GROUPS, coded, known_values, value_counts


def batches(sources, labels, size=3):
    table = pa.table({"source": pa.array(sources, pa.string()), "label": pa.array(labels, pa.string())})
    return lambda: table.to_batches(max_chunksize=size)


def groupings(read, parts=2):
    """Codes of a pool in so many parts."""
    every = read()
    known = known_values(value_counts(part) for part in np.array_split(np.array(every, object), parts))
    return {
        name: np.concatenate([coded(batch.column(name), codes) for batch in every])
        for name, codes in known.items()
    }


def test_largest_group_first_and_missing_values_are_0():
    found = groupings(batches(["b", "a", None, "a", "", "c", "a"], [None] * 7))
    assert list(found) == ["source"]
    codes = found["source"]
    assert codes.dtype == np.uint8
    assert codes[[1, 3, 6]].tolist() == [1, 1, 1]
    assert codes[[2, 4]].tolist() == [0, 0]
    assert sorted(codes[[0, 5]].tolist()) == [2, 3]


def test_rare_values_share_group_0():
    names = [f"s{i}" for i in range(200) for _ in range(2 if i < 10 else 1)]
    codes = groupings(batches(names, [None] * len(names), 50))["source"]
    assert codes.max() == MOST_GROUPS - 1
    assert (codes == 0).sum() == 200 - (MOST_GROUPS - 1)


@pytest.mark.parametrize("names", [["same"] * 5, [None] * 5])
def test_a_column_that_says_nothing_is_no_grouping(names):
    assert groupings(batches(names, names)) == {}


def test_identifiers_are_no_grouping():
    names = [f"{i}" for i in range(10_001)]
    assert groupings(batches(names, names, 4000)) == {}


def test_an_index_knows_the_sources_of_its_pool(tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "id": [f"i{row}" for row in range(60)],
            "embedding": list(rng.normal(size=(60, 4)).astype(np.float32)),
            "source": ["web", "scans"] * 30,
        }
    )
    pq.write_table(table, tmp_path / "pool.parquet")
    build_index(tmp_path / "pool.parquet", tmp_path / "index", encoder="embeddings", clusters=4)
    index = Index.open(tmp_path / "index")
    assert index.candidates().groupings == {}
    codes = index.candidates(metadata=True).groupings["source"]
    assert len(set(codes[::2])) == len(set(codes[1::2])) == 1
    assert codes[0] != codes[1]
