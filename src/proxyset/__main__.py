"""`python -m proxyset`, and the `proxyset` command: nothing is imported before an interrupt has its manners."""

from __future__ import annotations

from typing import NoReturn

from proxyset.console import command


def main() -> NoReturn:
    """Entry point of the `proxyset` command."""
    command("proxyset.cli")


if __name__ == "__main__":
    main()
