"""Signed requests: which client sent this, to whom, and that nobody recorded it earlier.

    Authorization: Proxyset-Ed25519 KEY.TIME.NONCE.DIGEST.SIGNATURE

KEY is the client's Ed25519 public key, NONCE 16 random bytes, DIGEST the SHA-256 of the body, SIGNATURE 64 bytes, all in
hexadecimal; TIME is in milliseconds since 1970. What is signed is these lines, joined by a newline, without one at the end:

    proxyset request
    METHOD            GET
    AUDIENCE          cloud.example:8443, the server as the client calls it (no port where the scheme implies it)
    PATH              /v1/campaigns?x=1, as it stands in the request line
    DIGEST
    TIME
    NONCE

The audience keeps one server from passing a request on to another. A server accepts a TIME that differs from its clock by
WINDOW_SECONDS at most, and each NONCE of a client once within that window. It verifies the signature before it reads the body,
and the body against DIGEST afterwards, so that a stranger cannot make it read anything.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxyset.errors import ArtifactError
from proxyset.wire.server_name import origin_of
from proxyset.wire.signing import public_half, sign, verify

if TYPE_CHECKING:
    from nacl.signing import SigningKey

SCHEME = "Proxyset-Ed25519"
WINDOW_SECONDS = 60
_FORM = re.compile(
    rf"{SCHEME} ([0-9a-f]{{64}})\.([0-9]{{1,15}})\.([0-9a-f]{{32}})\.([0-9a-f]{{64}})\.([0-9a-f]{{128}})"
)


@dataclass(frozen=True)
class Credential:
    """What an Authorization header says. Nothing is verified before `check`."""

    key: str
    time: int
    nonce: str
    digest: str
    signature: str

    @classmethod
    def parse(cls, header: str) -> Credential:
        """Raises ArtifactError for a header of another form."""
        match = _FORM.fullmatch(header)
        if not match:
            raise ArtifactError("the Authorization header is not KEY.TIME.NONCE.DIGEST.SIGNATURE")
        key, at, nonce, digest, signature = match.groups()
        return cls(key, int(at), nonce, digest, signature)

    def check(self, method: str, audience: str, path: str) -> None:
        """Raises ArtifactError unless KEY signed this very request."""
        verify(
            self.key,
            self.signature,
            _signed(method, audience, path, self.digest, self.time, self.nonce),
            "request",
        )


def authorization(key: SigningKey, method: str, url: str, body: bytes = b"") -> str:
    """The Authorization header for one request; each call takes a new nonce.

    Args:
        key: the client's.
        method: "GET", "POST".
        url: of the request, in full, escaped as it will be sent.
        body: as it will be sent.

    Raises:
        InvalidInput: the URL has no host.
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    digest, at, nonce = hashlib.sha256(body).hexdigest(), time.time_ns() // 1_000_000, os.urandom(16).hex()
    signature = sign(key, _signed(method, audience_of(url), path, digest, at, nonce))
    return f"{SCHEME} {public_half(key)}.{at}.{nonce}.{digest}.{signature}"


def audience_of(url: str) -> str:
    """Host and port of a URL, as clients sign them: lower case, the port only where it is not the scheme's own.

    Raises:
        InvalidInput: the URL has no host, or a port that is none.
    """
    return origin_of(url).partition("://")[2]


def _signed(method: str, audience: str, path: str, digest: str, at: int, nonce: str) -> bytes:
    return "\n".join(("proxyset request", method, audience, path, digest, str(at), nonce)).encode()
