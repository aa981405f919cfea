import os

import pytest

from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources import fetch, files, open_source

from .reading import everything, fetched


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pool"
    for name in (
        "b.JPG",
        "a.png",
        "cat/2.webp",
        "cat/deep/1.jpeg",
        "dog/1.gif",
        "dog/notes.txt",
        ".hidden.png",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


NAMES = ["a.png", "b.JPG", "cat/2.webp", "cat/deep/1.jpeg", "dog/1.gif"]


@pytest.mark.parametrize("shard_size", [1, 2, 100])
def test_ids_are_sorted_relative_paths_and_labels_the_first_folder(folder, shard_size):
    source = open_source(folder, shard_size=shard_size)
    assert source.kind == "image"
    ids, items, columns = everything(source)
    assert ids == NAMES
    assert items == [name.encode() for name in NAMES]
    assert columns == {"label": [None, None, "cat", "cat", "dog"]}


def test_a_flat_folder_has_no_labels(tmp_path):
    (tmp_path / "x.png").write_bytes(b"x")
    assert everything(open_source(tmp_path))[2] == {}
    with pytest.raises(InvalidData, match="no column 'person'; its columns are: none"):
        open_source(tmp_path, columns=["person"])


def test_what_is_not_an_image_of_this_folder_is_left_out(folder, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "z.png").write_bytes(b"z")
    (folder / "folder.png").mkdir()
    (folder / "folder.png" / "in.png").write_bytes(b"in")
    (folder / "leaves.png").symlink_to(secret)
    (folder / "broken.png").symlink_to(folder / "nothing")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "away").symlink_to(tmp_path, target_is_directory=True)
    (folder / "stays.png").symlink_to(folder / "a.png")
    os.mkfifo(folder / "pipe.png")
    ids, items, _ = everything(open_source(folder))
    assert ids == sorted([*NAMES, "folder.png/in.png", "stays.png"])
    assert items[ids.index("stays.png")] == b"a.png"


def test_lists_beside_images_do_not_make_it_another_kind_of_pool(folder):
    (folder / "labels.csv").write_text("file,label\na.png,1\n")
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png"}\n')
    assert open_source(folder).kind == "image"
    assert open_source(folder, kind="table").kind == "table"


def test_fetch_opens_only_what_was_chosen(folder):
    source = open_source(folder, shard_size=2)
    chosen = {"a.png", "dog/1.gif"}
    expected = {name: name.encode() for name in chosen}
    assert fetched(source, chosen) == expected
    for name in set(NAMES) - chosen:
        (folder / name).unlink()
    assert dict(fetch(source, {0: ["a.png"], 2: ["dog/1.gif"]})) == expected


@pytest.mark.parametrize("wanted", [{0: ["../secret.png"]}, {0: [".hidden.png"]}, {7: ["a.png"]}])
def test_fetch_refuses_what_is_not_in_the_shard(folder, wanted, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    with pytest.raises(InvalidData, match="has the data changed"):
        list(fetch(open_source(folder, shard_size=2), wanted))


def test_a_file_that_has_gone_is_named(folder):
    source = open_source(folder)
    (folder / "b.JPG").unlink()
    with pytest.raises(InvalidData, match=r"b\.JPG cannot be read: No such file"):
        everything(source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(folder):
    (folder / "b.JPG").chmod(0)
    with pytest.raises(InvalidData, match=r"b\.JPG cannot be read: Permission denied"):
        everything(open_source(folder))


def test_a_file_too_large_to_be_an_item_is_refused(folder):
    with (folder / "huge.png").open("wb") as file:
        file.truncate(files.MAX_ITEM_BYTES + 1)
    with pytest.raises(InvalidData, match=r"huge\.png is larger than 256 MiB"):
        list(fetch(open_source(folder), {0: ["huge.png"]}))


def test_a_name_that_is_not_utf8_is_refused(folder):
    try:
        (folder / os.fsdecode(b"\xff.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(InvalidData, match="not UTF-8"):
        open_source(folder)


def test_large_images_make_small_batches(tmp_path):
    """70 images of 2 MB: no batch has much more than 64 MiB."""
    for number in range(70):
        with (tmp_path / f"{number:02}.png").open("wb") as file:
            file.truncate(2_000_000)
    source = open_source(tmp_path)
    assert [len(batch.ids) for batch in source.read(source.shards()[0])] == [34, 34, 2]


def test_reading_is_lazy(tmp_path):
    """A missing second thousand is not noticed while the first is being read."""
    for number in range(1100):
        (tmp_path / f"{number:04}.png").write_bytes(b"x")
    source = open_source(tmp_path)
    (tmp_path / "1099.png").unlink()
    batches = source.read(source.shards()[0])
    assert len(next(batches).ids) == 1024
    with pytest.raises(InvalidData, match="1099"):
        next(batches)


@pytest.mark.parametrize(
    ("option", "message"), [({"kind": "sound"}, "kind must be"), ({"shard_size": 0}, "at least 1")]
)
def test_wrong_options(folder, option, message):
    with pytest.raises(InvalidInput, match=message):
        open_source(folder, **option)
