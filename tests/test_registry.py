import re
import sys
from importlib.metadata import entry_points
from types import SimpleNamespace

import pytest

from proxyset.errors import InvalidInput
from proxyset.registry import Registry

PARTS = Registry("part", "proxyset.test-parts", ("name",), {"ours": SimpleNamespace(name="ours")})
MODULE = """
import re
class Mine:
    name = "mine"
class Asks:
    def __init__(self, much): ...
ready, wrong = Mine(), 3
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A package that Python finds, with these entry points."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "someones", raising=False)

    def write(package="someones", **offers):
        (tmp_path / "someones.py").write_text(MODULE)
        info = tmp_path / f"{package}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        lines = [f"{name} = {value}" for name, value in offers.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{PARTS.group}]", *lines]))

    yield write
    sys.modules.pop("someones", None)


def test_an_object_a_name_an_entry_point_and_a_class(install):
    install(theirs="someones:Mine")
    assert PARTS.names() == ["ours", "theirs"]
    assert PARTS.find("ours") is PARTS.load("ours") is PARTS.own["ours"]
    assert PARTS.find("theirs").name == PARTS.load("someones:Mine").name == "mine"
    thing = SimpleNamespace(name="thing")
    assert PARTS.load(thing) is thing
    assert PARTS.load("someones:ready").name == "mine"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("nobodys", "choose one of ours, theirs"),
        ("nobodys:Class", "cannot be imported .*install its package"),
        ("someones:Nothing", "has no Nothing"),
        ("someones:Asks", "cannot be made without arguments"),
        ("someones:wrong", "is no part: it has no name"),
        ("someones:Mine()", "unknown part"),
        (":Mine", "unknown part"),
        (4, "4 is no part"),
    ],
)
def test_what_is_not_there_is_said(install, part, said):
    install(theirs="someones:Mine")
    with pytest.raises(InvalidInput, match=said):
        PARTS.load(part)


def test_a_name_from_elsewhere_imports_nothing_that_is_not_offered(install):
    install()
    with pytest.raises(InvalidInput, match=re.escape("unknown part 'someones:Mine'")):
        PARTS.find("someones:Mine")
    assert "someones" not in sys.modules


def test_a_name_means_one_thing(install):
    install(ours="someones:Mine", theirs="someones:Mine")
    install("others", theirs="someones:ready")
    for name in ("ours", "theirs"):
        with pytest.raises(InvalidInput, match="uninstall all but one"):
            PARTS.find(name)


def test_metadata_is_read_once_and_again_for_what_was_installed_since(install, monkeypatch):
    read = []
    monkeypatch.setattr(
        "proxyset.registry.entry_points", lambda **asked: read.append(asked) or entry_points(**asked)
    )
    install()
    with pytest.raises(InvalidInput):
        PARTS.find("theirs")
    few = len(read)
    for _ in range(50):
        PARTS.find("ours")
        PARTS.names()
    assert len(read) == few <= 2
    install("others", theirs="someones:Mine")
    assert PARTS.find("theirs").name == "mine"
