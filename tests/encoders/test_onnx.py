import json
import multiprocessing
import pickle

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from proxyset.encoders import selftest
from proxyset.encoders.images import pixels
from proxyset.encoders.onnx import OnnxEncoder
from proxyset.encoders.onnx_recipe import MODEL, RECIPE, Preprocessing, Recipe, pool, read_recipe
from proxyset.errors import EncoderMismatch, InvalidData

TYPES = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
WEIGHTS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def linear_model(channels=3, layout="NCHW", dtype="float32", output="map", batch="n", size=(6, 8)):
    """A real model: a 1×1 convolution of the channels to five features a pixel; then what `output` says."""
    height, width = size
    shape = [batch, channels, height, width] if layout == "NCHW" else [batch, height, width, channels]
    nodes = [helper.make_node("Cast", ["pixels"], ["f"], to=TensorProto.FLOAT)]
    source = "f"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]))
        source = "t"
    nodes.append(helper.make_node("Conv", [source, "w"], ["map"]))
    if output == "pooled":
        nodes.append(helper.make_node("GlobalAveragePool", ["map"], ["pooled"]))
    elif output == "tokens":
        nodes.append(helper.make_node("Reshape", ["map", "flat"], ["r"]))
        nodes.append(helper.make_node("Transpose", ["r"], ["tokens"], perm=[0, 2, 1]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("pixels", TYPES[dtype], shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(WEIGHTS[:, :channels, None, None].copy(), "w"),
            numpy_helper.from_array(np.array([0, 5, -1], np.int64), "flat"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def slow_features(image, preprocessing):
    """Mean over positions of the linear model, in float64 by the definition."""
    channels = 1 if preprocessing.colours == "L" else 3
    X = image.reshape(*image.shape[:2], channels).astype(np.float64)
    X = (X * preprocessing.scale - preprocessing.mean) / preprocessing.std
    return (X @ WEIGHTS[:, :channels].T).mean(axis=(0, 1))


def write(folder, preprocessing, pooling="mean", *, model=None, **changes):
    folder.mkdir(exist_ok=True)
    if model is None:
        model = linear_model(
            1 if preprocessing.colours == "L" else 3,
            preprocessing.layout,
            preprocessing.dtype,
            size=preprocessing.size,
        )
    expected = slow_features(pixels([selftest.picture()], preprocessing)[0][0], preprocessing).tolist()
    recipe = {
        "schema_version": "proxyset.encoder/1",
        "input": preprocessing.model_dump(mode="json"),
        "pooling": pooling,
        "dim": 5,
        "self_test": {"expected": expected},
    }
    (folder / MODEL).write_bytes(model)
    (folder / RECIPE).write_text(json.dumps(recipe | changes))
    return folder


PLAIN = Preprocessing(size=(6, 8), scale=1 / 255, mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4])


@pytest.mark.parametrize("colours", ["RGB", "BGR", "L"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_features_equal_a_slow_reference(tmp_path, file, photo, colours, layout, dtype):
    channels = 1 if colours == "L" else 3
    scaling = {} if dtype == "uint8" else {"scale": 1 / 255, "mean": [0.4, 0.5, 0.6][:channels]}
    scaling |= {"mean": [0.0] * channels} if dtype == "uint8" else {}
    preprocessing = Preprocessing(
        size=(6, 8), colours=colours, layout=layout, dtype=dtype, std=[1.0] * channels, **scaling
    )
    encoder = OnnxEncoder(write(tmp_path / "e", preprocessing))
    encoded = encoder.encode([file(photo), b"junk", file(255 - photo)])
    assert list(encoded.problems) == [1] and not encoded.embeddings[1].any()
    framed = pixels([file(photo), file(255 - photo)], preprocessing)[0]
    expected = [slow_features(image, preprocessing) for image in framed]
    np.testing.assert_allclose(encoded.embeddings[[0, 2]], expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("output", "pooling"), [("map", "mean"), ("tokens", "mean"), ("pooled", "none")])
def test_poolings_agree(tmp_path, file, photo, output, pooling):
    reference = OnnxEncoder(write(tmp_path / "a", PLAIN)).encode([file(photo)]).embeddings
    other = OnnxEncoder(
        write(tmp_path / "b", PLAIN, pooling, model=linear_model(output=output), output=output)
    )
    np.testing.assert_allclose(other.encode([file(photo)]).embeddings, reference, rtol=1e-4, atol=1e-5)


def test_pool():
    X = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(pool(X, "cls", 4), X[:, 0])
    np.testing.assert_array_equal(pool(X, "mean", 4), X.mean(axis=1))
    np.testing.assert_array_equal(pool(X, "none", 12), X.reshape(2, 12))
    channels_last = np.arange(2 * 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 2, 3)
    np.testing.assert_array_equal(pool(channels_last, "mean", 3), channels_last.mean(axis=(1, 2)))
    for pooling, dim in (("cls", 5), ("mean", 3), ("none", 4)):
        with pytest.raises(InvalidData, match="should give"):
            pool(X, pooling, dim)


@pytest.mark.parametrize("batch", [1, 4])
def test_models_with_a_fixed_number_of_images(tmp_path, file, photo, batch):
    free = OnnxEncoder(write(tmp_path / "a", PLAIN))
    fixed = OnnxEncoder(write(tmp_path / "b", PLAIN, model=linear_model(batch=batch)))
    items = [file(np.roll(photo, i, axis=1)) for i in range(7)]
    np.testing.assert_allclose(fixed.encode(items).embeddings, free.encode(items).embeddings, rtol=1e-5)


def test_only_bad_images_and_no_images(tmp_path):
    encoder = OnnxEncoder(write(tmp_path / "e", PLAIN))
    encoded = encoder.encode([b"", b"junk"])
    assert sorted(encoded.problems) == [0, 1] and not encoded.embeddings.any()
    assert encoder.encode([]).embeddings.shape == (0, 5)


def test_spec_names_weights_and_preprocessing_and_nothing_of_this_machine(tmp_path):
    here, there = write(tmp_path / "a", PLAIN, origin="one"), write(tmp_path / "b", PLAIN, origin="two")
    a, b = OnnxEncoder(here).spec, OnnxEncoder(there).spec
    assert a.fingerprint == b.fingerprint
    assert len(a.params["weights_sha256"]) == 64
    assert str(tmp_path) not in json.dumps(a.params)
    other = PLAIN.model_copy(update={"interpolation": "box"})
    assert OnnxEncoder(write(tmp_path / "c", other)).spec.fingerprint != a.fingerprint


def _spec(folder):
    return OnnxEncoder(folder).spec.fingerprint


def test_the_fingerprint_is_the_same_in_another_process(tmp_path):
    folder = write(tmp_path / "e", PLAIN)
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        assert workers.apply(_spec, [folder]) == _spec(folder)


def test_it_travels_to_another_process(tmp_path, file, photo):
    encoder = OnnxEncoder(write(tmp_path / "e", PLAIN))
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(
        again.encode([file(photo)]).embeddings, encoder.encode([file(photo)]).embeddings
    )


@pytest.mark.parametrize("change", [{"colours": "BGR"}, {"scale": 1 / 200}, {"mean": [0.5, 0.5, 0.5]}])
def test_the_self_test_finds_a_changed_preprocessing(tmp_path, change):
    folder = write(tmp_path / "e", PLAIN)
    recipe = json.loads((folder / RECIPE).read_text())
    recipe["input"] |= change
    (folder / RECIPE).write_text(json.dumps(recipe))
    with pytest.raises(EncoderMismatch, match="self-test"):
        OnnxEncoder(folder)


def test_a_self_test_of_nan_does_not_pass(tmp_path):
    folder = write(tmp_path / "e", PLAIN, self_test={"expected": [float("nan")] * 5})
    with pytest.raises((EncoderMismatch, InvalidData)):
        OnnxEncoder(folder)


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x08", bytes(range(256)), "half"])
def test_damaged_models(tmp_path, data):
    folder = write(tmp_path / "e", PLAIN)
    whole = (folder / MODEL).read_bytes()
    (folder / MODEL).write_bytes(whole[: len(whole) // 2] if data == "half" else data)
    with pytest.raises(InvalidData, match=r"model\.onnx"):
        OnnxEncoder(folder)


def test_external_data_is_refused(tmp_path):
    import onnx

    folder = write(tmp_path / "e", PLAIN)
    model = onnx.load_model_from_string((folder / MODEL).read_bytes())
    onnx.save_model(
        model, folder / MODEL, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (folder / "weights.bin").exists()
    with pytest.raises(InvalidData, match="another file"):
        OnnxEncoder(folder)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (linear_model(channels=1), "cannot be run"),
        (linear_model(size=(7, 8)), "cannot be run"),
        (linear_model(dtype="uint8"), "cannot be run"),
        (linear_model(batch=100_000), "100000 images"),
    ],
)
def test_a_model_that_does_not_fit_its_recipe(tmp_path, model, message):
    with pytest.raises(InvalidData, match=message):
        OnnxEncoder(write(tmp_path / "e", PLAIN, model=model))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output": "nowhere"}, "no output"),
        ({"dim": 6}, "self-test has 5"),
        ({"dim": 6, "self_test": {"expected": [0.0] * 6}}, "should give 6"),
        ({"pooling": "max"}, "pooling"),
        ({"schema_version": "proxyset.encoder/2"}, "schema_version"),
        ({"surprise": 1}, "surprise"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"input": {"size": [6, 8], "std": [0.0, 1.0, 1.0]}}, "positive"),
        ({"input": {"size": [6, 8], "mean": [0.0]}}, "3 numbers"),
        ({"input": {"size": [6, 8], "dtype": "uint8", "scale": 2.0}}, "as they are"),
    ],
)
def test_recipes_that_cannot_work(tmp_path, change, message):
    with pytest.raises(InvalidData, match=message):
        OnnxEncoder(write(tmp_path / "e", PLAIN, **change))


def test_missing_files(tmp_path):
    with pytest.raises(InvalidData, match=r"encoder\.json"):
        OnnxEncoder(tmp_path / "nowhere")
    folder = write(tmp_path / "e", PLAIN)
    (folder / MODEL).unlink()
    with pytest.raises(InvalidData, match=r"model\.onnx"):
        OnnxEncoder(folder)
    (folder / RECIPE).write_text("{")
    with pytest.raises(InvalidData, match=r"encoder\.json"):
        OnnxEncoder(folder)


def test_a_recipe_survives_json(tmp_path):
    folder = write(tmp_path / "e", PLAIN)
    recipe = read_recipe(folder)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
