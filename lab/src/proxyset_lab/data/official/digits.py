"""The paper's Digits: MNIST, SVHN, USPS, SynthDigits and MNIST-M, as FedBN or torchvision keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset.demo.digits import assemble
from proxyset.demo.drawing import grey_to_rgb
from proxyset.errors import FetchError
from proxyset_lab.data.official.arrays import Labelled, read_fedbn, read_idx, read_svhn, read_usps
from proxyset_lab.data.official.place import official_folder

_FEDBN = {"mnist": "MNIST", "svhn": "SVHN", "usps": "USPS", "synth": "SynthDigits", "mnist-m": "MNIST_M"}
_DOMAINS = (
    Domain("mnist", "handwriting, scanned", "LeCun, Cortes, Burges", "CC BY-SA 3.0"),
    Domain("svhn", "house numbers, photographed", "Netzer et al. 2011", "for non-commercial use"),
    Domain("usps", "handwriting on envelopes", "Hull 1994", "see its authors"),
    Domain("synth", "printed digits in many fonts", "Ganin and Lempitsky 2015", "see its authors"),
    Domain("mnist-m", "handwriting pasted on photographs", "Ganin and Lempitsky 2015", "see its authors"),
)


def build() -> Content:
    """All images of the domains whose files are there. Columns as in `bench.digits.build`.

    Of $PROXYSET_DATA, first FedBN's folders (`digit_dataset/MNIST/partitions/…`, or `MNIST/partitions/…`) are looked at, then
    torchvision's files: `MNIST/raw/…-ubyte`, `usps.bz2`, `usps.t.bz2`, `train_32x32.mat`, `test_32x32.mat`.

    Raises:
        FetchError: $PROXYSET_DATA is not set, or holds fewer than two domains.
        InvalidData: a file is damaged.
    """
    root = official_folder("the paper's Digits")
    found = [(domain, read) for domain in _DOMAINS if (read := _read(root, domain.name)) is not None]
    if len(found) < 2:
        raise FetchError(
            f"{root} holds {len(found)} of the domains {', '.join(_FEDBN.values())}: put FedBN's digit_dataset there, or "
            "torchvision's files"
        )
    absent = [domain.name for domain in _DOMAINS if domain not in [kept for kept, _ in found]]
    content = assemble(
        [domain for domain, _ in found], [(_rgb(images), labels) for _, (images, labels) in found]
    )
    note = f"without the domains {', '.join(absent)}: no files of theirs in {root}" if absent else ""
    return Content(content.table, content.fingerprint, note)


def _read(root: Path, domain: str) -> Labelled | None:
    for folder in (root / "digit_dataset" / _FEDBN[domain], root / _FEDBN[domain]):
        if (folder / "partitions").is_dir():
            return read_fedbn(folder)
    if domain == "mnist":
        return _both([_idx_pair(root / "MNIST" / "raw", part) for part in ("train", "t10k")])
    if domain == "usps":
        return _both(
            [
                read_usps(root / name) if (root / name).is_file() else None
                for name in ("usps.bz2", "usps.t.bz2")
            ]
        )
    if domain == "svhn":
        names = ("train_32x32.mat", "test_32x32.mat")
        return _both([read_svhn(root / name) if (root / name).is_file() else None for name in names])
    return None


def _idx_pair(folder: Path, part: str) -> Labelled | None:
    read = []
    for what in ("images-idx3", "labels-idx1"):
        paths = [folder / f"{part}-{what}-ubyte{suffix}" for suffix in ("", ".gz")]
        there = next((path for path in paths if path.is_file()), None)
        if there is None:
            return None
        read.append(read_idx(there))
    return read[0], read[1].astype(np.int64)


def _both(parts: list[Labelled | None]) -> Labelled | None:
    there = [part for part in parts if part is not None]
    if not there:
        return None
    return np.concatenate([images for images, _ in there]), np.concatenate([labels for _, labels in there])


def _rgb(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return grey_to_rgb(images) if images.ndim == 3 else images


PAPER_DIGITS = DataSet(
    name="paper-digits",
    title="The paper's Digits, from the official files in $PROXYSET_DATA",
    items=0,
    download=0,
    domains=_DOMAINS,
    encoder="hog",
    version=2,
    fingerprint="",
    build=build,
)
