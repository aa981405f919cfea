import io
import json
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.errors import InvalidData
from proxyset.sources import fetch, open_source

from ..peak import peak_bytes
from .reading import everything, fetched, read_through


def write(path, samples, mode="w"):
    """A tar with the members of `samples`: (name, bytes)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, data in samples:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def downloaded(key):
    """A sample as img2dataset writes it."""
    meta = {"url": f"u{key}", "key": key, "status": "success", "license": "CC BY", "width": 5}
    return [
        (f"{key}.jpg", f"jpg{key}".encode()),
        (f"{key}.txt", f"caption {key}".encode()),
        (f"{key}.json", json.dumps(meta).encode()),
    ]


def test_img2dataset_folder(tmp_path):
    for shard in range(2):
        name = f"{shard:05}"
        write(tmp_path / f"{name}.tar", [part for row in range(3) for part in downloaded(f"{name}{row:04}")])
        (tmp_path / f"{name}.parquet").write_bytes(b"not looked at")
        (tmp_path / f"{name}_stats.json").write_text("{}")
    source = open_source(tmp_path, columns=["caption", "width"])
    assert source.kind == "image"
    assert [shard.file for shard in source.shards()] == ["00000.tar", "00001.tar"]
    ids, items, columns = everything(source)
    keys = [f"{shard:05}{row:04}" for shard in range(2) for row in range(3)]
    assert ids == [f"{key[:5]}/{key}" for key in keys]
    assert items == [f"jpg{key}".encode() for key in keys]
    assert columns == {
        "label": [None] * 6,
        "source": [None] * 6,
        "uri": [f"u{key}" for key in keys],
        "licence": ["CC BY"] * 6,
        "caption": [f"caption {key}" for key in keys],
        "width": ["5"] * 6,
    }
    (tmp_path / "00000.tar").unlink()
    assert dict(fetch(source, {1: [ids[4]]})) == {ids[4]: items[4]}


def test_one_tar_of_labelled_images_of_any_extension(tmp_path):
    path = write(
        tmp_path / "x.tar",
        [
            ("./train/a.PNG", b"1"),
            ("./train/a.cls", b"3\n"),
            ("train/._b.png", b"hidden"),
            ("train/b.seg.png", b"mask"),
            ("train/b.jpeg", b"2"),
            ("train/b.json", b"[1, 2]"),
            ("only.txt", b"no image"),
            ("a.webp", b"3"),
        ],
    )
    source = open_source(path)
    ids, items, columns = everything(source)
    assert (ids, items) == (["train/a", "train/b", "a"], [b"1", b"2", b"3"])
    assert columns["label"] == ["3", None, None]
    assert fetched(source, {"a"}) == {"a": b"3"}


def test_texts_where_there_are_no_images(tmp_path):
    path = write(
        tmp_path / "x.tar", [("1.txt", "é".encode()), ("1.cls", b"x"), ("2.txt", b""), ("3.cls", b"y")]
    )
    source = open_source(path)
    assert source.kind == "text"
    ids, items, columns = everything(source)
    assert (ids, items, columns["label"]) == (["1", "2"], ["é", ""], ["x", None])


def test_captions_if_texts_are_wanted(tmp_path):
    path = write(tmp_path / "x.tar", downloaded("7"))
    assert everything(open_source(path, kind="text"))[1] == ["caption 7"]


def test_links_and_devices_are_passed_over(tmp_path):
    path = write(tmp_path / "x.tar", [("1.png", b"1")])
    with tarfile.open(path, "a") as archive:
        for kind, name in [
            (tarfile.SYMTYPE, "2.png"),
            (tarfile.LNKTYPE, "3.png"),
            (tarfile.FIFOTYPE, "4.png"),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert everything(open_source(path))[0] == ["1"]


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/x.png", "..", "//x.png"])
def test_names_that_leave_the_archive_are_refused(tmp_path, name):
    path = write(tmp_path / "x.tar", [("a.png", b"1"), (name, b"2")])
    with pytest.raises(InvalidData, match=r"x\.tar: the member .* has a name that leaves the archive"):
        everything(open_source(path))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([("a.png", b"1"), ("a.json", b"{")], "the sample 'a': not valid JSON"),
        ([("a.png", b"1"), ("a.json", b'{"url": "\xff"}')], "the sample 'a' is not UTF-8"),
        ([("a.png", b"1"), ("a.cls", b"\xff")], "the sample 'a' is not UTF-8"),
        ([("a.png", b"1"), ("a.json", b"[" * 100_000)], "the sample 'a': not valid JSON"),
        ([("a.png", b"1"), ("a.png", b"2")], "the sample 'a' has two members .png"),
        ([("a.png", b"1"), ("b.png", b"2"), ("a.png", b"3")], "the id 'a' appears twice"),
        ([("a\n.png", b"1")], "control characters"),
        ([("a\udcff.png", b"1")], "not UTF-8"),
        ([("a.cls", b"1")], "no sample in 1 tar files; looked for members .jpg"),
        ([], "no sample in 1 tar files"),
    ],
)
def test_bad_samples(tmp_path, samples, message):
    with pytest.raises(InvalidData, match=message):
        everything(open_source(write(tmp_path / "x.tar", samples)))


def test_a_column_that_the_first_sample_does_not_have(tmp_path):
    path = write(tmp_path / "x.tar", downloaded("7"))
    with pytest.raises(InvalidData, match="no column 'person'; its columns are: url, key, status"):
        open_source(path, columns=["person"])


def test_a_tar_cut_short_anywhere_is_named(tmp_path):
    whole = write(
        tmp_path / "whole.tar", [(f"{row}.png", bytes([row]) * 700) for row in range(4)]
    ).read_bytes()
    end = 4 * (512 + 1024)
    path = tmp_path / "cut.tar"
    for length in [*range(0, end, 256), *range(1, end, 511)]:
        path.write_bytes(whole[:length])
        with pytest.raises(InvalidData, match=r"cut\.tar is damaged or cut short"):
            everything(open_source(path))


def test_a_damaged_header_in_the_middle_does_not_hide_the_rest(tmp_path):
    path = write(tmp_path / "x.tar", [(f"{row}.png", b"1") for row in range(4)])
    data = bytearray(path.read_bytes())
    data[2 * 1024 + 5] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InvalidData, match="damaged or cut short: no end marker at byte 2048"):
        everything(open_source(path))


def test_a_compressed_tar_is_refused(tmp_path):
    path = write(tmp_path / "x.tar", [("a.png", b"1")], "w:gz")
    with pytest.raises(InvalidData, match="unpack a compressed one first"):
        open_source(path)


def test_a_forged_negative_size_does_not_loop_for_ever(tmp_path):
    path = write(tmp_path / "x.tar", [("a.png", b"1"), ("b.png", b"2"), ("c.png", b"3")])
    data = bytearray(path.read_bytes())
    header = data[1024:1536]
    header[124:136] = b"\xff" * 10 + (-1024 & 0xFFFF).to_bytes(2, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[1024:1536] = header
    path.write_bytes(data)
    with pytest.raises(InvalidData, match="damaged or cut short"):
        everything(open_source(path))


def test_a_forged_size_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "x.tar"
    with path.open("wb") as file:
        info = tarfile.TarInfo("a.png")
        info.size = 1 << 34
        file.write(info.tobuf())
        file.truncate(512 + (1 << 34) + 1024)  # a hole
    with pytest.raises(InvalidData, match=r"'a\.png' is larger than 256 MiB"):
        everything(open_source(path))


def test_memory_is_that_of_a_batch(tmp_path):
    """8,000 images of 10 kB in one tar: a batch has 1,024 of them, and two are alive at a time."""
    path = write(tmp_path / "x.tar", [(f"{row:05}.png", b"x" * 10_000) for row in range(8000)])
    assert peak_bytes(read_through, path, 8000) < 30e6


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_anywhere_is_either_refused_or_harmless(tmp_path_factory, data):
    formats = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=data.draw(formats)) as archive:
        for name in ("a.png", "b" * 50 + "/" + "b" * 60 + "é.png", "c.png"):
            archive.addfile(tarfile.TarInfo(name))
    whole = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(whole) // 512 - 1)) * 512
        place = data.draw(st.one_of(st.integers(0, 511), st.integers(124, 157)))
        whole[start + place] = data.draw(st.integers(0, 255))
        header = whole[start : start + 512]
        if data.draw(st.booleans()):  # a forger writes the right checksum
            header[148:156] = b" " * 8
            whole[start + 148 : start + 156] = b"%06o\0 " % sum(header)
    path = tmp_path_factory.mktemp("damaged") / "x.tar"
    path.write_bytes(whole)
    try:
        ids, items, _ = everything(open_source(path))
    except InvalidData:
        return
    assert len(ids) <= len(whole) // 512
    assert sum(map(len, items)) <= len(whole)
