"""What stands for a public item on the owner's page: a picture, a text, or only its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from proxyset.client.private_data import matching_encoder
from proxyset.encoders.encoder import Encoder, EncoderSpec
from proxyset.encoders.function import FunctionEncoder
from proxyset.errors import ProxysetError
from proxyset.wire.probe import Probe
from proxyset.wire.questions import Questions

SHOWN = 300  # items on a page
_TEXT = 500  # characters


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes:
        number: its place among those that were asked about.
        id: its name in the public pool.
        picture: where its picture is to be had, or "".
        text: its beginning, or "".
    """

    number: int
    id: str
    picture: str
    text: str


def items_of(ids: Sequence[str], contents: Sequence[bytes] | None, kind: str, place: str) -> list[Item]:
    """The items of a message.

    Args:
        ids: their names.
        contents: they themselves, if they travel.
        kind: what they are, "image", "text", …; "" when that is not known here: then what is UTF-8 is taken for a text.
        place: where their pictures are: PLACE/NUMBER.png.
    """
    return [
        _item(number, name, None if contents is None else contents[number], kind, place)
        for number, name in enumerate(ids)
    ]


def contents_of(message: Probe | Questions) -> tuple[Sequence[str], Sequence[bytes] | None]:
    """The names of the public items that a message shows, and they themselves if they travel; no names for centroids."""
    if isinstance(message, Questions):
        return message.ids, message.contents
    return (message.medoids.ids, message.medoids.contents) if message.medoids else ((), None)


def kind_of(encoder: EncoderSpec, local: Encoder | FunctionEncoder | str | None) -> str:
    """What kind of items an encoder takes, or "" when it is not here; the page of the ask says why."""
    try:
        return matching_encoder(local, encoder, "question").kind
    except ProxysetError:
        return ""


def digest(text: str) -> str:
    """A part of a path that names a message by its fingerprint.

    Raises:
        HTTPException: 404, it is no fingerprint.
    """
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise HTTPException(404, "there is no such message")
    return text


def _item(number: int, name: str, content: bytes | None, kind: str, place: str) -> Item:
    if content is None or kind not in ("image", "text", ""):
        return Item(number, name, "", "")
    if kind == "image" or (not kind and not _is_text(content)):
        return Item(number, name, f"{place}/{number}.png", "")
    return Item(number, name, "", content.decode(errors="replace")[:_TEXT])


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
