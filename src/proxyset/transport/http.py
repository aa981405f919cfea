"""The exchange with an open server: one GET for the probe, one POST for the release."""

from __future__ import annotations

from dataclasses import dataclass

from proxyset.transport.request import ANSWER_LIMIT, request
from proxyset.wire.encoder_package import PACKAGE_LIMIT
from proxyset.wire.model import MODEL_LIMIT
from proxyset.wire.probe import PROBE_LIMIT

PROBE_PATH = "/v1/probe"
RELEASES_PATH = "/v1/releases"
MODEL_PATH = "/v1/model"
ENCODER_PATH = "/v1/encoder"


@dataclass(frozen=True)
class Http:
    """A `Transport` to a server that is open to anybody. All requests are idempotent.

    Attributes:
        url: of the server, "https://host[:port]"; the paths are added.
        timeout: seconds for a request, as `request` takes them.
        attempts: how often a failed connection is tried.
    """

    url: str
    timeout: float = 30.0
    attempts: int = 3

    def pull(self) -> bytes:
        return self._call("GET", PROBE_PATH, PROBE_LIMIT, "did not send its probe")

    def push(self, release: bytes) -> None:
        self._call("POST", RELEASES_PATH, ANSWER_LIMIT, "did not accept the release", release)

    def pull_model(self) -> bytes:
        """The model that came of the exchange. Raises TransportError when it cannot be had."""
        return self._call("GET", MODEL_PATH, MODEL_LIMIT, "did not send its model")

    def pull_encoder(self) -> bytes:
        """The encoder that the probe was made with. Raises TransportError when it cannot be had."""
        return self._call("GET", ENCODER_PATH, PACKAGE_LIMIT, "did not send its encoder")

    def _call(self, method: str, path: str, most: int, failed: str, body: bytes = b"") -> bytes:
        url = self.url.rstrip("/") + path
        answer = request(method, url, most=most, body=body, timeout=self.timeout, attempts=self.attempts)
        return answer.accepted(f"{self.url} {failed}")
