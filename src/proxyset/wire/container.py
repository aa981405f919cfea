"""One safetensors blob with validated metadata: the form of everything that crosses the trust boundary.

Layout: safetensors (8-byte header length, JSON header, tensors). The header's `__metadata__` holds one key, "proxyset",
whose value is the canonical JSON of a header model plus "sha256", the digest of that header and of every tensor. The
digest finds damage, not forgery: who sent a message is the transport's affair.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from proxyset.errors import ArtifactError, first_problem
from proxyset.fingerprint import canonical_json

Header = TypeVar("Header", bound=BaseModel)
Tensors = dict[str, NDArray[Any]]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

_HEADER_LIMIT = 8 << 20


class Strict(BaseModel):
    """A part of a message: nothing may be missing, of another type, or more than it says, and nothing changes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def pack(header: BaseModel, tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Serialize a header and its tensors. The same values give the same bytes."""
    from safetensors.numpy import save

    fields = canonical_json(header.model_dump(mode="json"))
    ordered = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    record = f'{{"header":{fields.decode()},"sha256":"{_digest(fields, ordered)}"}}'  # canonical JSON too
    return bytes(save(ordered, metadata={"proxyset": record}))


def unpack(data: bytes, header_type: type[Header], what: str, limit: int) -> tuple[Header, Tensors]:
    """Validate and decode a message.

    Args:
        data: the bytes as received; nothing in them is trusted.
        header_type: the pydantic model of the header, whose `schema_version` names every version that is read, by default the
            newest.
        what: what the caller expects, for messages: "probe", "release".
        limit: most bytes accepted.

    Raises:
        ArtifactError: too large, truncated, damaged, of another kind or version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if len(data) > limit:
        raise ArtifactError(f"this {what} has {len(data)} bytes, more than the {limit} accepted")
    try:
        size = int.from_bytes(data[:8], "little")
        if len(data) < 8 or not 2 <= size <= min(_HEADER_LIMIT, len(data) - 8):
            raise ValueError("no safetensors header")
        record = _parse(_parse(data[8 : 8 + size].decode())["__metadata__"]["proxyset"])
        fields, digest = record["header"], record["sha256"]
        version = fields["schema_version"]
        text = canonical_json(fields)  # a ValueError for half a surrogate pair, which has no UTF-8
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"this is not a {what}, or it was cut off: {len(data)} bytes, {error}") from None
    field = header_type.model_fields["schema_version"]
    expected = field.default
    if str(version).partition("/")[0] != expected.partition("/")[0]:
        raise ArtifactError(f"this is not a {what}: its schema is {version!r}, not {expected!r}")
    if version not in get_args(field.annotation):
        raise ArtifactError(
            f"this {what} has schema {version!r}, this proxyset reads {expected!r}: use equal versions"
        )
    try:
        tensors: Tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"this {what} was cut off or damaged: {error}") from None
    if _digest(text, tensors) != digest:
        raise ArtifactError(
            f"this {what} was changed after it was made (its SHA-256 does not match): fetch it again"
        )
    try:
        return header_type.model_validate_json(text), tensors
    except ValidationError as error:
        raise ArtifactError(f"this {what} has an invalid header: {first_problem(error)}") from None


def schema_of(data: bytes) -> str:
    """What kind of message these bytes say they are: the name of its schema without the version, or "". Nothing is validated."""
    size = int.from_bytes(data[:8], "little")
    if not 2 <= size <= min(_HEADER_LIMIT, len(data) - 8):
        return ""
    try:
        record = _parse(_parse(data[8 : 8 + size].decode())["__metadata__"]["proxyset"])
        return str(record["header"]["schema_version"]).partition("/")[0]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a finite number")
    return value


_parse = json.JSONDecoder(parse_constant=_finite, parse_float=_finite).decode


@lru_cache(maxsize=1000)  # NumPy takes longer to name a type than to hash a release
def _described(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    return canonical_json([name, str(dtype), list(shape)])


def _digest(header: bytes, tensors: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(header)
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        digest.update(_described(name, tensor.dtype, tensor.shape))
        digest.update(tensor.data)
    return digest.hexdigest()
