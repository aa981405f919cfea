"""Texts: a pool of 900 pieces of Python's own documentation, and an owner who writes about asynchronous programs.

    python examples/texts.py

The texts are the docstrings of the standard library, so that nothing is downloaded. The encoder is WordLlama, whose weights are in
the base install: the mean of the vectors of a text's words.
"""

import inspect
import pkgutil
import tempfile
from importlib import import_module
from pathlib import Path

import proxyset

PACKAGES = (
    "asyncio",
    "email",
    "http",
    "json",
    "logging",
    "unittest",
    "urllib",
    "xml",
    "concurrent",
    "ctypes",
)


def docstrings(package: str) -> set[str]:
    """What the modules of a package say about their functions and classes."""
    found = set()
    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if "__main__" in module.name or ".windows_" in module.name or "test" in module.name:
            continue
        try:
            things = vars(import_module(module.name)).values()
        except ImportError:  # a module of another operating system
            continue
        classes = [thing for thing in things if inspect.isclass(thing)]
        for thing in [*things, *(part for each in classes for part in vars(each).values())]:
            if str(getattr(thing, "__module__", "")).startswith(package) and isinstance(thing.__doc__, str):
                found.add(inspect.cleandoc(thing.__doc__))
    return {text for text in found if len(text) > 40}


def main() -> None:
    texts = {package: sorted(docstrings(package)) for package in PACKAGES}
    private = texts["asyncio"][::2]  # the owner's; the other half lies in the pool, among everything else
    texts["asyncio"] = texts["asyncio"][1::2]
    pool = [text for package in PACKAGES for text in texts[package]]
    about = [package for package in PACKAGES for _ in texts[package]]
    print(
        f"{len(pool):,} public texts, {len(texts['asyncio'])} of them about asyncio; {len(private)} private ones"
    )

    index = proxyset.build_index(pool, encoder="wordllama", clusters=30)
    with tempfile.TemporaryDirectory() as folder:
        release = proxyset.answer(
            index.probe(), private, dataset="notes", epsilon=1, ledger=Path(folder) / "ledger.sqlite"
        )
    for strategy in ("density-ratio", "random"):
        rows = proxyset.rank(index, release, 100, strategy).rows
        share = sum(about[row] == "asyncio" for row in rows) / len(rows)
        print(f"100 items by {strategy}: {100 * share:.0f} % about asyncio")
        for row in rows[:3]:
            print(f"    {about[row]}: {' '.join(pool[row].split())[:90]}")


if __name__ == "__main__":
    main()
