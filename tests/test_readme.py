"""What the README shows runs."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_ten_lines_on_arrays_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    (code,) = [
        block
        for block in re.findall(
            r"^```python$(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
        if "build_index" in block
    ]
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for _ in range(2):  # a notebook's cell is run again
        exec(compile(code, str(README), "exec"), names)
    assert len(names["frame"]) == 500  # type: ignore[arg-type]
