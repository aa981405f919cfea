"""What an error says is said to whoever called: in Python there are no options."""

import ast
import re
from pathlib import Path

import pytest

import proxyset

SOURCE = Path(proxyset.__file__).parent
COMMANDS = ("cli", "demo", "agent", "flower")  # what people start, and then say how
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in COMMANDS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_error_speaks_of_an_option(path: Path) -> None:
    whole: list[ast.JoinedStr | ast.Constant] = [
        part
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and node.exc is not None
        for part in ast.walk(node.exc)
        if isinstance(part, ast.JoinedStr | ast.Constant)
    ]
    pieces = {id(piece) for part in whole if isinstance(part, ast.JoinedStr) for piece in part.values}
    said = [ast.unparse(part) for part in whole if id(part) not in pieces]
    # a whole command line may have options
    options = [text for text in said if re.search(r"(?<!\w)--[a-z]", text) and "proxyset " not in text]
    assert not options
