"""Fingerprints: SHA-256 over bytes, or over the one canonical JSON form of a value."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode  # made once: json.dumps makes one a call


def canonical_json(value: Any) -> bytes:
    """One value, one byte string: sorted keys, no spaces, UTF-8, no NaN or infinity."""
    return _encode(value).encode()


def fingerprint(value: Any) -> str:
    """SHA-256 of `value` as 64 hexadecimal digits; bytes are hashed as they are, all else as canonical JSON."""
    data = value if isinstance(value, bytes) else canonical_json(value)
    return hashlib.sha256(data).hexdigest()
