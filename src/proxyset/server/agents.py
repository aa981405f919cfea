"""The routes for agents: enrol, list campaigns, get a probe, send a release or a report, get a model or an encoder."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import ValidationError

from proxyset.errors import ArtifactError
from proxyset.server.auth import Asker, Enrolled, signed_body
from proxyset.server.context import Context, Held, context_of
from proxyset.server.encoders import encoder_file
from proxyset.server.records import Campaign, Outcome
from proxyset.server.submission import check_report, check_submission, size_limit
from proxyset.server.two_party.sums import sums_of
from proxyset.wire import campaign as wire
from proxyset.wire.campaign import Acknowledgement, CampaignId, Enrolment, Offer, Offers
from proxyset.wire.probe import Probe
from proxyset.wire.report import size_limit as report_limit

router = APIRouter(tags=["agent"])

_ENROLMENT_LIMIT = 4096
_REFUSALS: dict[Outcome, tuple[int, str]] = {
    Outcome.answered: (409, "this client answered already; its first answer stands"),
    Outcome.taken: (409, "another client sent this answer"),
    Outcome.closed: (410, "the campaign is closed"),
    Outcome.revoked: (403, "this key was revoked"),
}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def _responses(**described: str) -> dict[int | str, dict[str, Any]]:
    usual = {
        "401": "not signed by an enrolled key",
        "403": "revoked",
        "425": "a replay",
        "429": "too many requests",
    }
    both = usual | {name.strip("_"): text for name, text in described.items()}
    return {int(status): {"description": text} for status, text in both.items()}


@router.post(
    "/v1/enroll",
    response_model=wire.Enrolled,
    responses=_responses(_403="the token is unknown, expired or used", _400="not a token", _413="too large"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Enrolment.model_json_schema()}},
        }
    },
)
async def enroll(request: Request, who: Asker) -> Response:
    """Pin the key that signs this request, for a one-time token."""
    body = await signed_body(request, who, _ENROLMENT_LIMIT)
    try:
        enrolment = Enrolment.model_validate_json(body)
    except ValidationError:  # its text would repeat the token
        raise HTTPException(400, 'the body is not {"token": "…"}') from None
    client = await run_in_threadpool(context_of(request).state.enroll, enrolment.token, who.key)
    if client is None:
        raise HTTPException(403, "the token is unknown, expired or used")
    return _json(wire.Enrolled(client=client.key, name=client.name))


@router.get("/v1/campaigns", response_model=Offers, responses=_responses())
def campaigns(request: Request, who: Enrolled) -> Response:
    """The open campaigns, and which of them this client has answered."""
    state = context_of(request).state
    sums = sums_of(state)
    answered = {*state.answered(who.key), *sums.answered(who.key)}
    offers = []
    for campaign in state.campaigns():
        if not campaign.accepting():
            continue
        size, clusters = state.probe_size(campaign.probe)
        model, asked = state.model(campaign.id), sums.find(campaign.id)
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
                task=asked.task if asked else None,
            )
        )
    return _json(Offers(campaigns=offers))


@router.get(
    "/v1/campaigns/{campaign}/probe",
    response_class=Response,
    responses=_responses(_404="no such campaign", _410="closed") | {200: {"content": _BINARY}},
)
def probe(request: Request, who: Enrolled, campaign: CampaignId) -> Response:
    """The probe of an open campaign."""
    asked, held = _asked(context_of(request), campaign)
    if not asked.accepting():
        raise HTTPException(410, "the campaign is closed")
    return held.answer


_ANSWER: dict[str, Any] = {
    "response_model": Acknowledgement,
    "status_code": 201,
    "responses": _responses(
        _400="the body is not the one that was signed",
        _404="no such campaign, or it asks for the other kind of answer",
        _408="too slow",
        _409="answered already, with another answer",
        _410="closed",
        _413="too large",
        _422="not such an answer, or not what was asked",
    )
    | {200: {"description": "known already", "model": Acknowledgement}},
    "openapi_extra": {"requestBody": {"required": True, "content": _BINARY}},
}


@router.post("/v1/campaigns/{campaign}/releases", **_ANSWER)
async def release(request: Request, who: Enrolled, campaign: CampaignId) -> Response:
    """Take in a release. The answer comes when it is on the disk; sending it again is harmless."""
    context = context_of(request)
    asked, held = await run_in_threadpool(_asked, context, campaign)
    if await run_in_threadpool(lambda: sums_of(context.state).find(campaign)):
        raise HTTPException(422, "this campaign asks for a report to two parties: update proxyset")
    body = await signed_body(request, who, size_limit(held.clusters))
    try:
        submission = await run_in_threadpool(check_submission, body, asked, held.clusters, who.key)
    except ArtifactError as error:
        raise HTTPException(422, str(error)) from None
    outcome = await context.releases.ask(submission)
    context.metrics.release(outcome.value)
    return _acknowledged(outcome, submission.fingerprint)


@router.post("/v1/campaigns/{campaign}/reports", **_ANSWER)
async def report(request: Request, who: Enrolled, campaign: CampaignId) -> Response:
    """Take in a report. The answer comes when it is on the disk; sending it again is harmless."""
    state = context_of(request).state
    asked = await run_in_threadpool(state.campaign, campaign)
    sums = await run_in_threadpool(sums_of, state)
    found = await run_in_threadpool(sums.find, campaign)
    if found is None:
        raise HTTPException(404, f"campaign {campaign!r} asks for releases, not for reports")
    body = await signed_body(request, who, report_limit(found.task))
    try:
        sent = await run_in_threadpool(check_report, body, found.task, who.key)
    except ArtifactError as error:
        raise HTTPException(422, str(error)) from None
    outcome = await run_in_threadpool(sums.take, sent, body, who.key) if asked.accepting() else Outcome.closed
    return _acknowledged(outcome, sent.fingerprint)


@router.get(
    "/v1/campaigns/{campaign}/model",
    response_class=FileResponse,
    responses=_responses(_404="no such campaign, or no model yet") | {200: {"content": _BINARY}},
)
def model(request: Request, who: Enrolled, campaign: CampaignId) -> Response:
    """The model that was published for a campaign, open or closed."""
    state = context_of(request).state
    published = state.model(state.campaign(campaign).id)
    if published is None:
        raise HTTPException(404, f"campaign {campaign!r} has no model yet")
    return FileResponse(
        state.model_file(published),
        media_type="application/octet-stream",
        headers={"etag": f'"{published.sha256}"'},
    )


@router.get(
    "/v1/campaigns/{campaign}/encoder",
    response_class=FileResponse,
    responses=_responses(_404="no such campaign, or its encoder is not offered")
    | {200: {"content": _BINARY}},
)
def encoder(request: Request, who: Enrolled, campaign: CampaignId) -> Response:
    """The encoder that the campaign's probe was made with, as a signed package."""
    context = context_of(request)
    _, held = _asked(context, campaign)
    wanted = Probe.from_bytes(bytes(held.answer.body)).encoder.fingerprint
    file = encoder_file(context.state, wanted)
    if file is None:
        raise HTTPException(
            404, f"the encoder of campaign {campaign!r} is not offered here: ask its operator for it"
        )
    return FileResponse(file, media_type="application/octet-stream", headers={"etag": f'"{wanted}"'})


def _asked(context: Context, campaign: str) -> tuple[Campaign, Held]:
    found = context.state.campaign(campaign)  # UnknownName is a 404 (app.py)
    return found, context.probes[found.probe]


def _acknowledged(outcome: Outcome, fingerprint: str) -> Response:
    if outcome in _REFUSALS:
        raise HTTPException(*_REFUSALS[outcome])
    return _json(Acknowledgement(release=fingerprint), 201 if outcome is Outcome.stored else 200)


def _json(message: wire.Enrolled | Offers | Acknowledgement, status: int = 200) -> Response:
    return Response(message.model_dump_json(), status, media_type="application/json")
