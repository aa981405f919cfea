"""The route for agents that answer a campaign of two parties. Offer and probe come by the routes that all campaigns have."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from proxyset.errors import ArtifactError
from proxyset.server.auth import Enrolled, signed_body
from proxyset.server.context import context_of
from proxyset.server.records import Outcome
from proxyset.server.two_party.sums import sums_of
from proxyset.wire.campaign import Acknowledgement, CampaignId
from proxyset.wire.receipt import Receipt
from proxyset.wire.report import Report, size_limit
from proxyset.wire.task import Task

router = APIRouter(tags=["agent"])
REFUSALS: dict[Outcome, tuple[int, str]] = {
    Outcome.answered: (409, "this client answered already; its first report stands"),
    Outcome.taken: (409, "another client sent this report"),
    Outcome.closed: (410, "the campaign is closed"),
}


@router.post(
    "/v1/campaigns/{campaign}/reports",
    response_model=Acknowledgement,
    status_code=201,
    responses={
        400: {"description": "the body is not the one that was signed"},
        401: {"description": "not signed by an enrolled key"},
        403: {"description": "revoked"},
        404: {"description": "no such campaign, or it asks for releases"},
        408: {"description": "too slow"},
        409: {"description": "answered already, with another report"},
        410: {"description": "closed"},
        413: {"description": "too large"},
        422: {"description": "not a report, or not what was asked"},
        429: {"description": "too many requests"},
        200: {"description": "known already", "model": Acknowledgement},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def report(request: Request, who: Enrolled, campaign: CampaignId) -> Response:
    """Take in a report. The answer comes when it is on the disk; sending it again is harmless."""
    state = context_of(request).state
    asked = await run_in_threadpool(state.campaign, campaign)
    sums = await run_in_threadpool(sums_of, state)
    found = await run_in_threadpool(sums.find, campaign)
    if found is None:
        raise HTTPException(404, f"campaign {campaign!r} asks for releases, not for reports")
    body = await signed_body(request, who, size_limit(found.task))
    try:
        sent = await run_in_threadpool(check_report, body, found.task, who.key)
    except ArtifactError as error:
        raise HTTPException(422, str(error)) from None
    outcome = await run_in_threadpool(sums.take, sent, body, who.key) if asked.accepting() else Outcome.closed
    if outcome in REFUSALS:
        raise HTTPException(*REFUSALS[outcome])
    told = Acknowledgement(release=sent.fingerprint).model_dump_json()
    return Response(told, 201 if outcome is Outcome.stored else 200, media_type="application/json")


def check_report(data: bytes, task: Task, client: str) -> Report:
    """Decode a client's report and see that it is for this task, with the client's own receipt.

    Raises:
        ArtifactError: it is not.
    """
    report = Report.from_bytes(data, size_limit(task))
    if report.task != task:
        raise ArtifactError(
            f"this report is for the task {report.task.fingerprint[:12]}…, the campaign's is {task.fingerprint[:12]}…"
        )
    if Receipt.of(report, client) is None:
        raise ArtifactError("this report carries no receipt: begin the ledger with `proxyset client init`")
    return report
