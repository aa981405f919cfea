"""What records must be, told from an encoder's specification alone."""

from __future__ import annotations

import pytest

from proxyset.agent.needs import KINDS, needs_of
from proxyset.encoders.catalogue import NAMES
from proxyset.encoders.encoder import EncoderSpec
from tests.e2e.worlds import table_probe


def test_every_encoder_is_known():
    assert set(KINDS) == set(NAMES) - {"auto", "hf"}
    for kind in ("text", "image"):  # what an encoder of the hub takes stands in its parameters
        spec = EncoderSpec(name="hf", dim=3, params={"takes": kind, "weights_sha256": "a" * 64})
        assert needs_of(spec).kind == kind and "a" * 64 in needs_of(spec).words


def test_every_column_with_its_type_range_and_categories(tmp_path):
    probe = table_probe(tmp_path, clusters=4)
    needs = needs_of(probe.encoder)
    columns = {column.name: column for column in needs.columns}
    assert list(columns) == [column["name"] for column in probe.encoder.params["columns"]]
    assert set(columns["sex"].values) == {"female", "male"} and columns["sex"].lowest is None
    low, high = columns["temperature"].lowest, columns["temperature"].highest
    assert 30 < low < 36 and 38 < high < 44 and columns["temperature"].missing
    assert "these 6 columns" in needs.words


@pytest.mark.parametrize(
    ("name", "params", "kind", "words"),
    [
        ("embeddings", {}, "embedding", "7 numbers"),
        ("hog", {"size": 28}, "image", "28 pixels"),
        ("onnx", {"weights_sha256": "ab" * 32}, "image", "ab" * 32),
        ("wordllama", {}, "text", "20,000 characters"),
        ("tabular", {"columns": []}, "", "cannot be understood"),
        ("tabular", {}, "", "cannot be understood"),
        ("psychic", {}, "", "does not know the encoder 'psychic'"),
    ],
)
def test_in_words_without_any_library(name, params, kind, words):
    needs = needs_of(EncoderSpec(name=name, dim=7, params=params))
    assert needs.kind == kind and words in needs.words and needs.columns == ()
