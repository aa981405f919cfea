"""Each example is run as its reader runs it, and must show that the answer was worth asking for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_runs_and_beats_random(script: Path, tmp_path: Path) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    ran = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    shares = {
        name: int(share)
        for name, share in re.findall(r"^\d+ items.* (\S+): (\d+) %", ran.stdout, re.MULTILINE)
    }
    best = max(share for name, share in shares.items() if name != "random")
    assert best > shares["random"] + 10, ran.stdout
    assert not [path for path in tmp_path.iterdir() if path.name != "state"], (
        "an example leaves nothing behind"
    )


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_is_read_in_one_sitting(script: Path) -> None:
    assert 30 <= len(script.read_text(encoding="utf-8").splitlines()) <= 80


def test_the_page_shows_all_of_them() -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"literalinclude\} \.\./examples/(\S+)", page)) == [
        script.name for script in EXAMPLES
    ]
