"""Text that somebody else wrote, made safe to show: on a terminal, in a log, in an error, on a page."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    r"""`text` with everything that is not plainly to be seen written as its escape: "\u001b" for ESC, "\n" for a new line.

    Escaped is what Unicode counts among controls (C0, C1, DEL), formats (the marks and overrides of direction, zero-width
    characters, tags, soft hyphens), line and paragraph separators, surrogates, private use, unassigned, and spaces but the
    usual one; letters, marks, digits, signs and emoji of all scripts stay. So nobody's name can move the cursor, colour or clear
    a terminal, begin a line of its own, or run backwards over ours. A text that is printable already stays as it is, and one
    that is JSON stays the same JSON: the escapes are JSON's.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def printable_lines(text: str) -> str:
    """As `printable`, for a text of ours with lines of its own: new lines and tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def shortened(text: str, most: int) -> str:
    """`text` if it has at most so many characters, else its beginning and its end."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]} … ({len(text)} characters) … {text[-most // 4 :]}"
