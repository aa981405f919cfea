"""What a reader does not read, it states: in numbers, on both sides."""

import csv
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from proxyset.client.private_data import open_private
from proxyset.cloud.build import build_index
from proxyset.encoders import load_encoder
from proxyset.errors import InvalidData
from proxyset.sources import open_source
from proxyset.sources.private import open_private_files
from proxyset.sources.private.records import Wanted

from .reading import everything, tar_of


def picture(path, form="JPEG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(len(str(path))).integers(0, 255, (30, 30, 3), np.uint8)).save(
        path, form
    )


def test_pictures_of_phones_are_records_and_other_files_are_named(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    for row in range(9):
        picture(tmp_path / f"{row}.heic", "HEIF")
    picture(tmp_path / "9.jpg")
    (tmp_path / "raw.CR2").write_bytes(b"raw")
    (tmp_path / "notes").write_bytes(b"x")
    private = open_private(tmp_path, load_encoder("hog"))
    assert sum(len(records.ids) for records in private.records()) == 10
    assert private.tally.no_vote == {}
    assert private.tally.words()[1:] == [
        "Passed over, not being of a form that is read here: 1 files without a suffix",
        "Passed over, not being of a form that is read here: 1 .cr2 files",
    ]
    index = build_index(tmp_path, tmp_path / ".index", clusters=2)
    assert index.manifest.passed_over == {"files without a suffix": 1, ".cr2 files": 1} and len(index) == 10
    said = [json.loads(line) for line in (tmp_path / ".index" / "skipped.jsonl").read_text().splitlines()]
    assert {"passed_over": ".cr2 files", "count": 1} in said


def test_names_with_dots_in_one_tar(tmp_path):
    picture(tmp_path / "x.jpg")
    data = (tmp_path / "x.jpg").read_bytes()
    names = [
        "0001.jpg",
        "0001.seg.png",
        "0002.jpg",
        "photo.2020.0001.jpg",
        "photo.2020.0001.cls",
        "photo.2020.0002.jpg",
        "z.txt",
    ]
    (tmp_path / "x.tar").write_bytes(
        tar_of(dict.fromkeys(names, data) | {"photo.2020.0001.cls": b"cat", "z.txt": b"text"})
    )
    source = open_source(tmp_path / "x.tar")
    ids, _, columns = everything(source)
    assert ids == ["0001", "0002", "photo.2020.0001", "photo.2020.0002"]
    assert columns["label"] == [None, None, "cat", None]
    (batch,) = source.read(source.shards()[0])
    assert batch.passed_over["members .seg.png"] == 1 and sum(batch.passed_over.values()) == 2
    private = open_private(tmp_path / "x.tar", load_encoder("hog"))
    assert [name for records in private.records() for name in records.ids] == ids


def test_a_tar_of_a_folder_has_a_member_for_the_folder(tmp_path):
    picture(tmp_path / "d" / "cat" / "1.jpg")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "d", ".")
    assert everything(open_source(tmp_path / "x.tar"))[0] == ["cat/1"]


@pytest.mark.parametrize(
    ("data", "items"),
    [
        ("text;label\nhello, you;a\n", ["hello, you"]),
        ("text\tlabel\nhello, you\ta\n", ["hello, you"]),
        ("Text,Label\nhello,a\n", ["hello"]),
        ("TEXT|LABEL\nhello|a\n", ["hello"]),
        ("text,label\n" + "x" * 300_000 + ",a\n", ["x" * 300_000]),
        ('text,label\n"' + "x\n" * 100_000 + '",a\n', ["x\n" * 100_000]),
    ],
)
def test_common_files_are_read_on_both_sides(tmp_path, data, items):
    path = tmp_path / "x.csv"
    path.write_text(data)
    _ids, found, columns = everything(open_source(path))
    assert (found, columns["label"]) == (items, ["a"])
    (batch,) = open_private_files(path, Wanted("text", columns=("label",))).batches()
    assert (batch.items, batch.columns, batch.unread) == (items, {"label": ["a"]}, {})


def test_a_private_table_may_write_its_columns_in_another_case(tmp_path):
    with (tmp_path / "x.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("AGE", "City"), (40, "Rome"), (50, "Oslo")])
    files = open_private_files(tmp_path / "x.csv", Wanted("table", features=("age", "city")))
    assert files.unfit() is None
    (batch,) = files.batches()
    assert batch.items.to_pylist() == [{"age": "40", "city": "Rome"}, {"age": "50", "city": "Oslo"}]


def test_a_ragged_file_says_what_stands_between_its_cells(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1;2\n3;4\n")
    (tmp_path / "y.csv").write_text("a,b\n1;2;3,4,5\n")
    with pytest.raises(InvalidData, match="which is ',' by the header"):
        everything(open_source(tmp_path / "y.csv"))


@pytest.mark.parametrize("data", ["5.1,3.5,setosa\n4.9,3.0,virginica\n", "1,2\n3,4\n", "-1;cat\n2;dog\n"])
def test_a_file_without_a_header_does_not_lose_its_first_row(tmp_path, data):
    (tmp_path / "x.csv").write_text(data)
    with pytest.raises(InvalidData, match=r"its first line has numbers .* write a header line above it"):
        open_source(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("country,2019,2020\nde,1,2\n")
    assert open_source(tmp_path / "x.csv").kind == "table"


def test_arrays_come_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1):
        np.save(tmp_path / f"emb_{number}.npy", np.full((2, 3), number, np.float32))
    assert [vector[0] for vector in everything(open_source(tmp_path))[1]] == [1, 1, 2, 2, 10, 10]


X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize(
    ("column", "kind", "items"),
    [
        (pa.FixedShapeTensorArray.from_numpy_ndarray(X.reshape(4, 3)), "embedding", X),
        (pa.array(X.tolist(), pa.list_view(pa.float32())), "embedding", X),
        (pa.array(X.tolist(), pa.large_list(pa.float32())), "embedding", X),
        (pa.array([b"a", b"b", b"a", None]).dictionary_encode(), "image", [b"a", b"b", b"a", b""]),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), "text", ["a", "b", "a", ""]),
        (pa.array(["a", "b", "a", None], pa.string_view()), "text", ["a", "b", "a", ""]),
    ],
)
def test_ways_of_writing_a_column_in_parquet(tmp_path, column, kind, items):
    pq.write_table(pa.table({kind: column}), tmp_path / "x.parquet")
    assert open_source(tmp_path / "x.parquet").kind == kind
    found = everything(open_source(tmp_path / "x.parquet"))[1]
    assert np.array_equal(found, items) if kind == "embedding" else found == items
    (batch,) = open_private_files(tmp_path / "x.parquet", Wanted(kind, dim=3)).batches()
    assert not batch.unread
    assert np.array_equal(batch.items, items) if kind == "embedding" else batch.items == items


def test_links_in_a_tar_are_counted_and_tars_that_were_joined_are_refused(tmp_path):
    picture(tmp_path / "x.jpg")
    data = (tmp_path / "x.jpg").read_bytes()
    path = tmp_path / "x.tar"
    path.write_bytes(tar_of({"a.jpg": data}))
    with tarfile.open(path, "a") as archive:
        for kind, name in (
            (tarfile.LNKTYPE, "b.jpg"),
            (tarfile.SYMTYPE, "c.jpg"),
            (tarfile.FIFOTYPE, "d.jpg"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a.jpg"
            archive.addfile(info)
    passed = {"links to other members": 2, "members that are no files": 1}
    source = open_source(path)
    assert [batch.passed_over for shard in source.shards() for batch in source.read(shard)] == [passed]
    private = open_private(path, load_encoder("hog"))
    assert sum(len(records.ids) for records in private.records()) == 1
    assert any("2 links to other members" in line for line in private.tally.words())
    path.write_bytes(tar_of({"a.jpg": data}) + tar_of({"b.jpg": data}))
    with pytest.raises(InvalidData, match=r"goes on after its end .* several tar files joined"):
        everything(open_source(path))
