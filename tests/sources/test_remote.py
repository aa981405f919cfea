import http.server
import threading
from functools import partial

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxyset.client.answer import answer
from proxyset.cloud import shards
from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select
from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources import open_source
from proxyset.sources.files import ReadFailed

from .reading import tar_of


def table(rows, seed=0):
    X = np.random.default_rng(seed).normal(size=(rows, 6)).astype(np.float32)
    ids = pa.array([f"{seed}-{row}" for row in range(rows)])
    return pa.table({"id": ids, "embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 6)})


@pytest.fixture
def bucket():
    """Files in fsspec's memory:// store."""
    files = fsspec.filesystem("memory")
    files.pipe_file("/pool/.hidden/c.parquet", b"not to be read")
    for number, rows in enumerate((40, 60)):
        with files.open(f"/pool/part/{number}.parquet", "wb") as file:
            pq.write_table(table(rows, number), file, row_group_size=25)
    files.pipe_file("/texts/a.tar", tar_of({"1.txt": b"a text", "2.txt": b"another"}))
    yield files
    files.rm("/pool", recursive=True)
    files.rm("/texts", recursive=True)


def test_an_index_and_a_proxy_set_of_a_bucket(bucket, tmp_path):
    index = build_index("memory://pool", tmp_path / "index", clusters=4)
    assert (len(index), index.manifest.pool) == (100, "memory://pool")
    proxy = select(index, [], tmp_path / "proxy", budget=10, strategy="k-center")
    assert proxy.card.items == len(list(proxy.items())) == 10
    local = tmp_path / "local" / "part"
    local.mkdir(parents=True)
    for number in range(2):
        (local / f"{number}.parquet").write_bytes(bucket.cat_file(f"/pool/part/{number}.parquet"))
    assert build_index(tmp_path / "local", tmp_path / "other", clusters=4).fingerprint == index.fingerprint


def test_a_changed_bucket_is_noticed(bucket, tmp_path):
    with pytest.raises(InvalidInput):
        build_index("memory://pool", tmp_path / "index", clusters=5000)
    with bucket.open("/pool/part/2.parquet", "wb") as file:
        pq.write_table(table(5, 2), file)
    with pytest.raises(InvalidInput, match="the pool's files"):
        build_index("memory://pool", tmp_path / "index", clusters=5)


def test_tar_files_of_a_bucket(bucket):
    source = open_source("memory://texts")
    items = [item for shard in source.shards() for batch in source.read(shard) for item in batch.items]
    assert items == ["a text", "another"]


def test_a_web_server(tmp_path):
    pytest.importorskip("aiohttp")
    (tmp_path / "served").mkdir()
    pq.write_table(table(50), tmp_path / "served" / "pool.parquet")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "served"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/pool.parquet"
        assert len(build_index(url, tmp_path / "index", clusters=3)) == 50
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("url", ["memory://nothing", "nonsense://pool"])
def test_nothing_there(url):
    with pytest.raises(InvalidData, match=r"memory://nothing does not exist|nonsense"):
        open_source(url)


def test_other_formats_are_refused(bucket):
    bucket.pipe_file("/lines/a.jsonl", b'{"text": "a"}\n')
    with pytest.raises(InvalidData, match="copy the others here first"):
        open_source("memory://lines")
    bucket.rm("/lines", recursive=True)


def test_private_data_is_not_read_from_a_url(bucket, blobs):
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=3)
    with pytest.raises(InvalidInput, match="owner's machine"):
        answer(index.probe(), "memory://pool", epsilon=1.0, ledger=blobs / "ledger.sqlite")


@pytest.mark.parametrize("failures", [2, 9])
def test_failed_reads_are_tried_again(blobs, monkeypatch, failures):
    monkeypatch.setattr(shards, "_WAITS", (0.0, 0.0, 0.0))
    left = [failures]
    write = shards._write

    def flaky(*arguments):
        if left[0] > 0:
            left[0] -= 1
            raise ReadFailed("pool.npy cannot be read: connection reset")
        return write(*arguments)

    monkeypatch.setattr(shards, "_write", flaky)
    if failures > 3:
        with pytest.raises(InvalidData, match="connection reset"):
            build_index(blobs / "pool.npy", blobs / "index", clusters=3)
    else:
        assert len(build_index(blobs / "pool.npy", blobs / "index", clusters=3)) == 1200
