"""The site: `make docs` builds it into build/site, with warnings as errors."""

from __future__ import annotations

import re
from importlib.metadata import version as installed
from itertools import groupby

from sphinx.application import Sphinx

project = "proxyset"
copyright = "the proxyset authors"
version = release = installed("proxyset")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design"]

# pages are Markdown; notebooks carry their outputs, and tests/examples runs them again
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True

# docstrings are Google's, with the sections of whatever touches privacy
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
default_role = "code"
maximum_signature_line_length = 90
napoleon_custom_sections = ["Sensitivity", "Unit", "Guarantee", "Assumes"]

html_theme = "furo"
html_title = "proxyset"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = html_show_sourcelink = False


def tables(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings have Markdown's tables, as the pages do; autodoc reads reStructuredText's."""
    written: list[str] = []
    for table, block in groupby(lines, lambda line: line.startswith("|")):
        if not table:
            written += block
            continue
        rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in block if set(line) - set("|- ")]
        written += [".. list-table::", "   :header-rows: 1", ""]
        written += [
            f"   {'* -' if not place else '  -'} {cell}" for row in rows for place, cell in enumerate(row)
        ]
        written += [""]
    lines[:] = written


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", tables)
