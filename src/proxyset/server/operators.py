"""The routes for operators and their programs: campaigns, clients, releases. The web page has its own."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from typing import Any, TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset.cloud.index import Index
from proxyset.cloud.select import DEFAULT_STRATEGY
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.page import bodies
from proxyset.server import campaigns as commands
from proxyset.server.auth import Beginner, Campaigner, Lister, Reader, Registrar
from proxyset.server.context import context_of
from proxyset.server.model import check_model
from proxyset.server.records import Campaign, Client, Model, ReleaseRecord, Scope
from proxyset.server.state import State
from proxyset.wire.campaign import Ask, CampaignId
from proxyset.wire.container import Sha256

router = APIRouter(prefix="/v1/operator", tags=["operator"])
Message = TypeVar("Message", bound=BaseModel)

_SMALL = 64 << 10  # bytes of a body that is JSON

_REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"description": "no operator's token"},
    403: {"description": "the token lacks the scope"},
    429: {"description": "too many requests"},
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "no such thing"}}


class CampaignView(BaseModel):
    """A campaign and how far it is."""

    id: str
    index: str
    probe: str
    purpose: str
    ask: Ask
    budget: int
    strategy: str
    deadline: datetime | None
    created: datetime
    closed: datetime | None
    accepting: bool
    releases: int
    model: str


class NewCampaign(BaseModel):
    """What to ask of which registered index."""

    model_config = ConfigDict(extra="forbid")

    id: CampaignId
    index: Sha256
    ask: Ask = Ask()
    budget: int = Field(ge=1, le=commands.MOST_ITEMS)
    purpose: str = Field(default="", max_length=500)
    strategy: str = Field(default=DEFAULT_STRATEGY, max_length=100)
    deadline: datetime | None = None


class NewToken(BaseModel):
    """For whom, and for how long."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    days: float = Field(default=7, gt=0, le=365, allow_inf_nan=False)


class TokenSecret(BaseModel):
    """An enrolment token; it is shown this once."""

    token: str


def _takes(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get("/campaigns", responses=_REFUSED)
def list_campaigns(request: Request, who: Lister) -> list[CampaignView]:
    """All campaigns that the asker may see, and how far they are."""
    state = context_of(request).state
    counts = state.release_counts()
    return [_view(state, each, counts) for each in state.campaigns() if who.may(Scope.read, each.id)]


@router.post(
    "/campaigns",
    status_code=201,
    responses=_REFUSED | _NOT_FOUND | {409: {"description": "refused"}},
    openapi_extra=_takes(NewCampaign),
)
async def create_campaign(request: Request, who: Beginner) -> CampaignView:
    """Begin a campaign over an index that was registered here (`proxyset campaign create` registers one)."""
    new = await _message(request, NewCampaign)
    if not who.may(Scope.campaigns, new.id):
        raise HTTPException(403, f"this token lacks the scope 'campaigns' for {new.id!r}")
    return await run_in_threadpool(_create, context_of(request).state, new)


def _create(state: State, new: NewCampaign) -> CampaignView:
    index = Index.open(state.index(new.index).folder)
    try:
        campaign = commands.create(
            state,
            new.id,
            index,
            new.ask,
            budget=new.budget,
            purpose=new.purpose,
            strategy=new.strategy,
            deadline=new.deadline,
        )
    except InvalidInput as error:
        raise HTTPException(422, str(error)) from None
    return _view(state, campaign, {})


@router.get("/campaigns/{campaign}", responses=_REFUSED | _NOT_FOUND)
def show_campaign(request: Request, who: Reader, campaign: CampaignId) -> CampaignView:
    """One campaign and how far it is."""
    state = context_of(request).state
    return _view(state, state.campaign(campaign), state.release_counts())


@router.post("/campaigns/{campaign}/close", responses=_REFUSED | _NOT_FOUND)
def close_campaign(request: Request, who: Campaigner, campaign: CampaignId) -> CampaignView:
    """Take no more releases."""
    state = context_of(request).state
    return _view(state, state.close_campaign(campaign), state.release_counts())


@router.get("/campaigns/{campaign}/releases", responses=_REFUSED | _NOT_FOUND)
def list_releases(request: Request, who: Reader, campaign: CampaignId) -> list[ReleaseRecord]:
    """Who answered, when, and at what cost."""
    state = context_of(request).state
    state.campaign(campaign)
    return state.releases(campaign)


@router.get(
    "/campaigns/{campaign}/releases/{fingerprint}", response_class=Response, responses=_REFUSED | _NOT_FOUND
)
def get_release(request: Request, who: Reader, campaign: CampaignId, fingerprint: Sha256) -> Response:
    """The literal bytes of one release."""
    data = context_of(request).state.release(campaign, fingerprint)
    return Response(data, media_type="application/octet-stream")


@router.put(
    "/campaigns/{campaign}/model",
    responses=_REFUSED
    | _NOT_FOUND
    | {413: {"description": "too large"}, 422: {"description": "not a signed model"}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def publish_model(request: Request, who: Campaigner, campaign: CampaignId) -> Model:
    """Publish a signed model for the clients of a campaign."""
    context = context_of(request)
    await run_in_threadpool(context.state.campaign, campaign)
    most = context.limits.model_bytes
    with tempfile.TemporaryFile() as file:
        bodies.allow(request, most)
        async for part in request.stream():
            await run_in_threadpool(file.write, part)
        file.seek(0)
        try:
            await run_in_threadpool(check_model, file)
        except ArtifactError as error:
            raise HTTPException(422, str(error)) from None
        return await run_in_threadpool(context.state.publish_model, campaign, file, "model")


@router.get("/clients", responses=_REFUSED)
def list_clients(request: Request, who: Reader) -> list[Client]:
    """All clients, revoked ones too."""
    return context_of(request).state.clients()


@router.post("/clients/{key}/revoke", responses=_REFUSED | _NOT_FOUND)
def revoke_client(request: Request, who: Registrar, key: Sha256) -> Client:
    """Answer this key no more."""
    return context_of(request).state.revoke_client(key)


@router.post("/enroll-tokens", status_code=201, responses=_REFUSED, openapi_extra=_takes(NewToken))
async def create_token(request: Request, who: Registrar) -> TokenSecret:
    """A one-time token with which one client enrols."""
    new, state = await _message(request, NewToken), context_of(request).state
    try:
        secret = await run_in_threadpool(state.create_token, new.name, timedelta(days=new.days))
    except InvalidInput as error:
        raise HTTPException(422, str(error)) from None
    return TokenSecret(token=secret)


async def _message(request: Request, kind: type[Message]) -> Message:
    """The body as a message. Raises HTTPException 413, 408, and 422 for another one."""
    try:
        return kind.model_validate_json(await bodies.read(request, _SMALL))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None


def _view(state: State, campaign: Campaign, counts: dict[str, int]) -> CampaignView:
    model = state.model(campaign.id)
    return CampaignView(
        **{name: getattr(campaign, name) for name in Campaign.__dataclass_fields__},
        accepting=campaign.accepting(),
        releases=counts.get(campaign.id, 0),
        model=model.sha256 if model else "",
    )
