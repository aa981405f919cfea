"""A server is held to the index it committed to, and its items are what it says they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.client.look import TOLERANCE, check_items, write_items
from proxyset.client.policy import adopt
from proxyset.encoders import load_encoder
from proxyset.encoders.encoder import Encoder, EncoderSpec
from proxyset.errors import InvalidInput, LedgerError, Refused
from proxyset.wire.medoids import encode
from proxyset.wire.merkle import HashTree, item_leaf
from proxyset.wire.probe import Probe
from tests.client.conftest import make_probe
from tests.client.test_ledger import tamper


def committed(
    E: np.ndarray,
    spec: EncoderSpec,
    chosen: list[int],
    contents: list[bytes] | None = None,
    purpose: str = "",
) -> Probe:
    """A probe of the rows `chosen` of an index with embeddings E."""
    tree = HashTree.grow(item_leaf(f"item {row}", x) for row, x in enumerate(E))
    names = [f"item {row}" for row in chosen]
    medoids = encode(tree, np.array(chosen), names, E[chosen], contents)
    return Probe.build_of_medoids(medoids, spec, "a" * 64, purpose=purpose)


def of_index(seed: int, chosen: list[int]) -> Probe:
    E = np.random.default_rng(seed).normal(size=(9, 3)).astype(np.float32)
    return committed(E, EncoderSpec(name="embeddings", dim=3), chosen)


def test_the_first_commitment_is_pinned(X: np.ndarray, ledger: Ledger) -> None:
    options = {"epsilon": 0.3, "ledger": ledger, "server": "s"}
    answer(make_probe(), X, **options, dataset="X")  # a server without a commitment is not held to any
    answer(of_index(1, [0, 4]), X, **options, dataset="X")
    assert [e.kind for e in ledger.entries()][-3:] == ["pin", "debit", "release"]
    answer(of_index(1, [2, 3, 8]), X, **options, dataset="X")  # another part of the same index
    before = ledger.entries()
    for other in (of_index(2, [0, 4]), make_probe(seed=7)):
        with pytest.raises(Refused, match="pinned to the index"):
            answer(other, X, **options, dataset="X")
    assert ledger.entries() == before
    answer(of_index(2, [0, 4]), X, epsilon=0.3, ledger=ledger, server="another", dataset="X")
    answer(of_index(2, [0, 4]), X, **options, new_index=True, dataset="X")
    with pytest.raises(Refused, match="pinned"):
        answer(of_index(1, [5]), X, **options, dataset="X")
    pins = [e.server for e in ledger.entries() if e.kind == "pin"]
    assert pins == ["s", "another", "s"]
    ledger.verify()


def test_a_refused_probe_pins_nothing(X: np.ndarray, ledger: Ledger) -> None:
    before = ledger.entries()
    with pytest.raises(InvalidInput):
        answer(of_index(1, [0]), X, epsilon=1, ledger=ledger)
    assert ledger.entries() == before


def test_a_changed_pin_is_found(X: np.ndarray, ledger: Ledger) -> None:
    answer(of_index(1, [0]), X, epsilon=0.3, ledger=ledger, dataset="X")
    tamper(ledger.path, "UPDATE blobs SET data = CAST('" + "0" * 64 + "' AS BLOB) WHERE seq = 2")
    with pytest.raises(LedgerError, match="pin of ledger entry 2"):
        answer(of_index(2, [0]), X, epsilon=0.3, ledger=ledger, dataset="X")
    with pytest.raises(LedgerError, match="pin of ledger entry 2"):
        ledger.verify()


def test_a_policy_may_demand_medoids(X: np.ndarray, ledger: Ledger) -> None:
    adopt(ledger, b'unit = "record"\nencoders = "any"\nmedoids = true')
    with pytest.raises(Refused, match="only probes of medoids"):
        answer(make_probe(), X, epsilon=0.3, ledger=ledger, dataset="X")
    answer(of_index(1, [0, 1]), X, epsilon=0.3, ledger=ledger, dataset="X")


def picture(seed: int, form: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, size=(28, 28)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def hog() -> Encoder:
    return load_encoder("hog")


def shown(hog: Encoder, contents: list[bytes], claimed: np.ndarray | None = None) -> Probe:
    E = hog.encode([picture(n) for n in range(5)]).embeddings if claimed is None else claimed
    return committed(E, hog.spec, list(range(len(contents))), contents, purpose="<script>alert(1)</script>")


def test_items_are_encoded_again(hog: Encoder) -> None:
    E = hog.encode([picture(n) for n in range(5)]).embeddings
    rounded = E.astype(np.float16).astype(np.float32)
    contents = [picture(n) for n in range(3)]
    assert check_items(shown(hog, contents, rounded), hog) == 3
    assert check_items(make_probe(), hog) == 0
    noise = np.random.default_rng(0).normal(size=E.shape)
    noise *= np.linalg.norm(E, axis=1, keepdims=True) / np.linalg.norm(noise, axis=1, keepdims=True)
    near, far = E + 0.9 * TOLERANCE * noise, E + 1.1 * TOLERANCE * noise
    assert check_items(shown(hog, contents, near.astype(np.float32)), hog) == 3
    with pytest.raises(Refused, match="not what it claims"):
        check_items(shown(hog, contents, far.astype(np.float32)), hog)


@pytest.mark.parametrize(
    ("content", "why"),
    [(picture(9), "not what it claims"), (b"no picture", "cannot be encoded"), (b"", "cannot")],
)
def test_one_item_of_another_kind_is_refused_before_the_data_is_read(
    content: bytes, why: str, hog: Encoder, ledger: Ledger, tmp_path: Path
) -> None:
    """The folder's only picture is corrupt: it must be the probe that is complained about."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a.png").write_bytes(b"corrupt")
    before = ledger.entries()
    with pytest.raises(Refused, match=why):
        answer(shown(hog, [picture(0), content]), tmp_path / "private", epsilon=1, ledger=ledger)
    assert ledger.entries() == before


def test_looking(hog: Encoder, tmp_path: Path) -> None:
    files = write_items(shown(hog, [picture(0), picture(1, "JPEG"), b"<b>text</b>"]), tmp_path / "out")
    assert [file.name for file in files] == ["00000.png", "00001.png", "00002.txt"]
    with Image.open(files[0]) as image:
        assert image.size == (28, 28)
    page = (tmp_path / "out" / "index.html").read_text()
    assert (
        "&lt;script&gt;" in page and "<script>" not in page and "&lt;b&gt;text" in page and "item 1" in page
    )
    for probe in (make_probe(), of_index(1, [0])):
        with pytest.raises(InvalidInput, match="nothing to look at"):
            write_items(probe, tmp_path / "none")


def test_the_command(command, hog: Encoder, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "probe").write_bytes(shown(hog, [picture(0), picture(1)]).to_bytes())
    status, facts, _ = command("client", "look", tmp_path / "probe", "--out", tmp_path / "items", "--json")
    assert (status, facts["items"]) == (0, 2)
    assert (tmp_path / "items" / "index.html").exists()
    (tmp_path / "liar").write_bytes(shown(hog, [picture(1), picture(0)]).to_bytes())
    assert command("client", "look", tmp_path / "liar", "--out", tmp_path / "lies")[0] == 3
    assert not (tmp_path / "lies").exists()
