import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxyset.sources import fetch, open_source


@pytest.mark.parametrize("kind", ["embedding", "table"])
def test_a_fetched_item_does_not_keep_its_batch_in_memory(tmp_path, kind):
    X = np.random.default_rng(0).normal(size=(5000, 64)).astype(np.float32)
    columns = (
        {"embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 64)}
        if kind == "embedding"
        else {f"c{j}": X[:, j] for j in range(64)}
    )
    pq.write_table(pa.table({"id": [f"i{row}" for row in range(5000)], **columns}), tmp_path / "p.parquet")
    found = dict(fetch(open_source(tmp_path / "p.parquet", kind=kind), {0: ["i7", "i4000"]}))
    assert sorted(found) == ["i4000", "i7"]
    if kind == "embedding":
        assert all(item.base is None for item in found.values())
        np.testing.assert_array_equal(found["i4000"], X[4000])
    else:
        assert all(item.get_total_buffer_size() < 64 * 1000 for item in found.values())
        assert found["i4000"].column("c5").to_pylist() == pytest.approx([X[4000, 5]])
