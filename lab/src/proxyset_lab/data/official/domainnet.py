"""DomainNet (Peng et al., ICCV 2019) in its official layout: six domains, 345 classes, or the paper's ten.

    $PROXYSET_DATA/clipart/aircraft_carrier/clipart_001_000001.jpg …
    $PROXYSET_DATA/clipart_train.txt, clipart_test.txt          lines "clipart/aircraft_carrier/….jpg 0"

Everything may also lie in a subfolder `DomainNet` or `domainnet`, and the lists in `splits`. Images stay where they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import partial
from pathlib import Path

import pyarrow as pa

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset.errors import FetchError, InvalidData
from proxyset_lab.data.official.place import official_folder

NAMES = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")
TEN = (
    "bird",
    "feather",
    "headphones",
    "ice_cream",
    "teapot",
    "tiger",
    "whale",
    "windmill",
    "wine_glass",
    "zebra",
)
_DOMAINS = tuple(Domain(name, name, "Peng et al., ICCV 2019", "fair use, for research") for name in NAMES)


def build(classes: Collection[str] | None) -> Content:
    """The images that the lists name. Columns: id (path in the lists), domain, label (class), file (absolute path).

    Args:
        classes: of which classes; None for all.

    Raises:
        FetchError: $PROXYSET_DATA is not set, or has no lists of at least two domains.
        InvalidData: a list names a file that is not there, or has another form.
    """
    place = official_folder("DomainNet")
    root = next((place / sub for sub in ("DomainNet", "domainnet") if (place / sub).is_dir()), place)
    columns: dict[str, list[str]] = {name: [] for name in ("id", "domain", "label", "file")}
    digest, absent = hashlib.sha256(), []
    for domain in NAMES:
        lists = [path for part in ("train", "test") if (path := _list(root, f"{domain}_{part}.txt"))]
        if not lists:
            absent.append(domain)
        for name in (line for path in lists for line in _entries(path)):
            parts = name.split("/")
            if len(parts) != 3 or parts[0] != domain:
                raise InvalidData(f"the list of {domain} names {name!r}, not {domain}/CLASS/FILE")
            if classes is not None and parts[1] not in classes:
                continue
            file = root / name
            if not file.is_file():
                raise InvalidData(
                    f"the list of {domain} names {name!r}, which is not in {root}: unpack {domain}.zip there"
                )
            digest.update(f"{name} {file.stat().st_size}\n".encode())
            for column, value in zip(columns, (name, domain, parts[1], str(file)), strict=True):
                columns[column].append(value)
    if len(absent) > len(NAMES) - 2:
        raise FetchError(f"{root} has no lists such as clipart_train.txt of two domains or more")
    note = f"without the domains {', '.join(absent)}: no lists of theirs in {root}" if absent else ""
    return Content(pa.table(columns), digest.hexdigest(), note)


def _list(root: Path, name: str) -> Path | None:
    return next((path for path in (root / name, root / "splits" / name) if path.is_file()), None)


def _entries(path: Path) -> list[str]:
    return [line.rpartition(" ")[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _data_set(name: str, title: str, classes: Collection[str] | None) -> DataSet:
    return DataSet(
        name=name,
        title=title,
        items=0,
        download=0,
        domains=_DOMAINS,
        encoder="efficientnet-lite0",
        version=1,
        fingerprint="",
        build=partial(build, classes),
    )


DOMAINNET_10 = _data_set("domainnet-10", "DomainNet, the paper's ten classes, from $PROXYSET_DATA", TEN)
DOMAINNET_345 = _data_set("domainnet-345", "DomainNet, all classes, from $PROXYSET_DATA", None)
