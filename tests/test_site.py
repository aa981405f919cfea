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


def test_the_readmes_lines_run(tmp_path, monkeypatch):
    """The first screen of the README, on arrays."""
    import numpy as np

    rng = np.random.default_rng(0)
    monkeypatch.setenv("PROXYSET_LEDGER", str(tmp_path / "ledger.sqlite"))
    given = {
        "pool": rng.normal(size=(3000, 8)),
        "private": rng.normal(size=(200, 8)),
        "train": lambda items: trained.append(len(items)),
    }
    trained: list[int] = []
    (code,) = re.findall(
        r"```python\n(.*?)```", (DOCS.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    exec(compile(code, "README.md", "exec"), given)
    assert trained == [1000]
