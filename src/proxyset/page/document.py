"""A page that is one file: its style and its pictures are in it, it runs nothing and fetches nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Any

from markupsafe import Markup

from proxyset.page.environment import environment

_STYLE = (("proxyset.page", "static/colours.css"), ("proxyset.page", "static/page.css"))


@dataclass(frozen=True)
class Document:
    """One file.

    Attributes:
        html: all of it.
        security: its content security policy, which it also states itself: its own style, its own pictures, nothing else.
    """

    html: str
    security: str


def document(
    package: str,
    template: str,
    style: str,
    /,
    filters: Mapping[str, Callable[..., str]] | None = None,
    **values: Any,
) -> Document:
    """Render a template that takes `style` and `security` into one file.

    Args:
        package: whose folder `templates` has the template and, as `style`, what it adds to the style of all pages.
        template, style: names of files in that folder.
        filters: beside those of all pages.
        values: for the template, which escapes them.
    """
    templates = environment(package)
    templates.filters.update(filters or {})
    css = "\n".join(
        (resources.files(place) / file).read_text(encoding="utf-8")
        for place, file in (*_STYLE, (package, f"templates/{style}"))
    )
    digest = base64.b64encode(sha256(css.encode()).digest()).decode()
    security = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    html = templates.get_template(template).render(values, style=Markup(css), security=security)
    return Document(html, security)


def data_uri(png: bytes) -> str:
    """A picture within the file."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
