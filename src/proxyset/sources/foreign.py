"""Sources of other packages: a pool that lies where none of our readers reaches."""

from __future__ import annotations

import re
from pathlib import Path

from proxyset.registry import Registry
from proxyset.sources.remote import is_url
from proxyset.sources.source import Source

SOURCES: Registry[Source] = Registry("source", "proxyset.sources", ("kind", "path", "shards", "read"), {})
_CLASS = re.compile(r"(?P<name>[A-Za-z_]\w*(\.\w+)*:[A-Z]\w*)(:(?P<place>.*))?", re.DOTALL)


def foreign_source(path: str) -> Source | None:
    """The source that "NAME:PLACE" or "module:Class:PLACE" names; None where this is a file, a folder or a URL.

    NAME is one that an installed package offers. The class is called with PLACE, or with nothing where there is no PLACE.

    Raises:
        InvalidInput: there is no such class, or it is no source.
    """
    if is_url(path) or Path(path).exists():
        return None
    name, colon, place = path.partition(":")
    if not colon or name not in SOURCES.names():
        match = _CLASS.fullmatch(path)
        if match is None:
            return None
        name, place = match["name"], match["place"]
    return SOURCES.load(name, *([place] if place else []))
