"""What the README shows runs."""

import re
from pathlib import Path

import pytest

import proxyset

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python$(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_ten_lines_on_arrays_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    (code,) = [block for block in blocks(README) if "build_index" in block]
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for _ in range(2):  # a notebook's cell is run again
        exec(compile(code, str(README), "exec"), names)
    assert len(names["frame"]) == 500  # type: ignore[arg-type]


def test_a_function_as_an_encoder_runs() -> None:
    class Model:
        def encode(self, texts: list[str]) -> list[list[int]]:
            return [[len(text), text.count("a")] for text in texts]

    texts = [f"{'a' * (number % 7)} {number}" for number in range(200)]
    names: dict[str, object] = {"proxyset": proxyset, "model": Model(), "texts": texts, "notes": texts[:20]}
    for block in blocks(ROOT / "docs" / "python.md"):
        exec(compile(block, "docs/python.md", "exec"), names)
    assert len(names["release"].counts) == 100  # type: ignore[attr-defined]
