import os
import subprocess
import sys

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from proxyset.cloud.one_thread import one_thread


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_an_index_has_the_same_bytes_on_any_number_of_threads(tmp_path):
    rng = np.random.default_rng(0)
    np.save(
        tmp_path / "pool.npy", (rng.normal(size=(40_000, 64)) + 2 * rng.normal(size=64)).astype(np.float32)
    )
    found = []
    for number in ("1", "2"):
        out = tmp_path / number
        subprocess.run(
            [
                sys.executable,
                "-m",
                "proxyset",
                "index",
                "build",
                "pool.npy",
                "--encoder",
                "embeddings",
                "--clusters",
                "50",
                "--out",
                out,
            ],
            check=True,
            capture_output=True,
            cwd=tmp_path,
            env=os.environ | {"OPENBLAS_NUM_THREADS": number, "OMP_NUM_THREADS": number},
        )
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
