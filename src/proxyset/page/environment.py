"""How templates are rendered, for sites and for files: everything escaped, and nothing shown that is not plainly to be seen."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from proxyset.page import words
from proxyset.page.lines import spark
from proxyset.printable import printable_lines


def environment(package: str) -> Environment:
    """The templates of a package, and those that all pages share.

    Whatever a template shows passes here: text that a stranger wrote is escaped for HTML, and its marks of direction, controls and
    invisible characters are written as escapes, so that it can neither run nor turn around what stands beside it.
    """
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("proxyset.page")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(words.FILTERS)
    made.filters["spark"] = spark
    return made


def shown(value: Any) -> Any:
    """What a template shows of a value: text is printable, whoever wrote it. Markup was put together from such parts."""
    return printable_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value
