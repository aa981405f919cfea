"""The routes for agents: enrol, list campaigns, get a probe, send a release, get a model. `direct` calls them."""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import ValidationError

from proxyset.errors import ArtifactError
from proxyset.server.auth import agent, agent_scheme, parsed, unauthorized, use, verify
from proxyset.server.context import Context, context_of
from proxyset.server.limits import address_of, read_body
from proxyset.server.records import Campaign, Outcome
from proxyset.server.submission import size_limit
from proxyset.wire.campaign import Acknowledgement, CampaignId, Enrolled, Enrolment, Offer, Offers
from proxyset.wire.signed_request import SCHEME
from proxyset.wire.signing import public_half

router = APIRouter(tags=["agent"])
_SIGNED: dict[str, Any] = {"security": [{"agent": []}]}

_ENROLMENT_LIMIT = 4096
_REFUSALS: dict[Outcome, tuple[int, str]] = {
    Outcome.answered: (409, "this client answered already; its first release stands"),
    Outcome.taken: (409, "another client sent this release"),
    Outcome.closed: (410, "the campaign is closed"),
    Outcome.revoked: (403, "this key was revoked"),
}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def _responses(**described: str) -> dict[int | str, dict[str, Any]]:
    usual = {"401": "not signed by an enrolled key", "403": "revoked", "429": "too many requests"}
    both = usual | {name.strip("_"): text for name, text in described.items()}
    return {int(status): {"description": text} for status, text in both.items()}


@router.post(
    "/v1/enroll",
    response_model=Enrolled,
    dependencies=[Depends(agent_scheme)],
    responses=_responses(_403="the token is unknown, expired or used", _400="not a token", _413="too large"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Enrolment.model_json_schema()}},
        }
    },
)
async def enroll(request: Request) -> Response:
    """Pin the key that signs this request, for a one-time token."""
    context = context_of(request)
    context.enrolments.take(address_of(request.client.host if request.client else ""))
    credential = parsed(request)
    if credential.scheme != SCHEME:  # the receipts that this key is pinned for are signed too
        raise unauthorized(SCHEME, "an enrolment is signed")
    await verify(credential, request)
    use(credential, context)
    body = await _signed_body(request, _ENROLMENT_LIMIT, credential.digest, context)
    try:
        enrolment = Enrolment.model_validate_json(body)
    except ValidationError:  # its text would repeat the token
        raise HTTPException(400, 'the body is not {"token": "…"}') from None
    client = await run_in_threadpool(context.state.enroll, enrolment.token, credential.key)
    if client is None:
        raise HTTPException(403, "the token is unknown, expired or used")
    return _json(Enrolled(client=client.key, name=client.name, server=public_half(context.key)))


@router.get("/v1/campaigns", response_model=Offers, responses=_responses(), openapi_extra=_SIGNED)
async def campaigns(request: Request) -> Response:
    """The open campaigns, and which of them this client has answered."""
    client, _ = await agent(request)
    state = context_of(request).state
    answered = state.answered(client.key)
    offers = []
    for campaign in state.campaigns():
        if not campaign.accepting():
            continue
        size, clusters = state.probe_size(campaign.probe)
        model = state.model(campaign.id)
        offers.append(
            Offer(
                campaign=campaign.id,
                purpose=campaign.purpose,
                probe=campaign.probe,
                probe_bytes=size,
                clusters=clusters,
                ask=campaign.ask,
                deadline=campaign.deadline,
                answered=campaign.id in answered,
                model=model.sha256 if model else "",
            )
        )
    return _json(Offers(campaigns=offers))


@router.get(
    "/v1/campaigns/{campaign}/probe",
    response_class=Response,
    responses=_responses(_404="no such campaign", _410="closed") | {200: {"content": _BINARY}},
    openapi_extra=_SIGNED,
)
async def probe(request: Request, campaign: CampaignId) -> Response:
    """The probe of an open campaign."""
    await agent(request)
    context = context_of(request)
    asked = _open(context, campaign)
    return context.probes[asked.probe].answer


@router.post(
    "/v1/campaigns/{campaign}/releases",
    response_model=Acknowledgement,
    status_code=201,
    responses=_responses(
        _400="the body is not the one that was signed",
        _404="no such campaign",
        _408="too slow",
        _409="answered already, with another release",
        _410="closed",
        _413="too large",
        _422="not a release, or not what was asked",
    )
    | {200: {"description": "known already", "model": Acknowledgement}},
    openapi_extra={"requestBody": {"required": True, "content": _BINARY}} | _SIGNED,
)
async def release(request: Request, campaign: CampaignId) -> Response:
    """Take in a release. The answer comes when it is on the disk; sending it again is harmless."""
    client, credential = await agent(request)
    context = context_of(request)
    asked = _known(context, campaign)
    most = size_limit(context.probes[asked.probe].clusters)
    body = await _signed_body(request, most, credential.digest, context)
    try:
        kept = await context.keepers.store(asked.id, client.key, body)
    except ArtifactError as error:
        raise HTTPException(422, str(error)) from None
    context.metrics.release(kept.outcome.value)
    if kept.outcome in _REFUSALS:
        raise HTTPException(*_REFUSALS[kept.outcome])
    status = 201 if kept.outcome is Outcome.stored else 200
    return Response(
        f'{{"release":"{kept.fingerprint}"}}', status, media_type="application/json"
    )  # Acknowledgement


@router.get(
    "/v1/campaigns/{campaign}/model",
    response_class=FileResponse,
    responses=_responses(_404="no such campaign, or no model yet") | {200: {"content": _BINARY}},
    openapi_extra=_SIGNED,
)
async def model(request: Request, campaign: CampaignId) -> Response:
    """The model that was published for a campaign, open or closed."""
    await agent(request)
    state = context_of(request).state
    published = state.model(_known(context_of(request), campaign).id)
    if published is None:
        raise HTTPException(404, f"campaign {campaign!r} has no model yet")
    return FileResponse(
        state.model_file(published),
        media_type="application/octet-stream",
        headers={"etag": f'"{published.sha256}"'},
    )


def _known(context: Context, campaign: str) -> Campaign:
    return context.campaign(campaign)  # UnknownName is a 404 (application.py)


def _open(context: Context, campaign: str) -> Campaign:
    found = _known(context, campaign)
    if not found.accepting():
        raise HTTPException(410, "the campaign is closed")
    return found


async def _signed_body(request: Request, most: int, digest: str, context: Context) -> bytes:
    body = await read_body(request, most, context.limits.body_seconds)
    if hashlib.sha256(body).hexdigest() != digest:
        raise HTTPException(400, "the body is not the one that was signed")
    return body


def _json(message: Enrolled | Offers) -> Response:
    return Response(message.model_dump_json(), media_type="application/json")
