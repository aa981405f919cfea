import http.server
import io
import threading
from functools import partial

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from proxyset.client.answer import answer
from proxyset.cloud import shards
from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select
from proxyset.cloud.store import place
from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources import fetch, open_source
from proxyset.sources.files import ReadFailed
from proxyset_lab.speed.s3 import s3_server

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


def picture(number):
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (number * 20, 90, 255 - number * 20)).save(data, "PNG")
    return data.getvalue()


def npy(X):
    data = io.BytesIO()
    np.save(data, X)
    return data.getvalue()


def parquet(found):
    data = io.BytesIO()
    pq.write_table(found, data)
    return data.getvalue()


X = np.random.default_rng(0).normal(size=(12, 3))
CELLS = "\n".join(f"{row},{row % 3},{row * 7 % 5}.5" for row in range(12))
FORMS = {
    "pictures": {f"{kind}/{n}.png": picture(n + 6 * (kind == "b")) for kind in "ab" for n in range(6)},
    "json lines": {
        "a.jsonl": b"".join(
            b'{"text": "number %d of \xc3\xa4", "label": "%d"}\n' % (n, n % 2) for n in range(12)
        )
    },
    "csv of texts": {"a.csv": b"id,text\n" + b"".join(b"%d,text %d\n" % (n, n) for n in range(12))},
    "csv": {"a.csv": f"id,color,size\n{CELLS}\n".encode()},
    "npy": {"2.npy": npy(X[:5].astype(">f4")), "10.npy": npy(X[5:].astype(np.float16))},
    "clip-retrieval": {
        "img_emb/img_emb_0.npy": npy(X.astype(np.float16)),
        "metadata/metadata_0.parquet": parquet(pa.table({"caption": ["c"] * 12, "id": list("abcdefghijkl")})),
    },
}


def batches(source):
    return [
        (
            batch.ids,
            np.asarray(batch.items).tolist() if source.kind != "table" else batch.items.to_pylist(),
            batch.columns,
        )
        for shard in source.shards()
        for batch in source.read(shard)
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("store", ["memory", "s3"])
def test_every_form_is_read_from_a_url_as_from_a_folder(form, store, tmp_path, request):
    if store == "memory":
        url, files = f"memory://{tmp_path.name}", fsspec.filesystem("memory")
        put = lambda name, data: files.pipe_file(f"/{tmp_path.name}/{name}", data)  # noqa: E731
    else:
        url = f"{request.getfixturevalue('s3')}/{tmp_path.name}"
        put = lambda name, data: (place(url) / name).put(data)  # noqa: E731
    for name, data in FORMS[form].items():
        put(name, data)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    there, here = (open_source(where, shard_size=5) for where in (url, str(tmp_path)))
    assert (there.kind, there.files, there.shards()) == (here.kind, here.files, here.shards())
    assert batches(there) == batches(here)
    wanted = {shard.number: [batch.ids[-1] for batch in here.read(shard)] for shard in here.shards()}
    found, expected = dict(fetch(there, wanted)), dict(fetch(here, wanted))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    with s3_server(tmp_path_factory.mktemp("server") / "objects") as bucket:
        yield bucket


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (npy(np.asfortranarray(X)), "Fortran order"),
        (npy(X)[:-1], "too few"),
        (npy(X)[:20], "npy"),
        (b"not an array", "magic"),
        (npy(X + 1j), "complex"),
        (npy(X[0]), "shape"),
    ],
)
def test_an_array_that_cannot_be_read_from_a_url(data, said):
    fsspec.filesystem("memory").pipe_file("/arrays/a.npy", data)
    with pytest.raises(InvalidData, match=f"memory://arrays/a.npy.*{said}"):
        open_source("memory://arrays/a.npy")


def test_a_store_that_fails_is_said(s3, monkeypatch):
    """Errors of obstore are no errors of the system."""
    (place(s3) / "fails/a.jsonl").put(b'{"text": "a"}\n')
    source = open_source(f"{s3}/fails")

    def broken(*_, **__):
        from obstore.exceptions import GenericError

        raise GenericError("connection reset\nand much more")

    monkeypatch.setattr("proxyset.sources.remote.RemotePath.part", broken)
    with pytest.raises(ReadFailed, match=r"s3://bucket/fails/a.jsonl cannot be read: connection reset$"):
        list(source.read(source.shards()[0]))


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
