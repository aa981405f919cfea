"""What is packed is what an encoder reads of its folder, and it works where it is unpacked."""

from __future__ import annotations

import pytest

from proxyset.cloud.encoder_packing import pack_encoder
from proxyset.encoders import load_encoder
from proxyset.errors import ArtifactError, EncoderMismatch, InvalidData, InvalidInput
from tests.encoders.hub_folders import network, picture_folder, put, text_folder
from tests.encoders.test_onnx import PLAIN, write
from tests.wire.models import KEY


def test_only_what_is_read_and_one_network(tmp_path):
    folder = text_folder(tmp_path / "mini")
    put(
        folder,
        {
            "README.md": b"x",
            "model.py": b"x",
            "onnx/model_int8.onnx": network(neighbours=True),
            "pytorch_model.bin": b"x",
        },
    )
    made = pack_encoder(f"hf:{folder}", KEY, licence="MIT")
    assert sorted(made.files) == [
        "1_Pooling/config.json", "modules.json", "onnx/model.onnx", "sentence_bert_config.json", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    assert (made.card.name, made.card.licence) == ("mini", "MIT")
    assert made.card.encoder == load_encoder(f"hf:{folder}").spec
    other = pack_encoder(f"hf:{folder}/onnx/model_int8.onnx", KEY)
    assert other.card.network.path == "onnx/model_int8.onnx" and "onnx/model.onnx" not in other.files
    with pytest.raises(EncoderMismatch, match="weights"):
        pack_encoder(f"hf:{folder}", KEY, asked=other.card.encoder)


def test_pictures_and_onnx_folders(tmp_path):
    assert "preprocessor_config.json" in pack_encoder(f"hf:{picture_folder(tmp_path / 'a')}", KEY).files
    write(tmp_path / "b", PLAIN)
    assert sorted(pack_encoder(f"onnx:{tmp_path / 'b'}", KEY).files) == ["encoder.json", "model.onnx"]


def test_links_and_what_is_no_folder_of_files_are_refused(tmp_path):
    folder = text_folder(tmp_path / "mini")
    (tmp_path / "secret").write_bytes((folder / "tokenizer.json").read_bytes())
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidData, match="is a link"):
        pack_encoder(f"hf:{folder}", KEY)
    folder = text_folder(tmp_path / "other")
    (folder / "1_Pooling").rename(tmp_path / "elsewhere")
    (folder / "1_Pooling").symlink_to(tmp_path / "elsewhere")
    with pytest.raises((InvalidData, InvalidInput)):
        pack_encoder(f"hf:{folder}", KEY)
    for spec in ("hog", "wordllama", "onnx:", "embeddings"):
        with pytest.raises(InvalidInput, match="no encoder of files"):
            pack_encoder(spec, KEY)


def test_operators_outside_the_standard_do_not_travel(tmp_path):
    from onnx import helper, load_model_from_string

    made = load_model_from_string(network())
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    made.graph.node[-1].op_type, made.graph.node[-1].domain = "Gelu", "com.microsoft"
    folder = text_folder(tmp_path / "mini", onnx__model_onnx=None)
    put(folder, {"onnx/model.onnx": made.SerializeToString()})
    with pytest.raises(ArtifactError, match=r"com\.microsoft"):
        pack_encoder(f"hf:{folder}", KEY)
