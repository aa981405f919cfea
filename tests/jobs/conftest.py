import numpy as np
import pytest

from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """A proxy set of 40 embeddings in three blobs, its index, and the true class of each item."""
    folder = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    kinds = np.arange(120) % 3
    centres = rng.normal(size=(3, 6)) * 5
    np.save(folder / "pool.npy", (centres[kinds] + rng.normal(size=(120, 6))).astype(np.float32))
    index = build_index(folder / "pool.npy", folder / "index", clusters=6)
    proxy = select(index, [], folder / "proxy", budget=40, strategy="random")
    truth = {str(row): "abc"[kind] for row, kind in enumerate(kinds)}
    return index, proxy, truth
