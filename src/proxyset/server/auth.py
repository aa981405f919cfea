"""Who asks: an agent by its pinned key, an operator by a bearer token. docs/service.md has the table of rights.

A refusal comes before the body is read, costs a look-up and at most one signature, and says only what the asker knows.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPBearer

from proxyset.errors import ArtifactError
from proxyset.page import bodies
from proxyset.server.acting import act_as
from proxyset.server.context import Context, context_of
from proxyset.server.limits import address_of
from proxyset.server.records import Client, Nonce, Operator, Scope
from proxyset.wire.signed_request import SCHEME, WINDOW_SECONDS, Credential

_agent_scheme = APIKeyHeader(
    name="Authorization",
    scheme_name="agent",
    auto_error=False,
    description=f"{SCHEME} KEY.TIME.NONCE.DIGEST.SIGNATURE, see docs/service.md",
)
_operator_scheme = HTTPBearer(scheme_name="operator", auto_error=False)
_SKEW_MS = 1000 * WINDOW_SECONDS


@dataclass(frozen=True)
class Signer:
    """The key that signed a request, and the digest of the body that it signed."""

    key: str
    digest: str


async def signer(request: Request, _: object = Depends(_agent_scheme)) -> Signer:
    """Whoever signed this request, enrolled or not. Tried from one address, it is slowed down: this is for enrolling.

    Raises:
        HTTPException: 401, not signed, not lately or not for this server; 425, a replay; 429.
    """
    context = context_of(request)
    context.enrolments.take(address_of(request.client.host if request.client else ""))
    credential = verified(request, context.audience)
    await _use(credential, context)
    return Signer(credential.key, credential.digest)


@dataclass(frozen=True)
class Agent(Signer):
    """An enrolled client that signed a request."""

    client: Client


async def agent(request: Request, _: object = Depends(_agent_scheme)) -> Agent:
    """The enrolled client that signed this request.

    Raises:
        HTTPException: 401 for strangers, 403 for the revoked, 425 for replays, 429 for the hurried.
    """
    context = context_of(request)
    key = _parsed(request).key
    client = await run_in_threadpool(context.state.client, key)  # cheaper than a signature
    if client is None:
        raise _unauthorized(SCHEME, "this key is not enrolled here")
    credential = verified(request, context.audience)
    if client.revoked:
        raise HTTPException(403, "this key was revoked")
    await _use(credential, context)
    request.state.who = client.key[:12]
    return Agent(client.key, credential.digest, client)


async def signed_body(request: Request, who: Signer | Credential, most: int) -> bytes:
    """The body that was signed, of at most `most` bytes.

    Raises:
        HTTPException: 400 for another body; 413 and 408 as `bodies.read`.
    """
    body = await bodies.read(request, most)
    if hashlib.sha256(body).hexdigest() != who.digest:
        raise HTTPException(400, "the body is not the one that was signed")
    return body


def operator(scope: Scope, filters: bool = False) -> Callable[..., Awaitable[Operator]]:
    """A dependency: the operator whose token this is, if it has `scope`; 401 or 403 otherwise.

    Args:
        filters: the route lets operators of some campaigns in, and sees to it itself that they get nothing of others. Without it
            they are let in where the path names one of theirs, and nowhere else.
    """

    async def check(request: Request, _: object = Depends(_operator_scheme)) -> Operator:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        context = context_of(request)
        found = await run_in_threadpool(_bearer, context, token.strip()) if kind.lower() == "bearer" else None
        if found is None:
            raise _unauthorized(
                "Bearer", "a token of an operator is needed: proxyset server operators create"
            )
        request.state.who = found.name
        act_as(found.name, "api")
        if not (
            found.may(scope, request.path_params.get("campaign", "")) or (filters and found.somewhere(scope))
        ):
            raise HTTPException(403, f"this token lacks the scope {scope.value!r} here")
        return found

    return check


def _bearer(context: Context, token: str) -> Operator | None:
    """Whose token this is: one of ours, or a provider's. Who was revoked here is nobody, whoever vouches."""
    if context.provider is None or token.count(".") != 2:
        return context.state.accounts.holder(token)
    who = context.provider.operator(token)
    known = context.state.accounts.named(who.name) if who else None
    return None if known and known.revoked else who


Asker = Annotated[Signer, Depends(signer)]
Enrolled = Annotated[Agent, Depends(agent)]
Reader = Annotated[Operator, Depends(operator(Scope.read))]
Lister = Annotated[Operator, Depends(operator(Scope.read, filters=True))]
Campaigner = Annotated[Operator, Depends(operator(Scope.campaigns))]
Beginner = Annotated[Operator, Depends(operator(Scope.campaigns, filters=True))]
Registrar = Annotated[Operator, Depends(operator(Scope.clients))]


def _parsed(request: Request) -> Credential:
    try:
        return Credential.parse(request.headers.get("authorization", ""))
    except ArtifactError as error:
        raise _unauthorized(SCHEME, str(error)) from None


def verified(request: Request, audience: str) -> Credential:
    """What the header says, when its key signed this request lately.

    Args:
        audience: host and port that must have been signed; "" takes the Host header's word.

    Raises:
        HTTPException: 401.
    """
    credential, now = _parsed(request), time.time_ns() // 1_000_000
    if abs(now - credential.time) > _SKEW_MS:
        raise _unauthorized(
            SCHEME,
            f"the request was signed {abs(now - credential.time) / 1000:.0f} s from this server's clock; at most "
            f"{WINDOW_SECONDS} s are accepted: set the clock",
        )
    audience, path = audience or request.headers.get("host", "").lower(), _path(request)
    try:
        credential.check(request.method, audience, path)
    except ArtifactError:
        raise _unauthorized(
            SCHEME,
            f"the signature is not that of {request.method} {path} at {audience or 'this server'}",
        ) from None
    return credential


async def _use(credential: Credential, context: Context) -> None:
    """Take a verified credential, once on all servers of this state.

    A balancer may send again what a server began and did not answer. That is a replay too, and its sender may come again: so 425.
    """
    context.clients.take(credential.key)
    # until its time is too old for any server's clock
    if not await context.nonces.ask(Nonce(credential.key, credential.nonce, credential.time + _SKEW_MS)):
        raise HTTPException(425, "this request came before: sign each one anew")


def _unauthorized(scheme: str, detail: str) -> HTTPException:
    return HTTPException(401, detail, {"www-authenticate": scheme})


def _path(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (raw + (b"?" + query if query else b"")).decode("latin-1")
