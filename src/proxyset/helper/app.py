"""The helper's routes: two requests that its leaders sign, and its key for everybody.

    GET  /v1/helper     its public key, and the fewest reports that it opens
    POST /v1/jobs       count reports                                   signed by the task's leader
    POST /v1/openings   open the sum of all that was counted, once      signed by the task's leader
    GET  /healthz

Both requests may come again and get the same answer, so that a recorded one is worth nothing to anybody but its leader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from proxyset.errors import ArtifactError, Refused, StateError
from proxyset.helper.store import KEY, HelperStore
from proxyset.server.app import add_front, state_error
from proxyset.server.auth import signed_body, verified
from proxyset.server.limits import Limits
from proxyset.server.metrics import Metrics
from proxyset.wire.aggregation import JOB_LIMIT, Job, Opening
from proxyset.wire.signed_request import audience_of
from proxyset.wire.signing import own_key, public_half
from proxyset.wire.task import Task

_OPENING_LIMIT = 1 << 16


def create_app(
    folder: Path, leaders: Sequence[str], minimum: int, public_url: str = "", limits: Limits | None = None
) -> FastAPI:
    """The helper's application.

    Args:
        folder: of its state and key.
        leaders: the public keys that may ask.
        minimum: the fewest reports of a sum that is opened here, whatever a task says.
        public_url: what leaders call this helper; "" takes the Host header's word.
    """
    key = own_key(folder / KEY)
    store, mine = HelperStore(folder, key, minimum), public_half(key)
    audience = audience_of(public_url) if public_url else ""
    app = FastAPI(title="proxyset helper", docs_url=None, redoc_url=None)
    app.state.store = store

    async def signed(request: Request, most: int) -> tuple[str, bytes]:
        credential = verified(request, audience)
        if credential.key not in leaders:
            raise HTTPException(
                403, f"{credential.key[:12]}… is no leader here: proxyset helper serve --leader"
            )
        body = await signed_body(request, credential, most)
        request.state.who = credential.key[:12]
        return credential.key, body

    async def answered(
        leader: str, task_of: Callable[[bytes], Task], work: Callable[[bytes], bytes], body: bytes
    ) -> Response:
        try:
            _check_parties(await run_in_threadpool(task_of, body), leader, mine)
            told = await run_in_threadpool(work, body)
        except ArtifactError as error:
            raise HTTPException(422, str(error)) from None
        except Refused as error:
            raise HTTPException(409, str(error)) from None
        return Response(told, media_type="application/octet-stream")

    @app.get("/v1/helper")
    async def about() -> dict[str, str | int]:
        """Who this is."""
        return {"key": mine, "minimum": minimum}

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Whether the helper answers and can use its state."""
        store.reports()
        return {"status": "ok"}

    @app.post("/v1/jobs", response_class=Response)
    async def count(request: Request) -> Response:
        """Verify and count reports."""
        leader, body = await signed(request, JOB_LIMIT)
        return await answered(leader, lambda data: Job.from_bytes(data).task, store.count, body)

    @app.post("/v1/openings", response_class=Response)
    async def open_sum(request: Request) -> Response:
        """Open the sum of all that was counted, once."""
        leader, body = await signed(request, _OPENING_LIMIT)
        return await answered(leader, lambda data: Opening.from_bytes(data).task, store.open, body)

    app.add_exception_handler(StateError, state_error)
    add_front(app, limits or Limits(), Metrics())
    return app


def _check_parties(task: Task, leader: str, helper: str) -> None:
    if task.helper != helper:
        raise Refused(f"this task names the helper {task.helper[:12]}…, this is {helper[:12]}…")
    if task.leader != leader:
        raise Refused(
            f"this task names the leader {task.leader[:12]}…, the request is signed by {leader[:12]}…"
        )
