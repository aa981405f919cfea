from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from nacl.signing import SigningKey

from proxyset.client.answer import answer as answer_counts
from proxyset.client.label_privacy import label_statement
from proxyset.client.look import check_questions
from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.cloud.label_questions import ask_labels, collect_labels
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.encoders import encoder_for
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.lineage import UNSIGNED
from proxyset.wire.questions import LabelRelease, Questions
from proxyset.wire.receipt import Claim, Receipt
from proxyset.wire.signing import public_half


@pytest.fixture
def drawn(blobs: Path) -> tuple[Index, ProxySet]:
    index = build_index(blobs / "pool.npy", blobs / "index", encoder="embeddings", clusters=6)
    return index, select(index, [], blobs / "proxy", budget=20, strategy="random")


def answer(asked: Questions, labels: list[int], epsilon: float = 1.0, key: bytes = b"") -> LabelRelease:
    """Signed with a key made of `key`; unsigned without one."""
    bare = LabelRelease(
        np.array(labels, np.int16), asked.fingerprint, asked.index, label_statement(len(labels), epsilon)
    )
    if not key:
        return bare
    signer = SigningKey(key * 32)
    claim = Claim(
        release=bare.fingerprint, probe=bare.probe, index=bare.index, server="", privacy=bare.privacy, policy="",
        head="c" * 64, key=public_half(signer),
    )  # fmt: skip
    return replace(bare, receipt=Receipt.sign(claim, signer).to_bytes())


def test_questions_are_the_proxy_set_in_order_of_rank(drawn: tuple[Index, ProxySet], blobs: Path) -> None:
    index, proxy = drawn
    asked = ask_labels(index, proxy, classes=["x", "y"], budget=7)
    assert asked.ids == proxy.selection().column("id").to_pylist()[:7]
    pool = np.load(blobs / "pool.npy")
    np.testing.assert_allclose(asked.X, pool[[int(name) for name in asked.ids]], atol=0.02)
    assert asked.encoder == index.manifest.encoder
    assert ask_labels(index, proxy, classes=["x", "y"]).proxy == asked.proxy


def test_impossible_questions(drawn: tuple[Index, ProxySet], blobs: Path) -> None:
    index, proxy = drawn
    with pytest.raises(InvalidInput, match="classes"):
        ask_labels(index, proxy)
    with pytest.raises(InvalidInput, match="budget"):
        ask_labels(index, proxy, classes=["x", "y"], budget=0)
    other = build_index(blobs / "pool.npy", blobs / "other", encoder="embeddings", clusters=5)
    with pytest.raises(InvalidInput, match="drawn from the index"):
        ask_labels(other, proxy, classes=["x", "y"])
    with pytest.raises(InvalidInput, match="not in the index"):
        index.embeddings(["0", "nobody"])


def test_collecting(drawn: tuple[Index, ProxySet]) -> None:
    index, proxy = drawn
    asked = ask_labels(index, proxy, classes=["x", "y,z"], budget=4)
    one = answer(asked, [0, 1, -1, 1], key=b"1")
    found = collect_labels(proxy, asked, one)
    assert found.labels == {asked.ids[0]: "x", asked.ids[1]: "y,z", asked.ids[3]: "y,z"}
    pool = np.load(proxy.folder.parent / "pool.npy")
    assert found.hashes == {name: sha256(pool[int(name)].tobytes()).hexdigest() for name in found.labels}
    three = [one, answer(asked, [0, 0, -1, -1], key=b"2"), answer(asked, [1, -1, 1, -1], key=b"3")]
    found = collect_labels(proxy, asked, three)
    assert found.labels == {
        asked.ids[0]: "x",
        asked.ids[2]: "y,z",
        asked.ids[3]: "y,z",
    }  # one and one: nobody wins
    assert len(found.lineage.costs) == len(found.receipts) == 3


def test_the_labels_saw_what_chose_the_items_too(drawn: tuple[Index, ProxySet], tmp_path: Path) -> None:
    index, _ = drawn
    release = answer_counts(index.probe(), tmp_path / "private.npy", epsilon=0.5, ledger=tmp_path / "ledger")
    proxy = select(index, release, tmp_path / "chosen", budget=20)
    asked = ask_labels(index, proxy, classes=["x", "y"])
    labels = answer(asked, [0, 1] * 10, 4.0, b"1")
    found = collect_labels(proxy, asked, labels)
    assert {draw.release for draw in found.lineage.draws} == {release.fingerprint, labels.fingerprint}
    with pytest.raises(InvalidInput, match="not about"):
        collect_labels(drawn[1], asked, labels)


def test_unsigned_answers_are_taken_by_name_alone(drawn: tuple[Index, ProxySet]) -> None:
    """An answer at ε = 4 whose header was rewritten to say 1: consistent in itself, and a lie."""
    index, proxy = drawn
    asked = ask_labels(index, proxy, classes=["x", "y"], budget=4)
    true = answer(asked, [0, 1, 1, 0], 4.0, b"1")
    lie = replace(true, privacy=label_statement(4, 1.0))
    with pytest.raises(ArtifactError, match="receipt in this release is for"):
        collect_labels(proxy, asked, lie, unsigned=True)
    with pytest.raises(InvalidInput, match=r"answer 2 has no receipt.*unsigned"):
        collect_labels(proxy, asked, [true, replace(lie, receipt=b"")])
    found = collect_labels(proxy, asked, replace(lie, receipt=b""), unsigned=True)
    assert [draw.owner for draw in found.lineage.draws] == [UNSIGNED]
    assert "unsigned" in found.lineage.words()


def test_answers_that_do_not_fit(drawn: tuple[Index, ProxySet]) -> None:
    index, proxy = drawn
    asked = ask_labels(index, proxy, classes=["x", "y"], budget=4)
    other = ask_labels(index, proxy, classes=["x", "y"], budget=3)
    with pytest.raises(InvalidInput, match="not to"):
        collect_labels(proxy, asked, answer(other, [0, 1, 1], key=b"1"))
    with pytest.raises(InvalidInput, match="no answer"):
        collect_labels(proxy, asked, [])
    one = answer(asked, [0] + [1] * (len(asked) - 1), key=b"1")
    for again in (one, answer(asked, [1, 1, 1, 1], key=b"1")):
        with pytest.raises(InvalidInput, match=r"1 and 2 are .*an owner has one vote"):
            collect_labels(proxy, asked, [one, again])
    bare = replace(one, receipt=b"")
    with pytest.raises(InvalidInput, match="the same"):
        collect_labels(proxy, asked, [bare, bare], unsigned=True)
    for labels in ([0, 1], [0, 1, 2, 0]):
        with pytest.raises(ArtifactError):
            collect_labels(proxy, asked, answer(asked, labels, key=b"1"))


def test_texts_and_pictures_travel_when_told_and_embeddings_never(
    drawn: tuple[Index, ProxySet], tmp_path: Path
) -> None:
    assert ask_labels(*drawn, classes=["x", "y"], budget=4, items=True).contents is None
    lines = [json.dumps({"id": str(n), "text": f"text number {n}, ö"}) for n in range(12)]
    (tmp_path / "pool.jsonl").write_text("\n".join(lines))
    index = build_index(tmp_path / "pool.jsonl", tmp_path / "texts", clusters=2)
    proxy = select(index, [], tmp_path / "set", budget=6, strategy="random")
    asked = ask_labels(index, proxy, classes=["x", "y"], budget=4, items=True)
    assert asked.contents == tuple(f"text number {name}, ö".encode() for name in asked.ids)
    assert ask_labels(index, proxy, classes=["x", "y"], budget=4).contents is None
    encoder = encoder_for(index.manifest.encoder)
    assert check_questions(asked, encoder) == 4
    assert check_questions(asked, encoder, first=2) == 2
