"""Providers of ONNX Runtime: all that the installed one has are run, and one that is not there is heard of."""

import json
import warnings

import numpy as np
import onnxruntime
import pytest

from proxyset.client.private_data import matching_encoder
from proxyset.cloud.build import build_index
from proxyset.encoders import encoder_for, load_encoder
from proxyset.encoders.hub import HubEncoder
from proxyset.encoders.onnx import OnnxEncoder
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.encoders.onnx_session import providers
from proxyset.errors import InvalidInput
from tests.encoders.hub_folders import WORDS, picture_folder, text_folder
from tests.encoders.test_onnx import write

MISSING = r"no provider 'cuda' on this machine; it has .*cpu.*\. cuda and tensorrt come with the package onnxruntime-gpu"
TOLERANCE = 1e-3  # of a row's norm, for a provider that computes in float32


@pytest.fixture
def places(tmp_path):
    """One encoder of each kind that has a network, by name."""
    write(tmp_path / "onnx", Preprocessing(size=(6, 8)))
    text_folder(tmp_path / "texts")
    picture_folder(tmp_path / "pictures")
    return [f"onnx:{tmp_path / 'onnx'}", f"hf:{tmp_path / 'texts'}", f"hf:{tmp_path / 'pictures'}"]


@pytest.mark.parametrize("provider", sorted(providers()))
def test_a_batch_elsewhere_is_what_the_client_finds_one_by_one(places, provider, file):
    rng = np.random.default_rng(0)
    images = [file(rng.integers(0, 256, (20, 30, 3), np.uint8)) for _ in range(40)]
    texts = [" ".join(rng.choice(WORDS, size=int(rng.integers(1, 9)))) for _ in range(40)]
    for place in places:
        pool = load_encoder(place, provider=provider)
        client = encoder_for(pool.spec, local=place)
        assert client.spec == pool.spec == load_encoder(place).spec
        items = texts if pool.kind == "text" else images
        together = pool.encode(items).embeddings
        alone = np.concatenate([client.encode([item]).embeddings for item in items])
        apart = np.linalg.norm(together - alone, axis=1) / np.linalg.norm(alone, axis=1)
        assert apart.max() <= TOLERANCE


def test_a_provider_that_is_not_there(places, tmp_path):
    if "cuda" in providers():
        pytest.skip("it is there")
    for place in places:
        with pytest.raises(InvalidInput, match=MISSING):
            load_encoder(place, provider="cuda")
    with pytest.raises(InvalidInput, match=MISSING):
        build_index(["the cat", "the dog"], encoder=places[1], provider="cuda")
    with pytest.raises(InvalidInput, match="no provider 'azure'"):  # would send the items away
        load_encoder(places[0], provider="azure")


def test_a_provider_that_does_not_start_is_no_processor_in_disguise(places, monkeypatch):
    """As with a wheel for CUDA on a machine without its libraries: ONNX Runtime itself goes on by the processor."""
    there = [*onnxruntime.get_available_providers(), "CUDAExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    for place in places:
        with (
            warnings.catch_warnings(),
            pytest.raises(InvalidInput, match=r"could not start it .*CPUExecution"),
        ):
            warnings.simplefilter("ignore")  # of ONNX Runtime, where this wheel has none
            load_encoder(place, provider="cuda")


def test_what_has_no_network_has_no_provider():
    for encoder in ("hog", "auto", lambda texts: texts):
        with pytest.raises(InvalidInput, match="leave 'cuda' out"):
            load_encoder(encoder, provider="cuda")


def test_one_index_is_of_one_provider(places, tmp_path):
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps({"text": f"{w} cat"}) + "\n" for w in WORDS))
    one = build_index(tmp_path / "pool.jsonl", tmp_path / "index", encoder=places[1], clusters=2, dim=3)
    plan = tmp_path / "index" / "plan.json"
    written = json.loads(plan.read_bytes())
    assert written.pop("provider") == "cpu"
    plan.write_text(json.dumps(written))  # as earlier versions wrote it
    words = {"encoder": places[1], "clusters": 2, "dim": 3}
    assert build_index(tmp_path / "pool.jsonl", tmp_path / "index", **words).fingerprint == one.fingerprint
    plan.write_text(json.dumps(written | {"provider": "openvino"}))
    with pytest.raises(InvalidInput, match="provider was 'openvino', now 'cpu'"):
        build_index(tmp_path / "pool.jsonl", tmp_path / "index", **words)


def test_private_records_are_encoded_on_the_processor(places):
    encoder = load_encoder(places[0])
    assert matching_encoder(encoder, encoder.spec, "probe") is encoder
    encoder.provider = "cuda"  # as load_encoder(…, provider="cuda") has it, where there is one
    with pytest.raises(
        InvalidInput, match="runs on 'cuda', and private records are encoded on the processor"
    ):
        matching_encoder(encoder, encoder.spec, "probe")


def test_encoders_keep_their_provider_in_another_process(places):
    for place, kind in zip(places, (OnnxEncoder, HubEncoder, HubEncoder), strict=True):
        made, given = load_encoder(place).__reduce__()
        assert made is kind and given[-1] == "cpu"
