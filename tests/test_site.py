import re
from pathlib import Path

import proxyset

DOCS = Path(__file__).parents[1] / "docs"


def test_the_reference_has_every_public_name():
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto(?:function|class):: (\w+)$", page, re.MULTILINE)
    errors = ["ProxysetError", "Refused"]  # with the whole tree of them
    assert sorted([*named, *errors]) == proxyset.__all__
    assert ".. automodule:: proxyset.errors" in page
