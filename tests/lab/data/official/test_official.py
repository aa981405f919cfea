import bz2
import gzip
import io
import os
import pickle
import struct

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from proxyset.demo.digits import pixels
from proxyset.errors import FetchError, InvalidData
from proxyset_lab.data.official import DOMAINNET_10, DOMAINNET_345, PAPER_DIGITS
from proxyset_lab.data.official.arrays import read_fedbn, read_idx, read_svhn, read_usps
from proxyset_lab.data.official.domainnet import NAMES
from proxyset_lab.features import Features, _items


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("PROXYSET_DATA", str(tmp_path))
    monkeypatch.setenv("PROXYSET_CACHE", str(tmp_path / "cache"))
    return tmp_path


def _random(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _idx(array):
    return (
        struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    )


def _fedbn(folder, images, labels, parts=2):
    (folder / "partitions").mkdir(parents=True)
    for part in range(parts):
        chosen = slice(part, None, parts)
        (folder / "partitions" / f"train_part{part}.pkl").write_bytes(
            pickle.dumps((images[chosen], labels[chosen]))
        )
    (folder / "test.pkl").write_bytes(pickle.dumps((images[:3], labels[:3])))


def test_torchvisions_files(root):
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    mnist, digits = _random((12, 28, 28)), np.arange(12, dtype=np.uint8) % 10
    (raw / "train-images-idx3-ubyte").write_bytes(_idx(mnist))
    (raw / "train-labels-idx1-ubyte").write_bytes(_idx(digits))
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(_idx(mnist[:4])))
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx(digits[:4])))
    grey = np.linspace(-1, 1, 256)
    line = "10 " + " ".join(f"{number + 1}:{value:.6f}" for number, value in enumerate(grey))
    (root / "usps.bz2").write_bytes(bz2.compress(f"{line}\n{line.replace('10', '1', 1)}\n".encode()))
    svhn = _random((5, 32, 32, 3), 1)
    savemat(
        root / "test_32x32.mat", {"X": svhn.transpose(1, 2, 3, 0), "y": np.array([[10], [1], [2], [3], [4]])}
    )

    content = PAPER_DIGITS.build()
    table = content.table.to_pydict()
    assert [table["domain"].count(name) for name in ("mnist", "svhn", "usps")] == [16, 5, 2]
    assert "synth, mnist-m" in content.note
    assert np.array_equal(pixels(table["image"][0])[..., 1], mnist[0]) and table["label"][:3] == [
        "0",
        "1",
        "2",
    ]
    first = table["domain"].index("svhn")
    assert np.array_equal(pixels(table["image"][first]), svhn[0]) and table["label"][first : first + 2] == [
        "0",
        "1",
    ]
    images, labels = read_usps(root / "usps.bz2")
    assert (
        images.shape == (2, 16, 16)
        and images[0, 0, 0] == 0
        and images[0, -1, -1] == 255
        and labels.tolist() == [9, 0]
    )


def test_fedbns_partitions(root):
    grey, colour = _random((8, 28, 28)), _random((8, 32, 32, 3), 2)
    labels = np.arange(8)
    _fedbn(root / "digit_dataset" / "USPS", grey[..., None], labels)
    _fedbn(root / "SynthDigits", colour, labels)
    content = PAPER_DIGITS.build()
    assert content.table["domain"].to_pylist() == ["usps"] * 11 + ["synth"] * 11
    images, found = read_fedbn(root / "SynthDigits")
    assert np.array_equal(images[:4], colour[::2]) and found[:4].tolist() == [0, 2, 4, 6]


def test_a_pickle_that_is_more_than_arrays_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    (tmp_path / "partitions").mkdir()
    (tmp_path / "partitions" / "train_part0.pkl").write_bytes(pickle.dumps((Evil(), np.zeros(1))))
    with pytest.raises(InvalidData, match="mkdir"):
        read_fedbn(tmp_path)
    assert not (tmp_path / "owned").exists()


def test_damaged_files_are_told(tmp_path):
    damaged = tmp_path / "file"
    for data in (b"", _idx(_random((3, 4, 4)))[:-5], b"\0\0\x0d\x01\0\0\0\x01\0"):
        damaged.write_bytes(data)
        with pytest.raises(InvalidData):
            read_idx(damaged)
    damaged.write_bytes(b"not a matrix")
    with pytest.raises(InvalidData, match="SVHN"):
        read_svhn(damaged)
    with pytest.raises(InvalidData, match="USPS"):
        read_usps(damaged)


def _domainnet(root, domains=("clipart", "sketch"), lists="."):
    for number, domain in enumerate(domains):
        for part, names in (("train", ("zebra", "axe")), ("test", ("bird",))):
            lines = []
            for label, name in enumerate(names):
                folder = root / domain / name
                folder.mkdir(parents=True)
                for item in range(3):
                    file = folder / f"{domain}_{label}_{item}.jpg"
                    Image.fromarray(_random((20, 30, 3), 10 * number + item)).save(file)
                    lines.append(f"{domain}/{name}/{file.name} {label}")
            (root / lists).mkdir(exist_ok=True)
            (root / lists / f"{domain}_{part}.txt").write_text("\n".join(lines) + "\n")


def test_domainnet_in_its_official_layout(root):
    _domainnet(root)
    ten, all_ = DOMAINNET_10.build(), DOMAINNET_345.build()
    assert set(ten.table["label"].to_pylist()) == {"zebra", "bird"} and len(ten.table) == 12
    assert (
        len(all_.table) == 18
        and "real" in ten.note
        and set(all_.table["domain"].to_pylist()) == {"clipart", "sketch"}
    )
    features = Features.of(DOMAINNET_10)
    assert (features.item_bytes > 100).all()
    assert Image.open(io.BytesIO(_items(ten.table)[0])).size == (30, 20)


def test_domainnet_below_a_folder_with_lists_apart(root):
    (root / "DomainNet").mkdir()
    _domainnet(root / "DomainNet", NAMES, "splits")
    content = DOMAINNET_345.build()
    assert len(content.table) == 54 and not content.note


def test_what_is_missing_is_said(root, monkeypatch):
    with pytest.raises(FetchError, match="no lists"):
        DOMAINNET_10.build()
    with pytest.raises(FetchError, match="0 of the domains"):
        PAPER_DIGITS.build()
    _domainnet(root)
    next((root / "sketch" / "bird").iterdir()).unlink()
    with pytest.raises(InvalidData, match=r"unpack sketch\.zip"):
        DOMAINNET_10.build()
    monkeypatch.delenv("PROXYSET_DATA")
    with pytest.raises(FetchError, match="PROXYSET_DATA"):
        DOMAINNET_10.build()
