"""What the tests of the owner's page share."""

from __future__ import annotations

from typing import Any

from tests.e2e.worlds import HOSTILE

PURPOSE = f"to sort drawings {HOSTILE}"


def site_of(page: dict[str, Any]) -> str:
    """The address of the page, whose link is known."""
    return str(page["url"]).partition("/login")[0]
