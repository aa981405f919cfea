import os
import subprocess
import sys

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from proxyset.cloud.one_thread import one_thread

PROGRAM = """
import sys
from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select

index = build_index("pool.npy", sys.argv[1] + "/index", encoder="embeddings", clusters=50)
select(index, (), sys.argv[1] + "/proxy", budget=500, strategy="uniform-cluster")
"""


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_an_index_and_a_selection_have_the_same_bytes_on_any_number_of_threads(tmp_path):
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(40_000, 64)) + 2 * rng.normal(size=64)
    np.save(tmp_path / "pool.npy", pool.astype(np.float32))
    found = []
    for number in ("1", "2"):
        out = tmp_path / number
        asked = os.environ | {"OPENBLAS_NUM_THREADS": number, "OMP_NUM_THREADS": number}
        subprocess.run([sys.executable, "-c", PROGRAM, number], check=True, cwd=tmp_path, env=asked)
        found.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert found[0] == found[1]


def test_the_last_one_out_gives_the_threads_back():
    with threadpool_limits(2, "blas"):
        before = threads()
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert threads() == {1}
        second.__exit__(None, None, None)
        assert threads() == before
