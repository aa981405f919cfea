"""Signed requests: which client sent this, to whom, and that nobody recorded it earlier.

    Authorization: Proxyset-Ed25519 KEY.TIME.NONCE.DIGEST.SIGNATURE
    Authorization: Proxyset-HMAC KEY.TIME.NONCE.DIGEST.CODE

KEY is the client's Ed25519 public key, NONCE 16 random bytes, DIGEST the SHA-256 of the body, SIGNATURE 64 bytes, all in
hexadecimal; TIME is in milliseconds since 1970. What is signed is these lines, joined by a newline, without one at the end:

    proxyset request
    METHOD            GET
    AUDIENCE          cloud.example:8443, the server as the client calls it (no port where the scheme implies it)
    PATH              /v1/campaigns?x=1, as it stands in the request line
    DIGEST
    TIME
    NONCE

The second form is for a client that learnt the server's own key when it enrolled. CODE is the HMAC-SHA256 (RFC 2104) of the
same lines, under the secret that both keys agree on (`signing.agreed`). It tells the server as much as a signature, at a
fiftieth of the price, and nobody else anything. A server takes both.

The audience keeps one server from passing a request on to another. A server accepts a TIME that differs from its clock by
WINDOW_SECONDS at most, and each NONCE of a client once within that window. It verifies the signature, or the code, before it
reads the body, and the body against DIGEST afterwards, so that a stranger cannot make it read anything.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxyset.errors import ArtifactError
from proxyset.wire.server_name import origin_of
from proxyset.wire.signing import agreed, public_half, sign

if TYPE_CHECKING:
    from nacl.signing import SigningKey

SCHEME, CODED = "Proxyset-Ed25519", "Proxyset-HMAC"
WINDOW_SECONDS = 60
_FORM = re.compile(
    r"([\w-]{1,20}) ([0-9a-f]{64})\.([0-9]{1,15})\.([0-9a-f]{32})\.([0-9a-f]{64})\.([0-9a-f]{64,128})"
)
_PROOF_DIGITS = {SCHEME: 128, CODED: 64}


@dataclass(frozen=True)
class Credential:
    """What an Authorization header of either form says. Nothing is verified: PROOF should be KEY's signature, or its code, of
    `text`."""

    scheme: str
    key: str
    time: int
    nonce: str
    digest: str
    proof: str

    @classmethod
    def parse(cls, header: str) -> Credential:
        """Raises ArtifactError for a header of another form."""
        match = _FORM.fullmatch(header)
        if not match or len(match[6]) != _PROOF_DIGITS.get(match[1]):
            raise ArtifactError("the Authorization header is not KEY.TIME.NONCE.DIGEST.SIGNATURE")
        scheme, key, at, nonce, digest, proof = match.groups()
        return cls(scheme, key, int(at), nonce, digest, proof)

    def text(self, method: str, audience: str, path: str) -> bytes:
        """What KEY must have signed for this request."""
        return _signed(method, audience, path, self.digest, self.time, self.nonce)


def authorization(key: SigningKey, method: str, url: str, body: bytes = b"", server: str = "") -> str:
    """The Authorization header for one request; each call takes a new nonce.

    Args:
        key: the client's.
        method: "GET", "POST".
        url: of the request, in full, escaped as it will be sent.
        body: as it will be sent.
        server: the server's public key, for the second form; "" for a signature.

    Raises:
        InvalidInput: the URL has no host.
        ArtifactError: the server's key is none.
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    digest, at, nonce = hashlib.sha256(body).hexdigest(), time.time_ns() // 1_000_000, os.urandom(16).hex()
    text = _signed(method, audience_of(url), path, digest, at, nonce)
    proof = code(agreed(key, server), text) if server else sign(key, text)
    return f"{CODED if server else SCHEME} {public_half(key)}.{at}.{nonce}.{digest}.{proof}"


def code(secret: bytes, text: bytes) -> str:
    """The HMAC-SHA256 of a text, in hexadecimal."""
    return hmac.digest(secret, text, "sha256").hex()


def audience_of(url: str) -> str:
    """Host and port of a URL, as clients sign them: lower case, the port only where it is not the scheme's own.

    Raises:
        InvalidInput: the URL has no host, or a port that is none.
    """
    return origin_of(url).partition("://")[2]


def _signed(method: str, audience: str, path: str, digest: str, at: int, nonce: str) -> bytes:
    return "\n".join(("proxyset request", method, audience, path, digest, str(at), nonce)).encode()
