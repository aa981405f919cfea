from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.client.label_privacy import label_statement
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.container import pack, unpack
from proxyset.wire.questions import (
    QUESTIONS_LIMIT,
    LabelRelease,
    Questions,
    _LabelsHeader,
    _QuestionsHeader,
    check_label_statement,
)
from tests.client.asking import CLASSES, make_questions

SPEC = EncoderSpec(name="embeddings", dim=2)


def release(labels: list[int] | np.ndarray) -> LabelRelease:
    return LabelRelease(np.array(labels, np.int16), "c" * 64, "a" * 64, label_statement(len(labels), 1.0))


def test_questions_travel() -> None:
    asked = make_questions(40)
    again = Questions.from_bytes(asked.to_bytes())
    assert again.fingerprint == asked.fingerprint
    assert (again.ids, again.classes) == ([f"public/{n}" for n in range(40)], list(CLASSES))
    np.testing.assert_array_equal(again.X, asked.X)
    assert again.X.dtype == np.float32
    assert len(asked.data) < 40 * 2 * 2 + 40 * 16 + 1500  # float16


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(-6, 12), offset=st.floats(-1e6, 1e6))
def test_features_of_any_unit_survive(scale: float, offset: float) -> None:
    X = (np.random.default_rng(0).normal(size=(9, 2)) * 10.0**scale + offset).astype(np.float32)
    found = Questions.build(X, [str(n) for n in range(9)], CLASSES, SPEC, index="a" * 64, proxy="b" * 64).X
    spread = np.ptp(X.astype(np.float64), axis=0)
    assert (np.abs(found.astype(np.float64) - X) <= 1e-3 * spread + 1e-6 * np.abs(X)).all()


@pytest.mark.parametrize(
    ("count", "classes", "purpose"),
    [(0, CLASSES, ""), (2, ("a",), ""), (2, ("a", "a"), ""), (2, ("a", ""), ""), (2, CLASSES, "x" * 501)],
)
def test_impossible_questions(count: int, classes: tuple[str, ...], purpose: str) -> None:
    X = np.zeros((count, 2), np.float32)
    with pytest.raises(InvalidInput):
        Questions.build(
            X, [str(n) for n in range(count)], classes, SPEC, index="a" * 64, proxy="b" * 64, purpose=purpose
        )


def test_ids_must_be_different() -> None:
    with pytest.raises(ArtifactError, match="different ids"):
        Questions.build(
            np.zeros((2, 2), np.float32), ["x", "x"], CLASSES, SPEC, index="a" * 64, proxy="b" * 64
        )


def built(items: list[bytes] | None) -> Questions:
    X = np.zeros((3, 2), np.float32)
    return Questions.build(X, list("abc"), CLASSES, SPEC, index="a" * 64, proxy="b" * 64, items=items)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_items_travel(items: list[bytes]) -> None:
    asked = built(items)
    assert Questions.from_bytes(asked.to_bytes()).contents == tuple(items)
    assert built(None).contents is None
    assert asked.fingerprint != built(None).fingerprint


def test_items_that_do_not_fit() -> None:
    with pytest.raises(InvalidInput, match="2 items were given for 3"):
        built([b"x", b"y"])
    header, tensors = unpack(built([b"x", b"yy", b""]).data, _QuestionsHeader, "", QUESTIONS_LIMIT)
    for ends in ([1, 3], [1, 3, 4], [3, 1, 3], [-1, 3, 3]):
        with pytest.raises(ArtifactError, match="do not fit"):
            Questions.from_bytes(pack(header, tensors | {"items.ends": np.array(ends, np.int64)}))
    del tensors["items.ends"]
    with pytest.raises(ArtifactError, match="hold the tensors"):
        Questions.from_bytes(pack(header, tensors))


def test_labels_travel_and_their_size_depends_on_m_alone() -> None:
    answer = release([0, -1, 2])
    again = LabelRelease.from_bytes(answer.to_bytes())
    assert again.to_bytes() == answer.to_bytes()
    assert again.labels.tolist() == [0, -1, 2]
    assert again.fingerprint == answer.fingerprint
    assert len(release([0, 0, 0]).to_bytes()) == len(release([-1, 9, 300]).to_bytes())


@pytest.mark.parametrize("labels", [np.array([-2]), np.array([10_000]), np.zeros((2, 2)), np.zeros(0)])
def test_impossible_labels(labels: np.ndarray) -> None:
    header = _LabelsHeader(questions="c" * 64, index="a" * 64, privacy=label_statement(1, 1.0))
    with pytest.raises(ArtifactError):
        LabelRelease.from_bytes(pack(header, {"labels": labels.astype(np.int16)}))


def test_what_is_no_message_of_ours() -> None:
    for kind in (Questions, LabelRelease):
        for data in (b"", b"x" * 100, make_questions().to_bytes()[:-3], release([1]).to_bytes()[:-1]):
            with pytest.raises(ArtifactError):
                kind.from_bytes(data)
    with pytest.raises(ArtifactError):
        Questions.from_bytes(release([1]).to_bytes())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_byte_is_noticed_or_changes_nothing(data: st.DataObject) -> None:
    """What may pass is another way to write the same number."""
    for whole, kind in ((make_questions(3), Questions), (release([1, 2]), LabelRelease)):
        message = whole.to_bytes()
        changed = bytearray(message)
        changed[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
        try:
            found = kind.from_bytes(bytes(changed))
        except ArtifactError:
            continue
        same = replace(found, data=message) if kind is Questions else found
        assert repr(same) == repr(whole)


def test_a_message_of_another_kind_says_what_it_is() -> None:
    data = release([0, 1]).to_bytes()
    with pytest.raises(ArtifactError, match=r"not a set of questions: its schema is 'proxyset\.labels/1'"):
        Questions.from_bytes(data)


STATEMENTS = [
    {},
    {"adjacency": "replace-one"},
    {"unit": "person", "max_records": 4},
    {"rule": "private-knn"},
    {"rule": "private-knn", "screening": 0.3, "neighbours": 50},
]


@pytest.mark.parametrize("options", STATEMENTS, ids=str)
@pytest.mark.parametrize("questions", [1, 60, 3000])
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 40.0])
def test_what_a_client_states_of_labels_passes(options: dict, questions: int, epsilon: float) -> None:  # type: ignore[type-arg]
    check_label_statement(label_statement(questions, epsilon, **options), questions)


@pytest.mark.parametrize("options", STATEMENTS, ids=str)
def test_labels_whose_numbers_do_not_follow_from_each_other_are_refused(options: dict) -> None:  # type: ignore[type-arg]
    true = label_statement(60, 4.0, **options)
    less = true.voting.model_copy(update={"sigma": 10 * true.voting.sigma})
    other = label_statement(600, 4.0, **options)
    for change in (
        {"epsilon": 1e-9},
        {"epsilon": 3.5},
        {"rho": true.rho / 2},
        {"voting": less},
        {"voting": other.voting, "rho": other.rho},
        {"neighbours": 61, "rule": "bounded-votes"},
        {"screening": label_statement(60, 4.0, rule="private-knn", screening=0.1).screening},
    ):
        false = true.model_copy(update=change)
        answer = LabelRelease(np.zeros(60, np.int16), "c" * 64, "a" * 64, false)
        with pytest.raises(ArtifactError):
            LabelRelease.from_bytes(answer.to_bytes())
