"""A signed package as one file: what models and encoders travel in.

8 bytes little-endian length of the header; the header, canonical JSON {card, key, signature}; the files that the card lists, one
after another. The card holds the SHA-256 and the length of each file and the signature covers the card, so it covers everything.
"""

from __future__ import annotations

from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, Field, ValidationError

from proxyset.errors import ArtifactError, first_problem
from proxyset.fingerprint import canonical_json, fingerprint
from proxyset.wire.container import Sha256, Strict

HEADER_LIMIT = 8 << 20

Part = TypeVar("Part", bound=BaseModel)


class Seal(Strict):
    """Who signed, and the Ed25519 signature."""

    key: Sha256
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


def header_bytes(card: BaseModel, seal: dict[str, str]) -> bytes:
    """The header with its length before it. The same card and seal give the same bytes."""
    fields: dict[str, Any] = {"card": card.model_dump(mode="json"), **seal}
    header = canonical_json(fields)
    return len(header).to_bytes(8, "little") + header


def read_header(file: BinaryIO, form: type[Part], what: str) -> Part:
    """The header at the beginning of an open file, which stands at the first of the files afterwards.

    Args:
        what: "model" or "encoder", for errors.

    Raises:
        ArtifactError: it is none, cut off, damaged or of another version.
    """
    begin = file.read(8)
    size = int.from_bytes(begin, "little")
    text = file.read(size) if len(begin) == 8 and 2 <= size <= HEADER_LIMIT else b""
    if not text or len(text) < size:
        raise ArtifactError(f"this is not {_a(what)}, or it was cut off: {len(begin) + len(text)} bytes read")
    return parsed(form, text, what)


def parsed(form: type[Part], data: bytes, what: str) -> Part:
    """JSON as a form. Raises ArtifactError when it is damaged or of another version."""
    try:
        return form.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"][-1:] == ("schema_version",):
            raise ArtifactError(
                f"this {what} has schema {first['input']!r}, this proxyset reads {first.get('ctx', {}).get('expected')}: use equal "
                "versions"
            ) from None
        raise ArtifactError(
            f"this is not {_a(what)}, or it is damaged: {first_problem(error, 'its header')}"
        ) from None


def check_whole(data: bytes, size: int, sha256: str, what: str) -> None:
    """Raise ArtifactError unless these bytes are what the card says."""
    if len(data) != size:
        raise ArtifactError(
            f"this {what} was cut off or added to: {len(data)} bytes where its card says {size}; fetch it again"
        )
    if fingerprint(data) != sha256:
        raise ArtifactError(
            f"this {what} was changed after it was made (its SHA-256 is not the card's): fetch it again"
        )


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
