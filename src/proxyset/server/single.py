"""The cloud's end of one exchange over HTTP, open to anybody: hands out one probe, takes in releases, keeps them as files.

Campaigns with enrolled clients are `cloud.app`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxyset.server.app import require_extra
from proxyset.server.submission import check_release
from proxyset.wire.probe import Probe

if TYPE_CHECKING:
    from fastapi import FastAPI

    from proxyset.server.limits import Limits
    from proxyset.server.telemetry import Telemetry

__all__ = ["check_release", "create_app"]


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
    require_extra()
    from proxyset.server.limits import Limits
    from proxyset.server.open import open_service

    return open_service(probe, releases, limits or Limits(), telemetry)
