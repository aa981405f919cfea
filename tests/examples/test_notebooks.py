"""The notebooks run from top to bottom, and the outputs that they carry are those that they give."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def forms(notebook: Any) -> list[list[tuple[str, list[str]]]]:
    """What each cell gave: noise is new each time, so the numbers are, too."""
    shown = [
        [each for each in cell.get("outputs", []) if each.output_type != "stream"] for cell in notebook.cells
    ]
    printed = [
        "".join(each.text for each in cell.get("outputs", []) if "text" in each) for cell in notebook.cells
    ]
    return [
        [(each.output_type, sorted(each.get("data", {}))) for each in outputs]
        + [("lines", [str(text.count("\n"))])]
        for outputs, text in zip(shown, printed, strict=True)
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_gives_what_it_shows(path: Path, tmp_path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    for cell in run.cells:
        cell.get("outputs", []).clear()
    NotebookClient(
        run, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert forms(run) == forms(stored), "run it again and keep its outputs: jupyter execute --inplace"
    assert not list(tmp_path.iterdir()), "a notebook leaves nothing behind"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_notebook_shows_the_machine_that_it_ran_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    from_the_root = r"(?<![\w:/.<*+-])/(?:[A-Za-z][\w.-]*/)+"  # of a disk; no URL, no media type
    assert not re.findall(from_the_root, text)
