"""The exchange over HTTP(S), client's end: one GET for the probe, one POST for the release."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx2

from proxyset.errors import TransportError
from proxyset.wire.model import MODEL_LIMIT
from proxyset.wire.probe import PROBE_LIMIT

PROBE_PATH = "/v1/probe"
RELEASES_PATH = "/v1/releases"
MODEL_PATH = "/v1/model"
_ERROR_TEXT = 300
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Http:
    """An exchange with a cloud's server.

    Redirects are not followed, so a release goes where the owner said or nowhere. Only a connection that failed before an
    answer is tried again; both requests are idempotent.

    Attributes:
        url: of the server, "https://host[:port]"; the paths are added.
        timeout: seconds for each step of a request.
        attempts: how often a failed connection is tried.
    """

    url: str
    timeout: float = 30.0
    attempts: int = 3

    def pull(self) -> bytes:
        return self._retried(lambda: self._get(PROBE_PATH, "probe", PROBE_LIMIT))

    def push(self, release: bytes) -> None:
        self._retried(lambda: self._post(release))

    def pull_model(self) -> bytes:
        """The model that came of the exchange. Raises TransportError when it cannot be had."""
        return self._retried(lambda: self._get(MODEL_PATH, "model", MODEL_LIMIT))

    def _get(self, path: str, what: str, limit: int) -> bytes:
        parts, size = [], 0
        with self._client() as client, client.stream("GET", self._path(path)) as response:
            if response.status_code != 200:
                response.read()
                raise TransportError(self._refusal(f"send its {what}", response))
            for part in response.iter_bytes():
                size += len(part)
                if size > limit:
                    raise TransportError(f"{self.url} sends more than the {limit} bytes a {what} may have")
                parts.append(part)
        return b"".join(parts)

    def _post(self, release: bytes) -> None:
        headers = {"content-type": "application/octet-stream"}
        with self._client() as client:
            response = client.post(self._path(RELEASES_PATH), content=release, headers=headers)
        if response.status_code not in (200, 201):
            raise TransportError(self._refusal("accept the release", response))

    def _client(self) -> httpx2.Client:
        # no header tells the server more than that this is proxyset
        return httpx2.Client(timeout=self.timeout, follow_redirects=False, headers={"user-agent": "proxyset"})

    def _path(self, path: str) -> str:
        return self.url.rstrip("/") + path

    def _refusal(self, what: str, response: httpx2.Response) -> str:
        text = " ".join(response.text[:_ERROR_TEXT].split())
        return f"{self.url} did not {what}: HTTP {response.status_code} {text}"

    def _retried(self, request: Callable[[], Answer]) -> Answer:
        for attempt in range(1, self.attempts + 1):
            try:
                return request()
            except httpx2.InvalidURL as error:
                raise TransportError(f"{self.url!r} is not a URL of a server: {error}") from None
            except httpx2.HTTPError as error:
                if attempt == self.attempts or isinstance(error, httpx2.UnsupportedProtocol):
                    reason = str(error) or type(error).__name__
                    raise TransportError(f"cannot reach {self.url} ({attempt} attempts): {reason}") from error
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")
