"""A function as an encoder: tried before anything is read, and called for one private record at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from proxyset.encoders import Encoded, EncoderSpec, FunctionEncoder, encoder_for, load_encoder
from proxyset.encoders.function import NamedFunction
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.sources.memory import open_memory

TEXTS = ["river stone", "stone", "ledger and river", "violet", "a river of stone"]
PICTURES = [Image.fromarray(np.full((8, 9, 3), value, np.uint8)) for value in (0, 90, 200)]
ROWS = [{"age": 39.0, "ward": "01"}, {"age": None, "ward": "E11"}, {"age": 7.0, "ward": None}]


def lengths(texts: list[str]) -> np.ndarray:
    return np.array([[len(text), text.count("r")] for text in texts])


def means(pictures: list[Image.Image]) -> np.ndarray:
    return np.array([np.asarray(picture, float).mean(axis=(0, 1)) for picture in pictures])


def cells(rows: list[dict[str, Any]]) -> list[list[float]]:
    return [[row["age"] or 0.0, float(row["ward"] == "E11")] for row in rows]


@pytest.mark.parametrize(
    ("pool", "function", "dim"),
    [
        (TEXTS, lengths, 2),
        (PICTURES, means, 3),
        (ROWS, cells, 2),
        (np.arange(12.0).reshape(4, 3), lambda X: X[:, :2] * 2, 2),
    ],
    ids=["texts", "pictures", "tables", "embeddings"],
)
def test_both_sides_compute_the_same(pool: Any, function: Any, dim: int) -> None:
    source = open_memory(pool)
    phi = FunctionEncoder("mine, v1", function)
    ours = load_encoder(phi, source=source)
    theirs = encoder_for(ours.spec, local=phi)
    assert ours.spec.fingerprint == theirs.spec.fingerprint and ours.spec.dim == dim
    batch = next(source.read(source.shards()[0]))
    np.testing.assert_array_equal(ours.encode(batch.items).embeddings, theirs.encode(batch.items).embeddings)


def test_private_records_come_one_by_one_in_objects_of_their_own() -> None:
    seen: list[Any] = []

    def greedy(texts: list[str]) -> np.ndarray:
        seen.append(list(texts))
        features = lengths(texts)
        texts.clear()
        return features

    phi = FunctionEncoder("greedy", greedy)
    spec = phi.fitted(open_memory(TEXTS)).spec
    encoder = encoder_for(spec, local=phi)
    seen.clear()
    encoder.encode(TEXTS)
    assert seen == [[text] for text in TEXTS]


def test_whatever_the_function_does_with_a_record_is_that_records_affair() -> None:
    def careless(texts: list[str]) -> Any:
        match texts[0]:
            case "raise":
                raise RuntimeError("no")
            case "exit":
                raise SystemExit(1)
            case "none":
                return None
            case "text":
                return [["a", "b"]]
            case "wide":
                return np.zeros((1, 5))
            case "more":
                return np.zeros((2, 2))
            case "nan":
                return np.array([[np.nan, 0]])
            case "ragged":
                return [[1, 2], [3]]
        return lengths(texts)

    phi = FunctionEncoder("careless", careless)
    encoder = encoder_for(phi.fitted(open_memory(TEXTS)).spec, local=phi)
    evil = ["raise", "exit", "none", "text", "wide", "more", "nan", "ragged"]
    found = encoder.encode([*evil, 7, *TEXTS])
    assert set(found.problems) == set(range(9))
    np.testing.assert_array_equal(found.embeddings[9:], lengths(TEXTS))
    assert not found.embeddings[:9].any()


def test_a_torch_model_is_a_function() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 2)
    phi = FunctionEncoder("linear", lambda X: model(torch.from_numpy(X)))
    spec = phi.fitted(open_memory(np.ones((5, 3), np.float32))).spec
    assert encoder_for(spec, local=phi).encode(np.ones((2, 3))).embeddings.shape == (2, 2)


def test_dropout_is_found_before_anything_is_read() -> None:
    rng = np.random.default_rng(0)
    phi = FunctionEncoder("dropout", lambda texts: lengths(texts) * (1 + 1e-6 * rng.normal()))
    with pytest.raises(InvalidData, match="other features each time"):
        phi.fitted(open_memory(TEXTS))
    calm = FunctionEncoder("dropout", lengths).fitted(open_memory(TEXTS)).spec
    with pytest.raises(EncoderMismatch, match="other features each time"):
        encoder_for(calm, local=phi)


def test_a_mean_over_the_batch_is_found() -> None:
    phi = FunctionEncoder("centred", lambda texts: lengths(texts) - lengths(texts).mean(axis=0))
    with pytest.raises(InvalidData, match="stands alone"):
        phi.fitted(open_memory(TEXTS))


def test_another_function_of_the_same_name_is_refused() -> None:
    spec = FunctionEncoder("mine", lengths).fitted(open_memory(TEXTS)).spec
    with pytest.raises(EncoderMismatch, match="self-test's features differ"):
        encoder_for(spec, local=FunctionEncoder("mine", lambda texts: lengths(texts) + 1))
    with pytest.raises(EncoderMismatch, match="3 features here, 2 on the other side"):
        encoder_for(spec, local=FunctionEncoder("mine", lambda texts: np.ones((len(texts), 3))))
    with pytest.raises(EncoderMismatch, match="called 'other'"):
        encoder_for(spec, local=FunctionEncoder("other", lengths))
    with pytest.raises(EncoderMismatch, match=r"FunctionEncoder\('mine', function\)"):
        encoder_for(spec)
    with pytest.raises(EncoderMismatch, match="fails on a public item: KeyError"):
        encoder_for(spec, local=FunctionEncoder("mine", lambda texts: {}["no"]))


def test_a_spec_that_does_not_fit_together_is_refused() -> None:
    phi = FunctionEncoder("mine", lengths)
    spec = phi.fitted(open_memory(TEXTS)).spec
    for wrong in ({"item": 7.0}, {"item": None}, {"takes": "sound"}, {"features": []}, {"version": 2}):
        with pytest.raises(EncoderMismatch, match="cannot use"):
            encoder_for(spec.model_copy(update={"params": spec.params | wrong}), local=phi)


def test_what_is_no_encoder_is_named() -> None:
    source = open_memory(TEXTS)
    with pytest.raises(InvalidInput, match="a function has no name"):
        load_encoder(lengths, source=source)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="not int"):
        load_encoder(7, source=source)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no function"):
        FunctionEncoder("mine", 7)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="printable"):
        FunctionEncoder("", lengths)
    with pytest.raises(InvalidData, match="fails on the pool's first items: ValueError"):
        load_encoder(FunctionEncoder("mine", lambda texts: float("x")), source=source)


def test_a_table_is_read_by_the_columns_of_the_pool() -> None:
    phi = FunctionEncoder("cells", cells)
    spec = phi.fitted(open_memory(ROWS)).spec
    encoder = encoder_for(spec, local=phi)
    assert isinstance(encoder, NamedFunction) and encoder.params.columns == {"age": "number", "ward": "text"}
    written = pa.table({"ward": ["E11", "x", "01"], "age": ["39", "old", ""]})  # as a CSV file has them
    found = encoder.encode(written)
    np.testing.assert_array_equal(found.embeddings, [[39, 1], [0, 0], [0, 0]])
    assert list(found.problems) == [1] and "no number" in found.problems[1]
    assert len(encoder.encode(written.select(["age"])).problems) == 3


def test_an_object_that_encodes_is_guarded_as_a_strangers_is() -> None:
    class Lengths:
        kind = "text"
        spec = EncoderSpec(name="lengths", dim=2)

        def encode(self, items: list[str]) -> Encoded:
            return Encoded(lengths(items).astype(np.float32))

    encoder = load_encoder(Lengths(), source=open_memory(TEXTS))
    found = encoder.encode([*TEXTS, None])
    np.testing.assert_array_equal(found.embeddings[:-1], lengths(TEXTS))
    assert list(found.problems) == [5]
