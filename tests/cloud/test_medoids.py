import numpy as np
import pytest

from proxyset.client.answer import answer
from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.cloud.medoids import nearest_items
from proxyset.cloud.proxy_set import select
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.nearest import nearest_centroid
from proxyset.wire.medoids import decode, encode
from proxyset.wire.merkle import HashTree, item_leaf
from proxyset.wire.probe import Probe


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_nearest_items_equal_a_loop(block):
    rng = np.random.default_rng(0)
    Z, C = rng.normal(size=(300, 5)).astype(np.float32), rng.normal(size=(40, 5)).astype(np.float32)
    rows = nearest_items((Z[at : at + block] for at in range(0, 300, block)), C)
    expected = [np.square(Z.astype(float) - c).sum(axis=1).argmin() for c in C]
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("dim", [None, 5])
def test_a_probe_of_medoids_holds_items_of_the_index(blobs, dim):
    build_index(blobs / "pool.npy", blobs / "index", clusters=12, dim=dim, medoids=True)
    index = Index.open(blobs / "index")
    probe = Probe.from_bytes(index.probe().to_bytes())
    pool = np.load(blobs / "pool.npy")
    assert probe.medoids.commitment == index.manifest.commitment
    assert probe.medoids.items == 1200
    for name, embedding in zip(probe.medoids.ids, probe.medoids.embeddings, strict=True):
        np.testing.assert_allclose(embedding, pool[int(name)], rtol=1e-3, atol=1e-3)
    labels = nearest_centroid(probe.project(pool), probe.centroids)
    assert (labels == index.candidates().clusters).mean() > 0.995
    release = answer(probe, blobs / "private.npy", epsilon=1, ledger=blobs / "ledger")
    ids = (
        select(index, release, blobs / "proxy", budget=100, strategy="ecos")
        .selection()
        .column("id")
        .to_pylist()
    )
    assert np.mean([int(item) % 6 < 2 for item in ids]) > 0.9


def test_medoids_travel_in_full_precision_only(blobs):
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=12, medoids=True)
    with pytest.raises(InvalidInput, match="float32"):
        index.probe(dtype="int8")


def test_the_commitment_is_to_the_whole_index(blobs):
    one = build_index(blobs / "pool.npy", blobs / "one", clusters=5, medoids=True)
    again = build_index(blobs / "pool.npy", blobs / "two", clusters=9, seed=3, medoids=True)
    assert one.manifest.commitment == again.manifest.commitment  # other centroids, the same items
    pool = np.load(blobs / "pool.npy")
    pool[700, 0] += 1
    np.save(blobs / "changed.npy", pool)
    other = build_index(blobs / "changed.npy", blobs / "three", clusters=5, medoids=True)
    assert other.manifest.commitment != one.manifest.commitment


@pytest.fixture
def committed():
    embeddings = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    tree = HashTree.grow([item_leaf(str(row), embeddings[row]) for row in range(9)])
    return tree, embeddings


def build(tree, embeddings, rows, ids=None, contents=None):
    rows = np.array(rows, np.int64)
    names = ids or [str(row) for row in rows]
    medoids = encode(tree, rows, names, embeddings[rows], contents)
    return Probe.build_of_medoids(medoids, EncoderSpec(name="embeddings", dim=4), "ab" * 32)


def test_items_travel_with_their_medoids(committed):
    probe = build(*committed, [3, 0, 3], contents=[b"three", b"", b"drei"])
    assert probe.medoids.contents == (b"three", b"", b"drei")
    assert build(*committed, [3]).medoids.contents is None


def test_items_that_were_not_committed_to_are_refused(committed):
    tree, embeddings = committed
    with pytest.raises(ArtifactError, match="not in the index that the server committed to"):
        build(tree, embeddings + np.float32(1e-6), [3])
    with pytest.raises(ArtifactError, match="medoid 1 "):
        build(tree, embeddings, [3, 4], ids=["3", "5"])
    crafted = np.vstack([embeddings, np.ones((1, 4), np.float32)])
    with pytest.raises((ArtifactError, IndexError)):
        build(tree, crafted, [9])


def test_an_index_of_one_item():
    embeddings = np.ones((1, 4), np.float32)
    tree = HashTree.grow([item_leaf("0", embeddings[0])])
    assert build(tree, embeddings, [0]).clusters == 1


def test_sizes_of_items_need_one_dimension(committed):
    tree, embeddings = committed
    rows = np.array([3], np.int64)
    commitment, tensors = encode(tree, rows, ["3"], embeddings[rows], [b"three"])
    for ends in (np.array(5, np.int64), np.array([[5]], np.int64), np.array([], np.int64)):
        with pytest.raises(ArtifactError, match="do not fit"):
            decode(commitment, tensors | {"medoids.ends": ends}, 1, 4)
