"""What vendors write of the options of their Ansible modules: text, a boolean, a whole number or a list? A vendor is a site."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset.demo.packages import opened_wheel

PER_VENDOR = 800
_TYPES = ("bool", "int", "list", "str")
_LONGEST = 400  # characters
_SEED = 20_261_129
_PACKAGE = "ansible==12.3.0"
_MODULES = re.compile(r"ansible_collections/([^/]+/[^/]+)/plugins/modules/([^/]+)\.py")
_DOCUMENTATION = re.compile(r"^DOCUMENTATION\s*=\s*r?(\"\"\"|''')(.*?)\1", re.DOTALL | re.MULTILINE)
_SOURCE = "its Ansible collection, as carried by the package ansible 12.3.0"
_VENDORS = {
    name.partition("/")[2].replace("_", "-") if name.startswith("community/") else name.partition("/")[0]: name
    for name in (
        "amazon/aws", "arista/eos", "awx/awx", "azure/azcollection", "check_point/mgmt", "cisco/ios", "containers/podman",
        "community/docker", "community/proxmox", "community/vmware", "community/windows", "community/zabbix",
        "dellemc/openmanage", "f5networks/f5_modules", "google/cloud",
        "ibm/storage_virtualize", "infoblox/nios_modules", "junipernetworks/junos", "netapp/ontap", "netbox/netbox",
        "ngine_io/cloudstack", "openstack/cloud", "ovirt/ovirt", "purestorage/flasharray", "theforeman/foreman", "vyos/vyos",
    )
}  # fmt: skip


def build() -> Content:
    """At most 800 descriptions of each of 26 vendors; what a vendor writes twice counts once.

    Columns: id ("awx/3/17"), domain (the vendor), label (bool, int, list or str), group (the module that the option is of), text.

    Raises:
        FetchError: the package could not be downloaded.
    """
    columns: dict[str, list[str]] = {name: [] for name in ("id", "domain", "label", "group", "text")}
    with opened_wheel(_PACKAGE) as archive:
        modules = [match for path in archive.namelist() if (match := _MODULES.fullmatch(path))]
        for number, (vendor, collection) in enumerate(sorted(_VENDORS.items())):
            paths = sorted(match[0] for match in modules if match[1] == collection)
            kinds: dict[str, tuple[str, str]] = {}  # text → module and type, as first met
            for at in np.random.default_rng([_SEED, number]).permutation(len(paths)):
                if len(kinds) >= PER_VENDOR:
                    break
                name = f"{vendor}/{PurePosixPath(paths[at]).stem}"
                for text, kind in _options(archive.read(paths[at]).decode("utf-8")):
                    kinds.setdefault(text, (name, kind))
            for count, (text, (name, kind)) in enumerate(list(kinds.items())[:PER_VENDOR]):
                for column, value in zip(
                    columns, (f"{vendor}/{count}", vendor, kind, name, text), strict=True
                ):
                    columns[column].append(value)
    digest = hashlib.sha256("\n".join("\t".join(row) for row in zip(*columns.values(), strict=True)).encode())
    return Content(pa.table(columns), digest.hexdigest())


def _options(source: str) -> Iterator[tuple[str, str]]:
    """Description and type of every option that a module documents. A module without readable documentation has none."""
    found = _DOCUMENTATION.search(source)
    try:
        written = yaml.safe_load(found[2]) if found else None
    except yaml.YAMLError:
        return  # a few modules of some vendors are not YAML
    if isinstance(written, dict):
        yield from _below(written.get("options"))


def _below(options: Any) -> Iterator[tuple[str, str]]:
    for option in options.values() if isinstance(options, dict) else ():
        if not isinstance(option, dict):
            continue
        described = option.get("description") or ""
        text = " ".join(map(str, described)) if isinstance(described, list) else str(described)
        text = " ".join(text.split())[:_LONGEST]
        if text and option.get("type") in _TYPES:
            yield text, option["type"]
        yield from _below(option.get("suboptions"))


OPTIONS = DataSet(
    name="options",
    title="Types of options, from what 26 vendors write of them",
    items=16143,
    download=54_000_000,
    domains=tuple(
        Domain(vendor, f"options of modules of {collection.replace('/', '.')}", _SOURCE, "GPL-3.0-or-later")
        for vendor, collection in sorted(_VENDORS.items())
    ),
    encoder="wordllama",
    version=1,
    fingerprint="486dde90da65ff263532e4dde90cdb6bf105b473ab10794a653321c4cbcf6840",
    build=build,
)
