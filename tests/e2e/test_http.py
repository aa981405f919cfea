"""Cloud and client as two processes over HTTP."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace

import httpx2
import numpy as np
import pytest
from nacl.signing import SigningKey

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.client.receipts import make_key
from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import select
from proxyset.errors import ArtifactError, TransportError
from proxyset.server.submission import check_release
from proxyset.transport.http import Http
from proxyset.wire.probe import Probe
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import Release
from proxyset.wire.signing import public_half


def exchange(transport, data, **options):
    """What `proxyset client pull` does."""
    probe = Probe.from_bytes(transport.pull())
    release = answer(probe, data, **options)
    transport.push(release.to_bytes())
    return probe, release


PROGRAM = [sys.executable, "-c", "from proxyset.cli import main; main()"]


@contextmanager
def serving(folder):
    arguments = ["serve", folder / "index", "--port", "0", "--releases", folder / "releases", "--json"]
    process = subprocess.Popen([*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 8)) * 6
    np.save(
        folder / "pool.npy", (centres[np.arange(1200) % 6] + rng.normal(size=(1200, 8))).astype(np.float32)
    )
    np.save(
        folder / "private.npy", (centres[np.arange(400) % 2] + rng.normal(size=(400, 8))).astype(np.float32)
    )
    build_index(folder / "pool.npy", folder / "index", clusters=12)
    with serving(folder) as server:
        yield folder, server


def test_two_processes_exchange_a_probe_and_a_release(cloud, tmp_path):
    folder, server = cloud
    ledger = tmp_path / "ledger.sqlite"
    arguments = [
        "client",
        "pull",
        server["url"],
        "--data",
        folder / "private.npy",
        "--epsilon",
        1,
        "--ledger",
        ledger,
        "--hold",
        0.2,
    ]
    results = []
    for _ in range(2):  # the second is a replay
        client = subprocess.run(
            [*PROGRAM, *map(str, arguments), "--json"], capture_output=True, text=True, check=True
        )
        results.append(json.loads(client.stdout))
    first, second = results
    assert first["debited_rho"] > 0 == second["debited_rho"]
    assert first["release"] == second["release"]
    files = list((folder / "releases").glob("*.safetensors"))
    assert [path.stem for path in files] == [first["release"]]
    assert files[0].stat().st_size == first["bytes_up"]
    assert first["bytes_down"] == server["bytes"]
    release = Release.from_bytes(files[0].read_bytes())
    proxy = select(Index.open(folder / "index"), release, tmp_path / "proxy", budget=200, strategy="ecos")
    ids = proxy.selection().column("id").to_pylist()
    assert np.mean([int(item) % 6 < 2 for item in ids]) > 0.9
    debits = [entry for entry in Ledger.open(ledger).entries() if entry.kind == "debit"]
    assert [(entry.server, entry.probe) for entry in debits] == [(server["url"], first["probe"])]


def test_the_server_takes_only_releases_for_its_probe(cloud):
    folder, server = cloud
    url = server["url"] + "/v1/releases"
    probe = Probe.from_bytes(Http(server["url"]).pull())
    before = set((folder / "releases").glob("*"))
    good = next(iter(before), None)
    release = Release.from_bytes(good.read_bytes()) if good else None
    bad = [b"", b"x" * 100, b"\0" * 8, b"\xff" * 2000]
    if release is not None:
        bad += [
            Release(release.counts, "0" * 64, release.index, release.privacy).to_bytes(),
            Release(release.counts, release.probe, "0" * 64, release.privacy).to_bytes(),
            Release(release.counts[:-1], release.probe, release.index, release.privacy).to_bytes(),
            Release(release.counts + 2**60, release.probe, release.index, release.privacy).to_bytes(),
            Release(
                release.counts + np.iinfo(np.int64).min, release.probe, release.index, release.privacy
            ).to_bytes(),
        ]
    for body in bad:
        answer = httpx2.post(url, content=body)
        assert answer.status_code == 422, answer.text
    assert httpx2.post(url, content=b"x" * 200_000).status_code == 413
    assert httpx2.get(server["url"] + "/healthz").json() == {"status": "ok", "probe": probe.fingerprint}
    assert httpx2.get(server["url"] + "/docs").status_code == 404
    assert set((folder / "releases").glob("*")) == before


def test_the_same_release_sent_at_once_is_stored_once(cloud, tmp_path):
    folder, server = cloud
    probe = Probe.from_bytes(Http(server["url"]).pull())
    sent = answer(probe, folder / "private.npy", epsilon=0.3, ledger=tmp_path / "ledger").to_bytes()
    threads = [threading.Thread(target=Http(server["url"]).push, args=(sent,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    name = Release.from_bytes(sent).fingerprint
    assert [path.read_bytes() for path in (folder / "releases").glob(f"{name}*")] == [sent]
    assert not list((folder / "releases").glob(".*"))


def test_a_server_that_is_not_there(tmp_path, blobs):
    with pytest.raises(TransportError, match="cannot reach"):
        exchange(
            Http("http://127.0.0.1:9", attempts=1),
            blobs / "private.npy",
            epsilon=1,
            ledger=tmp_path / "ledger",
        )
    assert not (tmp_path / "ledger").exists()


def test_a_release_for_another_probe_is_refused(blobs):
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=12)
    release = answer(index.probe(), blobs / "private.npy", epsilon=1, ledger=blobs / "ledger").to_bytes()
    assert check_release(release, index.probe()).probe == index.probe().fingerprint
    with pytest.raises(ArtifactError, match="answers probe"):
        check_release(release, index.probe(dtype="int8"))


def test_the_receipt_travels_and_is_kept(cloud, tmp_path, command):
    """First without a key, then with one: the server adds the receipt to what it has, and either side verifies it."""
    folder, server = cloud
    ledger, http = Ledger.open(tmp_path / "ledger"), Http(server["url"])
    options = {"epsilon": 0.2, "ledger": ledger, "server": server["url"], "dataset": "receipts"}
    _, bare = exchange(http, folder / "private.npy", **options)
    kept = folder / "releases" / f"{bare.fingerprint}.safetensors"
    assert kept.read_bytes() == bare.to_bytes()
    key = make_key(ledger)
    _, signed = exchange(http, folder / "private.npy", **options)
    assert (signed.fingerprint, ledger.account().debits) == (bare.fingerprint, 1)
    assert kept.read_bytes() == signed.to_bytes() != bare.to_bytes()
    assert command("client", "verify", kept, "--key", key, "--ledger", ledger.path)[0] == 0
    # a receipt is neither taken away nor replaced, and one for another release is not taken in
    http.push(bare.to_bytes())
    http.push(replace(signed, receipt=forged(signed)).to_bytes())
    assert kept.read_bytes() == signed.to_bytes()
    with pytest.raises(TransportError, match="422"):
        http.push(replace(signed, counts=signed.counts + 1).to_bytes())


def forged(release):
    """A valid receipt for the same release, by somebody else's key."""
    key = SigningKey.generate()
    claim = Receipt.of(release).claim.model_copy(update={"key": public_half(key)})
    return Receipt.sign(claim, key).to_bytes()
