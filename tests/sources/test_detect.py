import io
import os

import numpy as np
import pytest
from PIL import Image

from proxyset.errors import InvalidData
from proxyset.sources import open_source
from proxyset.sources.private import open_private_files
from proxyset.sources.private.records import Wanted


def test_nothing_there(tmp_path):
    with pytest.raises(InvalidData, match="does not exist"):
        open_source(tmp_path / "none")


@pytest.mark.parametrize("name", ["a.zip", "a.png", "a.json", "a"])
def test_a_file_of_no_known_form_says_what_was_looked_for(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(
        InvalidData, match=r"looked for tar \(\.tar\); parquet .* jsonl .* csv .* npy .* images \(\.jpg"
    ):
        open_source(tmp_path / name)


def test_an_empty_folder_and_a_folder_of_folders(tmp_path):
    (tmp_path / "a" / "b.png").mkdir(parents=True)
    with pytest.raises(InvalidData, match=r"no data that can be read \(0 files\)"):
        open_source(tmp_path)


def test_a_device_is_not_data():
    with pytest.raises(InvalidData, match="neither a file nor a folder"):
        open_source(os.devnull)


def test_two_forms_in_one_folder_are_not_guessed(tmp_path):
    np.save(tmp_path / "e.npy", np.ones((2, 2)))
    (tmp_path / "t.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(InvalidData, match=r"holds npy \(1 files.* and jsonl \(1 files"):
        open_source(tmp_path)
    assert open_source(tmp_path, kind="embedding").kind == "embedding"
    assert open_source(tmp_path / "t.jsonl").kind == "text"


def test_a_form_cannot_give_every_kind(tmp_path):
    np.save(tmp_path / "e.npy", np.ones((2, 2)))
    with pytest.raises(InvalidData, match="no data of kind text"):
        open_source(tmp_path / "e.npy", kind="text")


def picture(form):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(buffer, form)
    return buffer.getvalue()


def test_pictures_without_a_suffix_are_known_by_how_they_begin(tmp_path):
    dicom = b"\0" * 128 + b"DICM"
    names = {
        "IM000001": dicom,
        "1.2.840.113619.2.17": dicom,
        "DICOMDIR": dicom,
        "README": b"about",
        "x.": b"",
    }
    names |= {form: picture(form) for form in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "JPEG2000", "AVIF")}
    (tmp_path / "study").mkdir()
    for name, data in names.items():
        (tmp_path / "study" / name).write_bytes(data)
    found = set(names) - {"DICOMDIR", "README", "x."}
    source = open_source(tmp_path)
    assert {file.removeprefix("study/") for file in source.files} == found
    private = open_private_files(tmp_path, Wanted("image"))
    assert [file for file, _ in private.files] == list(source.files)
    assert private.passed_over == {"files without a suffix": 3}
    (alone,) = open_private_files(tmp_path / "study" / "IM000001", Wanted("image")).batches()
    assert len(alone.ids) == 1
