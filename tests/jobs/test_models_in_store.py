"""Models on object storage: trained there, distilled, packed, signed, published and served from there; a real S3 server."""

import json
import signal

import pytest

from proxyset.cli import DONE, FAILED, run
from proxyset.cloud.store import Draft, new_folder, place
from proxyset.errors import ArtifactError, InvalidInput, TransportError
from proxyset.fingerprint import fingerprint
from proxyset.wire.model import Model, ModelCard
from tests.cloud.test_store import bucket, killed, objects, server  # noqa: F401 - fixtures
from tests.jobs.students import proxy_of

pytest.importorskip("torch")

SHORT = ("--model", "cnn-2", "--size", "16", "--steps", "6", "--device", "cpu")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """A proxy set of labeled pictures, on this machine."""
    return proxy_of(tmp_path_factory.mktemp("proxy"), budget=40)


def did(*words):
    assert run(list(map(str, words))) == DONE


def test_a_model_never_touches_a_folder_of_this_machine_on_its_way(proxy, tmp_path, bucket, monkeypatch):  # noqa: F811
    proxy.save(f"{bucket}/proxy")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    did("train", proxy.folder, "--out", tmp_path / "trained", *SHORT)
    did("train", f"{bucket}/proxy", "--out", f"{bucket}/trained", "--test", f"{bucket}/proxy", *SHORT)
    there = objects(f"{bucket}/trained", tmp_path / "copy")
    assert there["model.onnx"] == fingerprint((tmp_path / "trained" / "model.onnx").read_bytes())
    assert set(there) == {
        "checkpoint.safetensors",
        "metrics.json",
        "metrics.jsonl",
        "model.onnx",
        "report.html",
    }

    teach = ("--steps", "2", "--student", "cnn-2", "--device", "cpu")
    did("distill", f"{bucket}/proxy", "--teacher", f"{bucket}/trained", "--out", f"{bucket}/small", *teach)
    assert (
        run(
            [
                "distill",
                str(proxy.folder),
                "--teacher",
                f"{bucket}/trained",
                "--out",
                f"{bucket}/small",
                *teach,
            ]
        )
        == FAILED
    )
    did("model", "key", tmp_path / "key")
    did("model", "sign", f"{bucket}/small/int8", "--key", tmp_path / "key")
    did(
        "model",
        "pack",
        f"{bucket}/trained/model.onnx",
        "--out",
        f"{bucket}/packed",
        "--proxy",
        f"{bucket}/proxy",
    )
    did("model", "sign", f"{bucket}/packed", "--key", tmp_path / "key", "--out", f"{bucket}/trained.model")
    did("model", "show", f"{bucket}/packed")
    assert Model.open(place(f"{bucket}/packed")).to_bytes() == place(f"{bucket}/trained.model").read_bytes()
    assert (
        Model.open(place(f"{bucket}/small/int8")).to_bytes()
        == place(f"{bucket}/small/int8.model").read_bytes()
    )

    did("index", "build", proxy.folder.parent / "pool", "--out", f"{bucket}/index", "--clusters", "4")
    did("train", f"{bucket}/proxy", "--encoder", "hog", "--out", f"{bucket}/head", "--steps", "3")
    did("look", f"{bucket}/proxy", "--out", f"{bucket}/look.html")
    did("probe", f"{bucket}/index", "--out", f"{bucket}/probe")
    did(
        "campaign",
        "create",
        "c",
        "--index",
        proxy.folder.parent / "index",
        "--budget",
        "9",
        "--state",
        tmp_path / "state",
    )
    did("campaign", "publish-model", "c", f"{bucket}/trained.model", "--state", tmp_path / "state")
    did("campaign", "probe", "c", "--out", f"{bucket}/c.probe", "--state", tmp_path / "state")
    assert not list((tmp_path / "work").iterdir())  # no folder "s3:" either


def test_a_training_that_is_killed_at_any_request_goes_on_and_no_half_of_it_is_read(proxy, tmp_path, bucket):  # noqa: F811
    did("train", proxy.folder, "--out", tmp_path / "trained", *SHORT)
    expected = (tmp_path / "trained" / "model.onnx").read_bytes()
    command = ("train", str(proxy.folder), "--out", f"{bucket}/trained", *SHORT)
    assert killed([2, 4], *command) == [-signal.SIGKILL] * 2
    assert not place(f"{bucket}/trained/model.onnx").is_file()
    assert killed([4, 6], *command) == [-signal.SIGKILL] * 2  # of a training that goes on where it was
    assert place(f"{bucket}/trained/model.onnx").read_bytes() == expected
    did(*command)
    assert place(f"{bucket}/trained/model.onnx").read_bytes() == expected
    assert json.loads(place(f"{bucket}/trained/metrics.jsonl").read_bytes().splitlines()[-1])["finished"]


def test_of_a_model_whose_packing_was_killed_nothing_is_read(proxy, tmp_path, bucket):  # noqa: F811
    did("train", proxy.folder, "--out", tmp_path / "trained", *SHORT)
    where = place(f"{bucket}/packed")
    command = ("model", "pack", str(tmp_path / "trained" / "model.onnx"), "--out", str(where))
    assert killed([2, 3, 4, 5], *command) == [-signal.SIGKILL] * 4
    assert list(where.below()) == ["model.onnx"]
    with pytest.raises(TransportError, match=r"cannot read the model card .*packed/card\.json: No such file"):
        ModelCard.read(where)
    with pytest.raises(ArtifactError, match="not a signed model"):
        Model.open(where)
    did(*command)
    assert ModelCard.read(where).sha256 == fingerprint((where / "model.onnx").read_bytes())
    with pytest.raises(FileExistsError, match="already exists"), new_folder(where, "card.json"):
        pass


def test_of_two_that_write_one_place_one_does(bucket, tmp_path):  # noqa: F811
    mine, other = (Draft(place(f"{bucket}/checkpoint")) for _ in range(2))
    mine.write(b"one")
    with mine.reading() as file:
        assert file.read_bytes() == b"one"
    with other.reading():
        other.write(b"two")
    with pytest.raises(InvalidInput, match="another process is writing"):
        mine.write(b"three")
    assert place(f"{bucket}/checkpoint").read_bytes() == b"two"

    with pytest.raises(FileExistsError), new_folder(place(f"{bucket}/set"), "card.json") as folder:
        (folder / "card.json").write_text("mine")
        (folder / "part").write_text("mine")
        with new_folder(place(f"{bucket}/set"), "card.json") as faster:
            (faster / "card.json").write_text("theirs")
    assert (place(f"{bucket}/set") / "card.json").read_bytes() == b"theirs"
