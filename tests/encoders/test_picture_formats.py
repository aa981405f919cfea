"""What phones, archives and hospitals write is read, and looks as it should."""

import io

import numpy as np
import pytest
from PIL import Image

from proxyset.encoders import images
from proxyset.encoders.images import decode, format_of
from proxyset.errors import InvalidData

# left dark, right bright; the upper left corner is the brightest
PIXELS = np.full((40, 60, 3), 40, np.uint8)
PIXELS[:, 30:] = 200
PIXELS[:10, :10] = 255


def saved(form, **options):
    plugins = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}
    if form in plugins:
        plugin = pytest.importorskip(plugins[form])
        if form == "HEIF":
            plugin.register_heif_opener()
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["HEIF", "JXL", "AVIF", "JPEG", "JPEG2000", "WEBP", "TIFF", "PNG"])
def test_a_format(form):
    data = saved(form)
    assert format_of(data) == form
    found = np.asarray(decode(data, "RGB")).astype(int)
    assert found.shape == PIXELS.shape and abs(found - PIXELS).mean() < 12


@pytest.mark.parametrize("form", ["HEIF", "JXL", "AVIF", "JPEG"])
def test_a_turned_picture_is_turned_once(form):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that up is to the right
    found = decode(saved(form, exif=exif.tobytes()), "L")
    if form == "JXL":  # its codestream says how it is turned; this one does not say that it is
        assert found.size == (60, 40)
    else:
        assert found.size == (40, 60)


def test_without_its_plug_in_a_format_is_named(monkeypatch):
    data = saved("HEIF")

    def missing(package):
        raise ImportError(package)

    monkeypatch.setattr(images.importlib, "import_module", missing)
    with pytest.raises(InvalidData, match=r"HEIC, which needs a plug-in: pip install 'proxyset\[pictures\]'"):
        decode(data, "RGB")
    assert format_of(data) == ""


def test_no_bytes_are_no_picture():
    with pytest.raises(InvalidData, match="there is no picture: the value is empty"):
        decode(b"", "RGB")


def dicom(values, **tags):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = values.shape[:2]
    data.SamplesPerPixel = 3 if values.ndim == 3 else 1
    data.BitsAllocated = data.BitsStored = 8 * values.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    data.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        data.PlanarConfiguration = 0
    data.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


SCAN = np.array([[-1000, 0], [40, 3000]], np.int16)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, [[0, 64], [66, 255]]),
        ({"WindowCenter": 40, "WindowWidth": 80}, [[0, 0], [129, 255]]),
        (
            {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": -984, "WindowWidth": 80},
            [[0, 0], [129, 255]],
        ),
        ({"PhotometricInterpretation": "MONOCHROME1"}, [[255, 191], [189, 0]]),
    ],
)
def test_a_scan_is_windowed_as_it_says(tags, expected):
    found = np.asarray(decode(dicom(SCAN, **tags), "L"))
    np.testing.assert_allclose(found, expected, atol=1)


def test_a_scan_in_colours_and_one_that_is_damaged():
    assert np.array_equal(np.asarray(decode(dicom(PIXELS), "RGB")), PIXELS)
    assert format_of(dicom(SCAN)) == "DICOM"
    with pytest.raises(InvalidData, match="cannot decode the image"):
        decode(dicom(SCAN)[:-6], "L")
