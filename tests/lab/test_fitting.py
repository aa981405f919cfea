"""The tables that fitting at home was tuned on are read, shifted and measured, and the page weighs them alike."""

from pathlib import Path

import numpy as np
import pytest

from proxyset_lab import fitting
from proxyset_lab.fitting import SHIFTS, Fit, page


def test_tables_count_the_same():
    found = [Fit("a", "none", "x", True, 60, 50.0, gain, 10.0) for gain in (4.0, 6.0)]
    found.append(Fit("b", "none", "x", True, 60, 60.0, 1.0, 2.0))
    found.append(Fit("a", "cut", "x", False, 60, 50.0, -0.2, 0.0))
    lines = page(found, "Rows of a commit.").splitlines()
    assert "| none | 3 |  | 55.0 | +3.0 ± 25.4 | +6.0 ± 50.8 |" in lines
    assert "| all | 4 | −0.2 | 55.0 | +3.0 ± 25.4 | +6.0 ± 50.8 |" in lines
    assert all(any(line.startswith(f"* {name}:") for line in lines) for name in SHIFTS)


def test_every_shift_is_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 1200)
    X = 2 * np.eye(5)[y] + rng.standard_normal((1200, 5))
    monkeypatch.setattr(fitting, "table", lambda name: (X, y))
    out = tmp_path / "adapt.jsonl"
    fitting.run([0], ["made-up"], out)
    found = fitting.read(out)
    fitting.run([0], ["made-up"], out)
    assert fitting.read(out) == found
    assert {fit.shift for fit in found} == set(SHIFTS) and {fit.skewed for fit in found} == {False, True}
    assert all(np.isfinite(fit.trained + fit.fitted + fit.true) for fit in found)
