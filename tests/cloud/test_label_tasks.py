import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from proxyset.cloud.build import build_index
from proxyset.cloud.export import export
from proxyset.cloud.label_tasks import label_tasks
from proxyset.cloud.proxy_set import select
from proxyset.encoders.images import decode
from proxyset.errors import ArtifactError, InvalidInput


@pytest.fixture
def pictures(tmp_path):
    """A proxy set of a small PNG, a large one with transparency and a TIFF."""
    (tmp_path / "pool").mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / "pool" / "small.png")
    large = rng.integers(0, 255, (600, 900, 4), np.uint8)
    Image.fromarray(large).save(tmp_path / "pool" / "large.png")
    Image.fromarray(large[:30, :40, :3]).save(tmp_path / "pool" / "other.tiff")
    index = build_index(tmp_path / "pool", tmp_path / "index", encoder="hog", clusters=2)
    return select(index, [], tmp_path / "proxy", budget=3, strategy="random")


def test_what_an_annotator_sees(pictures):
    tasks = {task["data"]["proxyset_id"]: task for task in label_tasks(pictures)}
    shown = {}
    for name, task in tasks.items():
        head, data = task["data"]["image"].split(",")
        shown[name] = (head, Image.open(io.BytesIO(base64.b64decode(data))))
    head, image = shown["small.png"]
    assert (head, image.format, image.size) == ("data:image/png;base64", "PNG", (30, 20))
    head, image = shown["large.png"]
    assert (head, image.format, max(image.size)) == ("data:image/jpeg;base64", "JPEG", 512)
    assert shown["other.tiff"][1].format == "PNG" and shown["other.tiff"][1].size == (40, 30)
    row = next(row for row in pictures.selection().to_pylist() if row["id"] == "small.png")
    meta = tasks["small.png"]["meta"]
    assert (meta["hash"], meta["rank"], meta["index"]) == (row["hash"], row["rank"], pictures.card.index)


def test_an_annotator_sees_what_is_encoded(tmp_path):
    """Transparent pixels are white, not what lies behind the page."""
    (tmp_path / "pool").mkdir()
    data = np.random.default_rng(0).integers(0, 255, (20, 30, 4), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(data).save(tmp_path / "pool" / name)
    index = build_index(tmp_path / "pool", tmp_path / "index", encoder="hog", clusters=1)
    task = next(label_tasks(select(index, [], tmp_path / "proxy", budget=1, strategy="random")))
    seen = Image.open(io.BytesIO(base64.b64decode(task["data"]["image"].split(",")[1])))
    encoded = decode((tmp_path / "pool" / "a.png").read_bytes(), "RGB")
    assert np.array_equal(np.asarray(seen), np.asarray(encoded))


def test_order_choice_and_file(pictures, tmp_path):
    ranked = pictures.selection().column("id").to_pylist()
    assert [task["data"]["proxyset_id"] for task in label_tasks(pictures)] == ranked
    assert [task["data"]["proxyset_id"] for task in label_tasks(pictures, {ranked[2]})] == [ranked[2]]
    export(pictures, "label-studio", tmp_path / "tasks.json")
    assert json.loads((tmp_path / "tasks.json").read_text()) == list(label_tasks(pictures))


def test_a_picture_that_broke_since(pictures):
    row = pictures.selection().to_pylist()[1]
    path = pictures.folder / "items" / row["file"]
    for broken in (b"\x89PNG no more", path.read_bytes()[:-200]):
        path.write_bytes(broken)
        with pytest.raises(ArtifactError, match=f"{row['id']}' is not the one that was chosen"):
            list(label_tasks(pictures))


def test_embeddings_cannot_be_shown(blobs):
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=4)
    proxy = select(index, [], blobs / "proxy", budget=3, strategy="random")
    with pytest.raises(InvalidInput, match="embedding items"):
        list(label_tasks(proxy))
