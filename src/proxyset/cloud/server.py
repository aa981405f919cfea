"""The cloud's end of the exchange over HTTP: hands out one probe, takes in releases, keeps them as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxyset import atomic
from proxyset.errors import ArtifactError, MissingExtra
from proxyset.wire.http import PROBE_PATH, RELEASES_PATH
from proxyset.wire.probe import Probe
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import Release

if TYPE_CHECKING:
    from fastapi import FastAPI

_OVERHEAD = 16 << 10  # bytes of a release beside its counts


def check_release(data: bytes, probe: Probe) -> Release:
    """Decode a release and see that it answers this probe; its receipt, if it has one, must be valid and for it.

    Raises:
        ArtifactError: it does not, or the receipt is not.
    """
    release = Release.from_bytes(data)
    if release.probe != probe.fingerprint:
        raise ArtifactError(
            f"this release answers probe {release.probe[:12]}…, not {probe.fingerprint[:12]}…"
        )
    if release.index != probe.index or len(release.counts) != probe.clusters:
        raise ArtifactError(
            f"this release has {len(release.counts)} counts for a probe of {probe.clusters} centroids"
        )
    Receipt.of(release)
    return release


def create_app(probe: Probe, releases: Path) -> FastAPI:
    """The server of one probe.

    A release is acknowledged only after its file, receipt and all, is on the disk. Sending it again changes nothing, but
    that a receipt is added where there was none.

    Args:
        probe: what clients pull.
        releases: folder for what they send; each file is named by its fingerprint.
    """
    try:
        from fastapi import FastAPI, HTTPException, Request, Response
    except ImportError:
        raise MissingExtra("fastapi", "server", "The server's routes") from None

    app = FastAPI(title="proxyset", docs_url=None, redoc_url=None)
    limit = 8 * probe.clusters + _OVERHEAD
    tag = f'"{probe.fingerprint}"'

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok", "probe": probe.fingerprint}

    @app.get(PROBE_PATH, response_class=Response)
    def get_probe() -> Response:
        return Response(probe.to_bytes(), media_type="application/octet-stream", headers={"etag": tag})

    async def post_release(request: Request, response: Response) -> dict[str, str]:
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > limit:
                raise HTTPException(413, f"a release for this probe has at most {limit} bytes")
        try:
            release = check_release(bytes(data), probe)
        except ArtifactError as error:
            raise HTTPException(422, str(error)) from None
        path = releases / f"{release.fingerprint}.safetensors"
        response.status_code = 200 if path.exists() else 201
        if not path.exists() or (release.receipt and not Release.from_bytes(path.read_bytes()).receipt):
            try:
                atomic.write_bytes(path, release.to_bytes())
            except OSError as error:
                raise HTTPException(
                    507, f"cannot store the release: {error.strerror}; send it again later"
                ) from None
        return {"release": release.fingerprint}

    # the handler's annotations name classes that only this function knows, so they are given, not parsed from strings
    post_release.__annotations__ = {"request": Request, "response": Response, "return": dict[str, str]}
    app.post(RELEASES_PATH, status_code=201)(post_release)
    return app
