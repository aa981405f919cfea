"""Who asks: an agent by its pinned key, an operator by a bearer token. docs/service.md has the table of rights.

A refusal comes before the body is read, costs a look-up and at most one signature, and says only what the asker knows.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from proxyset.errors import ArtifactError
from proxyset.server.context import Context, context_of
from proxyset.server.records import Client, Operator, Scope
from proxyset.wire.signed_request import CODED, SCHEME, WINDOW_SECONDS, Credential, code

agent_scheme = APIKeyHeader(
    name="Authorization",
    scheme_name="agent",
    auto_error=False,
    description=f"{SCHEME} KEY.TIME.NONCE.DIGEST.SIGNATURE or {CODED} KEY.TIME.NONCE.DIGEST.CODE, see docs/service.md",
)
operator_scheme = HTTPBearer(scheme_name="operator", auto_error=False)
_SKEW_MS = 1000 * WINDOW_SECONDS


def parsed(request: Request) -> Credential:
    """What the Authorization header says; nothing is verified.

    Raises:
        HTTPException: 401.
    """
    try:
        return Credential.parse(request.headers.get("authorization", ""))
    except ArtifactError as error:
        raise unauthorized(SCHEME, str(error)) from None


async def verify(credential: Credential, request: Request) -> None:
    """See that its key signed this request, lately. The nonce is not used yet.

    Raises:
        HTTPException: 401; 503 when it was signed before this server started.
    """
    context, now = context_of(request), time.time_ns() // 1_000_000
    if abs(now - credential.time) > _SKEW_MS:
        raise unauthorized(
            SCHEME,
            f"the request was signed {abs(now - credential.time) / 1000:.0f} s from this server's clock; at most "
            f"{WINDOW_SECONDS} s are accepted: set the clock",
        )
    if credential.time < context.started:
        raise HTTPException(503, "the server restarted: sign the request again", {"retry-after": "1"})
    audience, path = _audience(request, context), _path(request)
    text = credential.text(request.method, audience, path)
    try:
        if credential.scheme == CODED:
            proven = hmac.compare_digest(code(context.secret(credential.key), text), credential.proof)
        else:
            proven = await context.keepers.verify(credential.key, credential.proof, text)
    except ArtifactError:  # what was pinned is no key
        proven = False
    if not proven:
        what = "code" if credential.scheme == CODED else "signature"
        raise unauthorized(
            SCHEME, f"the {what} is not that of {request.method} {path} at {audience or 'this server'}"
        )


def use(credential: Credential, context: Context) -> None:
    """Take a verified credential, once.

    Raises:
        HTTPException: 401 for a replay; 429 or 503 for too many.
    """
    context.clients.take(credential.key)
    # until its time is too old for the clock of this server
    seconds = (credential.time + _SKEW_MS) / 1000 - time.time()
    if not context.nonces.use(bytes.fromhex(credential.nonce), seconds):
        raise unauthorized(SCHEME, "this request came before: sign each one anew")


async def agent(request: Request) -> tuple[Client, Credential]:
    """The enrolled client that signed this request, and what it signed; the body is still to be compared with the digest.

    Raises:
        HTTPException: 401 for strangers, 403 for the revoked, 429 for the hurried, 503 as `verify`.
    """
    context = context_of(request)
    credential = parsed(request)
    client = context.client(credential.key)  # cheaper than a signature
    if client is None:
        raise unauthorized(SCHEME, "this key is not enrolled here")
    await verify(credential, request)
    if client.revoked:
        raise HTTPException(403, "this key was revoked", {"connection": "close"})
    use(credential, context)
    request.state.who = client.key[:12]
    return client, credential


def operator(scope: Scope) -> Callable[..., Awaitable[Operator]]:
    """A dependency: the operator whose token this is, if it has `scope`; 401 or 403 otherwise."""

    async def check(request: Request, _: object = Depends(operator_scheme)) -> Operator:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        found = context_of(request).state.operator(token.strip()) if kind.lower() == "bearer" else None
        if found is None:
            raise unauthorized("Bearer", "a token of an operator is needed: proxyset server operators create")
        request.state.who = found.name
        if scope not in found.scopes:
            raise HTTPException(403, f"this token lacks the scope {scope.value!r}", {"connection": "close"})
        return found

    return check


def unauthorized(scheme: str, detail: str) -> HTTPException:
    # closed, so that nobody can go on to send a body that is not read
    return HTTPException(401, detail, {"www-authenticate": scheme, "connection": "close"})


def _audience(request: Request, context: Context) -> str:
    return context.audience or request.headers.get("host", "").lower()


def _path(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (raw + (b"?" + query if query else b"")).decode("latin-1")
