from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from proxyset.client.label_privacy import label_statement
from proxyset.client.look import check_questions
from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.cloud.label_questions import ask_labels, collect_labels, labels_csv
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.encoders import encoder_for
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.questions import LabelRelease, Questions


@pytest.fixture
def drawn(blobs: Path) -> tuple[Index, ProxySet]:
    index = build_index(blobs / "pool.npy", blobs / "index", encoder="embeddings", clusters=6)
    return index, select(index, [], blobs / "proxy", budget=20, strategy="random")


def answer(asked: Questions, labels: list[int]) -> LabelRelease:
    return LabelRelease(
        np.array(labels, np.int16), asked.fingerprint, asked.index, label_statement(len(labels), 1.0)
    )


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
    with pytest.raises(InvalidInput, match="--classes"):
        ask_labels(index, proxy)
    with pytest.raises(InvalidInput, match="--budget"):
        ask_labels(index, proxy, classes=["x", "y"], budget=0)
    other = build_index(blobs / "pool.npy", blobs / "other", encoder="embeddings", clusters=5)
    with pytest.raises(InvalidInput, match="drawn from the index"):
        ask_labels(other, proxy, classes=["x", "y"])
    with pytest.raises(InvalidInput, match="not in the index"):
        index.embeddings(["0", "nobody"])


def test_collecting(drawn: tuple[Index, ProxySet]) -> None:
    asked = ask_labels(*drawn, classes=["x", "y,z"], budget=4)
    one = answer(asked, [0, 1, -1, 1])
    assert collect_labels(asked, one) == {asked.ids[0]: "x", asked.ids[1]: "y,z", asked.ids[3]: "y,z"}
    three = [one, answer(asked, [0, 0, -1, -1]), answer(asked, [1, -1, 1, -1])]
    found = collect_labels(asked, three)
    assert found == {asked.ids[0]: "x", asked.ids[2]: "y,z", asked.ids[3]: "y,z"}  # one and one: nobody wins
    assert labels_csv({"a": "y,z"}) == b'id,label\r\na,"y,z"\r\n'


def test_answers_that_do_not_fit(drawn: tuple[Index, ProxySet]) -> None:
    asked = ask_labels(*drawn, classes=["x", "y"], budget=4)
    other = ask_labels(*drawn, classes=["x", "y"], budget=3)
    with pytest.raises(InvalidInput, match="not to"):
        collect_labels(asked, answer(other, [0, 1, 1]))
    with pytest.raises(InvalidInput, match="no answer"):
        collect_labels(asked, [])
    one = answer(asked, [0] + [1] * (len(asked) - 1))
    with pytest.raises(InvalidInput, match="one owner"):
        collect_labels(asked, [one, one])
    for labels in ([0, 1], [0, 1, 2, 0]):
        with pytest.raises(ArtifactError):
            collect_labels(asked, answer(asked, labels))


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
