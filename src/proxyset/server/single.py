"""The cloud's end of one exchange over HTTP, open to anybody: hands out one probe, takes in releases, keeps them as files.

No enrolment, no state but a folder of releases. Campaigns with enrolled clients are `server.app`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from proxyset import atomic
from proxyset.errors import ArtifactError
from proxyset.page import bodies
from proxyset.server.app import add_front
from proxyset.server.limits import Limits
from proxyset.server.metrics import Metrics
from proxyset.server.submission import check_release, size_limit
from proxyset.server.telemetry import Telemetry
from proxyset.transport.http import PROBE_PATH, RELEASES_PATH
from proxyset.wire.campaign import Acknowledgement
from proxyset.wire.probe import Probe
from proxyset.wire.release import Release

router = APIRouter()


@dataclass(frozen=True)
class Exchange:
    """One probe, where its answers go, and what is counted."""

    probe: Probe
    releases: Path
    limits: Limits
    metrics: Metrics


def create_app(
    probe: Probe, releases: Path, limits: Limits | None = None, telemetry: Telemetry | None = None
) -> FastAPI:
    """The server of one probe.

    A release is acknowledged only after its file, receipt and all, is on the disk. Sending it again changes nothing, but
    that a receipt is added where there was none.

    Args:
        probe: what clients pull.
        releases: folder for what they send; each file is named by its fingerprint.
        limits: None for the defaults.
        telemetry: where traces and metrics go, if anywhere; the caller closes it.
    """
    limits, metrics = limits or Limits(), Metrics(telemetry)
    app = FastAPI(title="proxyset", docs_url=None, redoc_url=None)
    app.state.exchange = Exchange(probe, releases, limits, metrics)
    app.include_router(router)
    add_front(app, limits, metrics)
    return app


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz(request: Request) -> dict[str, str]:
    """Whether the server answers, and with which probe."""
    return {"status": "ok", "probe": _exchange(request).probe.fingerprint}


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus' text format; open, as all of this server is."""
    return Response(_exchange(request).metrics.text(), media_type="text/plain; version=0.0.4")


@router.get(PROBE_PATH, response_class=Response)
async def get_probe(request: Request) -> Response:
    """The probe."""
    probe = _exchange(request).probe
    headers = {"etag": f'"{probe.fingerprint}"'}
    return Response(probe.to_bytes(), media_type="application/octet-stream", headers=headers)


@router.post(RELEASES_PATH, status_code=201)
async def post_release(request: Request, response: Response) -> Acknowledgement:
    """Take in a release. The answer comes when it is on the disk; sending it again is harmless."""
    here = _exchange(request)
    body = await bodies.read(request, size_limit(here.probe.clusters))
    try:
        release = check_release(body, here.probe)
    except ArtifactError as error:
        raise HTTPException(422, str(error)) from None
    try:
        path = here.releases / f"{release.fingerprint}.safetensors"
        new = await run_in_threadpool(_keep, release, path, here.limits.strangers)
    except OSError as error:
        raise HTTPException(507, f"cannot store the release: {error.strerror}; send it again later") from None
    response.status_code = 201 if new else 200
    here.metrics.release("stored" if new else "known")
    return Acknowledgement(release=release.fingerprint)


def _keep(release: Release, path: Path, most: int) -> bool:
    """Write it unless it is there; a receipt is added where there was none. Whether it is new."""
    new = not path.exists()
    if new and path.parent.exists() and sum(1 for _ in path.parent.iterdir()) >= most:
        raise HTTPException(507, f"{most} releases are kept here, which is all that are taken from strangers")
    if new or (release.receipt and not Release.from_bytes(path.read_bytes()).receipt):
        atomic.write_bytes(path, release.to_bytes())
    return new


def _exchange(request: Request) -> Exchange:
    return cast(Exchange, request.app.state.exchange)
