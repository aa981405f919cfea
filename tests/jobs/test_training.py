"""From a proxy set on disk to a model in a folder, through the command line where a person would use it."""

import csv
import json

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from proxyset.client.answer import answer
from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select
from proxyset.errors import ArtifactError, InvalidData, InvalidInput
from proxyset.jobs.training import Plan, train_model
from proxyset.jobs.training_set import read_test_set, read_training_set, read_unlabeled
from proxyset.sources import open_source
from proxyset.train.dataset import load
from proxyset.train.loop import Run
from proxyset.train.metrics_file import MetricsFile
from proxyset.train.settings import Settings
from proxyset.wire.model import Mixture, ModelCard

CPU = Run(device="cpu")


def draw(folder, n, seed, labeled=True):
    """Bars that lie or stand, on noise."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        image = rng.integers(0, 90, (16, 16, 3), dtype=np.uint8)
        lying, place = number % 2 == 0, rng.integers(3, 13)
        image[place if lying else slice(None), slice(None) if lying else place] = 255
        target = folder / (("lying" if lying else "standing") if labeled else ".")
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """pool/ and test/ of labeled images, index/ and proxy/ of 60 of the pool's 100."""
    folder = tmp_path_factory.mktemp("drawn")
    draw(folder / "pool", 100, 0)
    draw(folder / "test", 40, 1)
    index = build_index(folder / "pool", folder / "index", encoder="hog", clusters=5)
    select(index, [], folder / "proxy", budget=60, strategy="random")
    return folder


def ids(folder):
    return pq.read_table(folder / "proxy" / "selection.parquet").column("id").to_pylist()


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "label"), *rows])
    return path


def test_the_command_trains_measures_exports_and_goes_on(drawn, tmp_path, command):
    out = tmp_path / "model"
    arguments = (
        "train", drawn / "proxy", "--test", drawn / "test", "--size", 16, "--model", "cnn-8", "--device", "cpu",
        "--steps", 60, "--batch-size", 16, "--out", out, "--json",
    )  # fmt: skip
    status, told, _ = command(*arguments)
    assert status == 0
    assert told["accuracy"] > 0.9
    assert told["labeled"] == 60
    assert told["classes"] == ["lying", "standing"]
    assert told["resumed_at"] == 0
    metrics = json.loads((out / "metrics.json").read_bytes())
    assert metrics["test"]["items"] == 40
    assert np.sum(metrics["test"]["confusion"]) == 40
    assert metrics["settings"]["steps"] == 60
    assert metrics["notes"] == []
    report = (out / "report.html").read_text()
    assert "random, from a pool of 100" in report
    before = (out / "model.onnx").read_bytes()
    status, told, _ = command(*arguments)
    assert (status, told["resumed_at"]) == (0, 60)
    assert (out / "model.onnx").read_bytes() == before
    session = onnxruntime.InferenceSession(before)
    test = load(open_source(drawn / "test"), 16)
    logits = session.run(None, {"input": test.pixels.astype(np.float32) / 255})[0]
    names = np.array(told["classes"])[logits.argmax(axis=1)]
    assert np.mean(names == np.array(test.labels)) == told["accuracy"]
    status, _, error = command(*arguments[:-1], "--lr", 0.1)
    assert status == 1
    assert "other settings" in error


@pytest.mark.parametrize(("unlabeled", "images"), [("pool", 100), ("proxy", 60)])
def test_fixmatch_with_other_images_and_a_file_of_labels(drawn, tmp_path, command, unlabeled, images):
    some = [(name, name.split("/")[0]) for name in ids(drawn)[:10]]
    labels = write_csv(tmp_path / "labels.csv", some)
    status, told, error = command(
        "train", drawn / "proxy", "--labels", labels, "--unlabeled", drawn / unlabeled, "--test", drawn / "test", "--size",
        16, "--model", "cnn-8", "--device", "cpu", "--steps", 20, "--batch-size", 8, "--out", tmp_path / "m", "--json",
    )  # fmt: skip
    assert status == 0
    assert told["labeled"] == 10
    assert "50 of 60 items have no label and were left out" in error
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_bytes())
    assert (metrics["method"], metrics["unlabeled"]) == ("fixmatch", images)


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([("elsewhere/1.png", "lying"), ("elsewhere/2.png", "standing")], (), "labels of another project"),
        ("all lying", (), "the same class, 'lying'"),
        ("one wrong", ("--classes", "lying,standing"), "not in the class list: 'slanted'"),
        ("right", ("--method", "fixmatch"), "FixMatch needs unlabeled images"),
        ("right", ("--model", "resnet"), "unknown model 'resnet'"),
        ("right", ("--lr", "1e9", "--steps", "50"), "lower the learning rate"),
        ("right", ("--test", "{drawn}/other"), "classes that the model does not know ('slanted')"),
        ("right", ("--test", "{drawn}/flat"), "have no label"),
    ],
)
def test_what_is_refused(rows, options, words, drawn, tmp_path, command):
    given = {
        "all lying": [(name, "lying") for name in ids(drawn)],
        "one wrong": [
            (name, "slanted" if n == 3 else name.split("/")[0]) for n, name in enumerate(ids(drawn))
        ],
        "right": [(name, name.split("/")[0]) for name in ids(drawn)],
    }
    labels = write_csv(tmp_path / "labels.csv", rows if isinstance(rows, list) else given[rows])
    if not (drawn / "other").exists():
        draw(drawn / "other" / "slanted", 1, 3, labeled=False)
        draw(drawn / "flat", 2, 3, labeled=False)
    status, _, error = command(
        "train", drawn / "proxy", "--labels", labels, "--steps", 3, "--size", 16, "--device", "cpu", "--out",
        tmp_path / "m", *(option.format(drawn=drawn) for option in options),
    )  # fmt: skip
    assert status == 1
    assert words in error
    assert not (tmp_path / "m" / "model.onnx").exists()


def test_a_plain_folder_of_labeled_images(drawn, tmp_path):
    data = read_training_set(drawn / "pool", size=16)
    assert data.items.shape == (100, 3, 16, 16)
    assert data.classes == ("lying", "standing")
    plan = Plan(model="cnn-4", settings=Settings(steps=2, batch_size=8))
    trained = train_model(data, tmp_path / "m", plan, run=CPU)
    assert trained.evaluation is None
    assert "no test data" in (tmp_path / "m" / "report.html").read_text()
    with pytest.raises(InvalidInput, match="is not a proxy set, so labels"):
        read_training_set(drawn / "pool", write_csv(tmp_path / "labels.csv", []).relative_to(tmp_path))


def test_test_items_that_were_trained_on_are_told(drawn, tmp_path):
    data = read_training_set(drawn / "proxy", size=16)
    test = read_test_set(str(drawn / "pool"), data, size=16)
    plan = Plan(model="cnn-4", settings=Settings(steps=2, batch_size=8))
    trained = train_model(data, tmp_path / "m", plan, test=test, run=CPU)
    assert trained.metrics["notes"][0].startswith("60 of 100 test items are among the training items")


def test_a_corrupt_image_in_the_proxy_set_is_named(drawn, tmp_path):
    index = build_index(drawn / "pool", tmp_path / "index", encoder="hog", clusters=5)
    proxy = select(index, [], tmp_path / "proxy", budget=60, strategy="random")
    broken = proxy.selection().to_pylist()[4]
    (tmp_path / "proxy" / "items" / broken["file"]).write_bytes(b"no image")
    with pytest.raises(ArtifactError, match=f"'{broken['id']}' is not the one that was chosen"):
        read_training_set(tmp_path / "proxy", size=16)


def test_unlabeled_pool_without_a_file(tmp_path):
    draw(tmp_path / "pool", 20, 0, labeled=False)
    index = build_index(tmp_path / "pool", tmp_path / "index", encoder="hog", clusters=2)
    select(index, [], tmp_path / "proxy", budget=5, strategy="random")
    with pytest.raises(InvalidData, match="has no labels: have its items labeled"):
        read_training_set(tmp_path / "proxy")


def test_embeddings_get_a_linear_head(words, tmp_path):
    _, proxy, truth = words
    labels = write_csv(tmp_path / "labels.csv", [(row["id"], truth[row["id"]]) for row in _rows(proxy)])
    data = read_training_set(proxy.folder, labels)
    assert data.items.shape == (40, 6)
    assert [data.classes[code] for code in data.labels] == [truth[row["id"]] for row in _rows(proxy)]
    plan = Plan(settings=Settings(steps=100, batch_size=16, lr=0.05))
    trained = train_model(data, tmp_path / "m", plan, test=data, run=CPU)
    assert trained.evaluation.accuracy > 0.95
    assert trained.metrics["model"] == "linear"
    about = json.loads(
        onnxruntime.InferenceSession(tmp_path / "m" / "model.onnx")
        .get_modelmeta()
        .custom_metadata_map["proxyset"]
    )
    assert about["input"] == "embedding"
    assert about["encoder"]["name"] == "embeddings"
    with pytest.raises(InvalidInput, match="holds embedding items, not images"):
        read_unlabeled(str(proxy.folder))
    with pytest.raises(InvalidInput, match="images of one size"):
        train_model(
            data,
            tmp_path / "n",
            Plan(method="fixmatch"),
            unlabeled=load(open_source(draw(tmp_path / "p", 4, 0)), 16),
        )


def _rows(proxy):
    return proxy.selection().to_pylist()


def test_tables_and_texts(tmp_path):
    rng = np.random.default_rng(0)
    kinds = np.arange(80) % 2
    table = pa.table(
        {
            "id": [str(n) for n in range(80)],
            "height": kinds * 3 + rng.normal(size=80),
            "label": [f"k{k}" for k in kinds],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    texts = [("good and fine", "plus"), ("bad and awful", "minus")] * 40
    lines = (json.dumps({"id": str(n), "text": f"{t} {n}", "label": k}) for n, (t, k) in enumerate(texts))
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    for name, encoder in (("rows.parquet", "tabular"), ("texts.jsonl", "wordllama")):
        index = build_index(tmp_path / name, tmp_path / f"{encoder}-index", encoder=encoder, clusters=4)
        select(index, [], tmp_path / encoder, budget=40, strategy="random")
        data = read_training_set(tmp_path / encoder)
        test = read_test_set(str(tmp_path / name), data)
        plan = Plan(settings=Settings(steps=60, batch_size=16, lr=0.05))
        trained = train_model(data, tmp_path / f"{encoder}-m", plan, test=test, run=CPU)
        assert trained.evaluation.items == 80
        assert trained.evaluation.accuracy > 0.85


@pytest.fixture(scope="module")
def encoded(drawn):
    """An ONNX encoder folder, an index of the pool by it, and a proxy set of 60."""
    import torch

    from proxyset.encoders.export import Exportable, export_encoder
    from proxyset.encoders.onnx_recipe import Preprocessing

    torch.manual_seed(0)
    layers = [
        torch.nn.Conv2d(3, 32, 5, 2, padding=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveMaxPool2d(4),
        torch.nn.Flatten(),
    ]
    given = Preprocessing(size=(16, 16), scale=1 / 255, mean=[0.5] * 3, std=[0.25] * 3)
    export_encoder(Exportable(torch.nn.Sequential(*layers), given), drawn / "encoder")
    index = build_index(drawn / "pool", drawn / "by-onnx", encoder=f"onnx:{drawn / 'encoder'}", clusters=5)
    select(index, [], drawn / "proxy-by-onnx", budget=60, strategy="random")
    return drawn


def test_a_head_on_the_indexs_own_embeddings_is_one_file_that_takes_pixels(encoded, tmp_path, command):
    asked = (
        "train", encoded / "proxy-by-onnx", "--index", encoded / "by-onnx", "--test", encoded / "test", "--device", "cpu",
        "--steps", 200, "--out", tmp_path / "model", "--json",
    )  # fmt: skip
    status, _, error = command(*asked)
    assert status == 1 and "--encoder onnx:FOLDER" in error
    status, told, error = command(*asked, "--encoder", f"onnx:{encoded / 'encoder'}")
    assert status == 0 and "random weights" not in error
    assert told["accuracy"] > 0.9 and told["balanced_accuracy"] == pytest.approx(told["accuracy"])
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_bytes())
    assert metrics["began_with"] == "the frozen encoder onnx" and metrics["multiply_adds"] > 32 * 75 * 64
    session = onnxruntime.InferenceSession(tmp_path / "model" / "model.onnx")
    assert session.get_inputs()[0].shape[1:] == [3, 16, 16]
    images = load(open_source(encoded / "test"), 16)
    guess = session.run(None, {"input": images.pixels.astype(np.float32) / 255})[0].argmax(axis=1)
    right = np.array(told["classes"])[guess] == np.array(images.labels)
    assert right.mean() == pytest.approx(told["accuracy"])


def test_a_head_on_an_encoder_that_is_no_onnx_model_takes_its_features(drawn, tmp_path, command):
    status, told, _ = command(
        "train", drawn / "proxy", "--index", drawn / "index", "--test", drawn / "test", "--device", "cpu", "--steps", 200,
        "--out", tmp_path / "model", "--json",
    )  # fmt: skip
    assert status == 0 and told["accuracy"] > 0.9
    session = onnxruntime.InferenceSession(tmp_path / "model" / "model.onnx")
    assert session.get_inputs()[0].shape[1:] == [72]


def test_what_contradicts_a_head_is_said(drawn, encoded, tmp_path, command):
    def fails(*more):
        status, _, error = command(
            "train", drawn / "proxy", "--out", tmp_path / "m", "--device", "cpu", *more
        )
        assert status == 1
        return error

    assert "leave out --model" in fails("--encoder", "hog", "--model", "cnn-8")
    assert "needs frozen features" in fails("--model", "head")
    other = ("--index", encoded / "by-onnx", "--encoder", f"onnx:{encoded / 'encoder'}")
    assert "was drawn from the index" in fails(*other)
    assert "takes text items" in fails("--encoder", "wordllama")
    assert "needs weights" in fails("--model", "timm:resnet18", "--size", 32)


def test_an_encoder_folder_is_trained_further(encoded, tmp_path, command):
    asked = (
        "train", encoded / "proxy-by-onnx", "--model", f"onnx:{encoded / 'encoder'}", "--test", encoded / "test", "--steps", 60,
        "--device", "cpu", "--out", tmp_path / "model", "--json",
    )  # fmt: skip
    status, told, error = command(*asked)
    assert status == 0 and told["accuracy"] > 0.9 and "random weights" not in error
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_bytes())
    assert metrics["settings"]["lr"] == 3e-4 and metrics["input"] == [3, 16, 16]
    assert "encoder" in metrics["began_with"]


def test_a_network_that_begins_with_nothing_says_so(drawn, tmp_path, command):
    status, _, error = command(
        "train", drawn / "proxy", "--steps", 2, "--size", 16, "--device", "cpu", "--out", tmp_path / "model"
    )
    assert status == 0 and "cnn-16 begins with random weights" in error


def test_a_test_table_is_encoded_as_the_training_table_and_what_they_share_is_named(tmp_path):
    """A test set that is a proxy set itself is no pool to fit statistics on."""
    rng = np.random.default_rng(0)
    for name, shift in (("train", 0.0), ("test", 40.0)):
        kinds = np.arange(40) % 2
        heights = kinds * 3 + rng.normal(size=40) + shift * (np.arange(40) >= 10)
        rows = {"id": [f"{name}{n}" for n in range(40)], "height": heights, "label": [f"k{k}" for k in kinds]}
        if name == "test":
            heights[:10] = pq.read_table(tmp_path / "train.parquet").column("height").to_numpy()[:10]
        pq.write_table(pa.table(rows), tmp_path / f"{name}.parquet")
        index = build_index(
            tmp_path / f"{name}.parquet", tmp_path / f"{name}-index", encoder="tabular", clusters=4
        )
        select(index, [], tmp_path / name, budget=40, strategy="random")
    data = read_training_set(tmp_path / "train")
    of_proxy, of_file = (read_test_set(str(tmp_path / test), data) for test in ("test", "test.parquet"))
    order = [of_file.ids.index(item) for item in of_proxy.ids]
    assert np.array_equal(of_proxy.items, of_file.items[order]) and of_proxy.encoder is data.encoder
    plan = Plan(settings=Settings(steps=60, batch_size=16, lr=0.05))
    trained = train_model(data, tmp_path / "m", plan, test=of_proxy, run=CPU)
    session = onnxruntime.InferenceSession(tmp_path / "m" / "model.onnx")
    (scores,) = session.run(None, {session.get_inputs()[0].name: of_file.items})
    assert trained.evaluation.accuracy == pytest.approx((scores.argmax(axis=1) == of_file.labels).mean())
    shared = [note for note in trained.metrics["notes"] if "10 of 40 test items are among" in note]
    assert shared and "('test" in shared[0]


def test_a_test_set_of_another_kind_is_refused(drawn, words):
    with pytest.raises(InvalidData, match="holds embedding items; the model takes image items"):
        read_test_set(str(words[1].folder), read_training_set(drawn / "proxy", size=16))


def test_a_class_named_twice_makes_no_class_more(drawn):
    for pool in ("pool", "proxy"):
        with pytest.raises(InvalidInput, match="names 'standing' more than once"):
            read_training_set(drawn / pool, classes=["lying", "standing", "standing"], size=16)


@pytest.mark.parametrize(("size", "batch"), [(8, 1), (8, 33), (15, 1)])
def test_one_item_and_one_pixel_are_no_matter(drawn, tmp_path, size, batch):
    data = read_training_set(drawn / "proxy", size=size)
    plan = Plan(model="cnn-4", settings=Settings(steps=3, batch_size=batch))
    assert np.isfinite(train_model(data, tmp_path / "m", plan, run=CPU).metrics["final_loss"])


def test_supervised_training_claims_no_images_that_it_did_not_look_at(drawn, tmp_path, command):
    train = ("train", drawn / "proxy", "--size", 16, "--unlabeled", drawn / "pool", "--method", "supervised")
    status, _, error = command(*train, "--out", tmp_path / "m")
    assert status == 1 and "looks at no unlabeled images" in error
    data, others = read_training_set(drawn / "proxy", size=16), read_unlabeled(str(drawn / "pool"), 16)
    with pytest.raises(InvalidInput, match="looks at no unlabeled images"):
        train_model(data, tmp_path / "m", Plan(), unlabeled=others, run=CPU)


class Killed(Exception):
    """The process dies here."""


def test_metrics_of_a_run_that_was_killed_rise_and_keep_the_loss(drawn, tmp_path):
    data, out = read_training_set(drawn / "proxy", size=16), tmp_path / "m"
    plan = Plan(model="cnn-4", settings=Settings(steps=9, batch_size=8))

    def told(**more):
        return Run(device="cpu", tracker=MetricsFile(out, 9), log_every=2, **more)

    def die(done, total):
        if done == 7:
            raise Killed

    with pytest.raises(Killed):  # no checkpoint: it begins anew
        train_model(data, out, plan, run=told(on_step=die))
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "st')  # and this was cut off
    trained = train_model(data, out, plan, run=told())
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 9]
    again = train_model(data, out, plan, run=told())
    assert again.resumed_at == 9
    assert again.metrics["final_loss"] == trained.metrics["final_loss"] == lines[-1]["values"]["loss"]
    assert again.metrics == trained.metrics


def test_a_set_that_is_the_whole_pool_counts_each_item_by_its_ratio(tmp_path, command):
    """And the model says its training mixture, which is the weighted one, and how far its scores can be believed."""
    rng = np.random.default_rng(0)
    kinds = np.arange(400) % 4
    pool = (4 * np.eye(4)[kinds] + rng.normal(size=(400, 4))).astype(np.float32)
    table = {
        "id": [str(row) for row in range(400)],
        "embedding": list(pool),
        "label": ["abcd"[k] for k in kinds],
    }
    pq.write_table(pa.table(table), tmp_path / "pool.parquet")
    index = build_index(tmp_path / "pool.parquet", tmp_path / "index", clusters=4)
    private = (4 * np.eye(4)[np.zeros(300, int)] + rng.normal(size=(300, 4))).astype(np.float32)
    release = answer(index.probe(), private, epsilon=3, ledger=tmp_path / "l.sqlite", dataset="x")
    select(index, release, tmp_path / "all", budget=1000)
    ask = ("train", tmp_path / "all", "--device", "cpu", "--steps", 60, "--json", "--track", "none")
    assert command(*ask, "--out", tmp_path / "plain")[0] == 0
    status, told, _ = command(*ask, "--weighted", "--out", tmp_path / "weighted")
    assert (status, told["labeled"]) == (0, 400)
    plain, weighted = (
        json.loads((tmp_path / name / "metrics.json").read_bytes())["mixture"]
        for name in ("plain", "weighted")
    )
    assert plain["shares"] == pytest.approx([0.25] * 4)
    assert weighted["shares"][0] > 0.5 and sum(weighted["shares"]) == pytest.approx(1)
    assert command("model", "pack", tmp_path / "weighted" / "model.onnx", "--out", tmp_path / "card")[0] == 0
    assert ModelCard.read(tmp_path / "card").mixture == Mixture(**weighted)
    # a set without ratios
    select(index, [], tmp_path / "random", budget=50, strategy="random")
    for path, words in (
        (tmp_path / "random", "no density ratios"),
        (tmp_path / "pool.parquet", "not a proxy set"),
    ):
        status, _, told = command("train", path, "--weighted", "--out", tmp_path / "no")
        assert status == 1 and words in told
