"""lab/README.md, generated from the commands themselves."""

from __future__ import annotations

from pathlib import Path

from proxyset import atomic
from proxyset.cli.output import note
from proxyset.cli.reference import sections

PAGE = Path(__file__).parents[3] / "README.md"
_INTRODUCTION = """# The lab

What proxyset's figures were measured with: the benchmark and its data sets, the alternatives and rivals it is compared with,
fleets, speed, and the server under load. It is a package of its own, so that the wheel holds what users run; the package
imports proxyset, never the other way round.

From a checkout, `make` installs it into `.venv` beside proxyset; by hand that is `pip install -e . -e lab`. Experiments are TOML
files in `lab/benchmarks`, their results go to `bench-results`, their reports to `docs/results`.

What follows is generated from the commands (`proxyset-lab reference`); do not edit.
"""


def page() -> str:
    """The whole page."""
    from proxyset_lab.cli import app

    return _INTRODUCTION + sections("proxyset-lab", app)


def reference() -> None:
    """Write lab/README.md anew.

    Example: proxyset-lab reference
    """
    atomic.write_bytes(PAGE, page().encode())
    note(f"wrote {PAGE}")
