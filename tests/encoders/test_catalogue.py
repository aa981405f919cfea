import json
import multiprocessing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from proxyset.encoders import EncoderSpec, encoder_for, load_encoder
from proxyset.encoders.catalogue import NAMES
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.sources.source import Batch, Shard


@dataclass
class Memory:
    """A source whose batches are at hand."""

    kind: str
    batches: list
    path: str = "memory"

    def shards(self):
        return [Shard(i, "", i, i + 1) for i in range(len(self.batches))]

    def read(self, shard):
        yield Batch([], self.batches[shard.number])


TABLE = pa.table({"x": [1.0, 2.0, 5.0], "c": ["a", "b", "b"]})
SOURCES = {
    "embedding": Memory("embedding", [np.zeros((0, 7)), np.ones((3, 7))]),
    "text": Memory("text", [["hello"]]),
    "table": Memory("table", [TABLE]),
    "image": Memory("image", [[b""]]),
}


@pytest.mark.parametrize(
    ("kind", "name", "dim"),
    [
        ("embedding", "embeddings", 7),
        ("text", "wordllama", 256),
        ("table", "tabular", 4),
        ("image", "hog", 72),
    ],
)
def test_auto_follows_the_kind_of_source(kind, name, dim):
    encoder = load_encoder("auto", source=SOURCES[kind])
    assert (encoder.kind, encoder.spec.name, encoder.spec.dim) == (kind, name, dim)


@pytest.mark.parametrize(
    ("spec", "source"),
    [
        ("hog", None),
        ("hog:size=32,interpolation=box", None),
        ("wordllama", None),
        ("embeddings", SOURCES["embedding"]),
        ("tabular:categories=1", SOURCES["table"]),
    ],
)
def test_a_client_rebuilds_the_same_encoder_from_the_probe(spec, source, file, photo):
    cloud = load_encoder(spec, source=source)
    travelled = EncoderSpec.model_validate_json(cloud.spec.model_dump_json())
    for local in (None, "auto", cloud.spec.name):
        client = encoder_for(travelled, local=local)
        assert client.spec.fingerprint == cloud.spec.fingerprint
    items = {"image": [file(photo)], "text": ["hi"], "embedding": np.ones((1, 7)), "table": TABLE}[cloud.kind]
    np.testing.assert_array_equal(client.encode(items).embeddings, cloud.encode(items).embeddings)


def _fingerprint(spec):
    return load_encoder(spec, source=SOURCES["table"] if spec == "tabular" else None).spec.fingerprint


def test_fingerprints_are_the_same_in_another_process():
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        for spec in ("hog", "wordllama", "tabular"):
            assert workers.apply(_fingerprint, [spec]) == _fingerprint(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet", "unknown encoder 'resnet'"),
        ("", "unknown encoder"),
        ("auto", "made from a pool"),
        ("tabular", "made from a pool"),
        ("embeddings", "made from a pool"),
        ("onnx", "onnx:FOLDER"),
        ("wordllama:fast", "no options"),
        ("hog:size", "'size' is not of the form"),
        ("hog:size=big", "size: Input should be a valid integer"),
        ("hog:colour=red", "options are size, orientations"),
        ("hog:size=8", "too few for a block of 3"),
    ],
)
def test_wrong_names_and_options(spec, message):
    with pytest.raises(InvalidInput, match=message):
        load_encoder(spec)


@pytest.mark.parametrize(("spec", "kind"), [("hog", "text"), ("wordllama", "image"), ("hog", "embedding")])
def test_an_encoder_for_other_items(spec, kind):
    with pytest.raises(InvalidInput, match=f"holds {kind} items"):
        load_encoder(spec, source=SOURCES[kind])


@pytest.mark.parametrize("kind", ["embedding", "table"])
def test_an_empty_pool(kind):
    empty = Memory(kind, [SOURCES[kind].batches[0][:0]])
    with pytest.raises(InvalidData, match="empty"):
        load_encoder("auto", source=empty)


def test_mismatch_says_both_fingerprints_and_the_first_difference():
    theirs = load_encoder("hog:cell=7,block=2").spec
    ours = load_encoder("hog:cell=7").spec
    with pytest.raises(EncoderMismatch) as caught:
        encoder_for(theirs, local="hog:cell=7")
    message = str(caught.value)
    assert theirs.fingerprint in message and ours.fingerprint in message
    assert "params.block is 2 there, 3 here" in message


def test_mismatch_of_weights_names_the_parameter():
    spec = load_encoder("wordllama").spec
    other = spec.model_copy(update={"params": spec.params | {"weights_sha256": "0" * 64}})
    with pytest.raises(EncoderMismatch, match=r"params\.weights_sha256 is '0000"):
        encoder_for(other)


def test_another_encoder_is_chosen_here():
    with pytest.raises(EncoderMismatch, match="set to 'wordllama'"):
        encoder_for(load_encoder("hog").spec, local="wordllama")


def test_onnx_needs_its_folder():
    spec = EncoderSpec(name="onnx", dim=5, params={"weights_sha256": "ab" * 32})
    with pytest.raises(EncoderMismatch, match="onnx:FOLDER"):
        encoder_for(spec)
    with pytest.raises(InvalidData, match=r"encoder\.json"):
        encoder_for(spec, local="onnx:nowhere")


HOG = load_encoder("hog").spec.params


@pytest.mark.parametrize(
    "spec",
    [
        EncoderSpec(name="resnet", dim=512),
        EncoderSpec(name="auto", dim=72),
        EncoderSpec(name="hog", dim=72),
        EncoderSpec(name="hog", dim=73, params=HOG),
        EncoderSpec(name="hog", dim=72, params=HOG | {"size": 10**9}),
        EncoderSpec(name="hog", dim=72, params=HOG | {"size": "28"}),
        EncoderSpec(name="hog", dim=72, params=HOG | {"size": 28.0}),
        EncoderSpec(name="hog", dim=72, params=HOG | {"images": 2}),
        EncoderSpec(name="hog", dim=72, params=HOG | {"new": 1}),
        EncoderSpec(name="embeddings", dim=3, params={"x": 1}),
        EncoderSpec(name="wordllama", dim=256),
        EncoderSpec(name="tabular", dim=1),
        EncoderSpec(name="tabular", dim=1, params={"columns": [[]]}),
    ],
)
def test_specs_that_cannot_be_used_here(spec):
    with pytest.raises(EncoderMismatch):
        encoder_for(EncoderSpec.model_validate_json(spec.model_dump_json()))


def test_a_wrong_dimension_in_a_probe_is_a_mismatch():
    spec = load_encoder("tabular", source=SOURCES["table"]).spec
    with pytest.raises(EncoderMismatch, match="dim is 5 there, 4 here"):
        encoder_for(spec.model_copy(update={"dim": 5}))


def test_parameters_are_plain_json():
    for spec in (load_encoder("hog").spec, load_encoder("tabular", source=SOURCES["table"]).spec):
        assert json.loads(json.dumps(spec.params)) == spec.params


def test_every_name_is_known():
    assert NAMES == ("auto", "embeddings", "hog", "onnx", "hf", "wordllama", "tabular")
