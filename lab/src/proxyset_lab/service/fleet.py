"""A server's state with many clients, whose keys are here too, and the signed requests they would send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nacl.signing import SigningKey

from proxyset.client.calibration import privacy_statement
from proxyset.encoders.encoder import EncoderSpec
from proxyset.server.records import Campaign, now
from proxyset.server.state import State
from proxyset.wire.campaign import Ask
from proxyset.wire.probe import Probe
from proxyset.wire.receipt import Claim, Receipt
from proxyset.wire.release import Release
from proxyset.wire.signed_request import authorization
from proxyset.wire.signing import public_half

CLUSTERS, FEATURES = 100, 512  # in float16, 102,400 bytes of centroids
_INDEX = "a" * 64


@dataclass(frozen=True)
class Fleet:
    """Clients of the campaigns in a state. The counts of their releases are made up; all else is real.

    Attributes:
        place: of the state.
        probe: what all campaigns ask.
        keys: the clients'.
    """

    place: Path | str
    probe: Probe
    keys: list[SigningKey]

    @classmethod
    def enrolled(cls, place: Path | str, clients: int, campaigns: int, clusters: int = CLUSTERS) -> Fleet:
        """A new state with so many clients and campaigns, which all ask the same probe."""
        state = State.open(place)
        C = np.random.default_rng(0).normal(size=(clusters, FEATURES)).astype(np.float32)
        probe = Probe.build(C, EncoderSpec(name="embeddings", dim=FEATURES), _INDEX, dtype="float16")
        state.add_index(_INDEX, state.folder / "index", 1000, clusters)
        for number in range(campaigns):
            name = f"campaign-{number}"
            made = Campaign(name, _INDEX, probe.fingerprint, "", Ask(), 1, "ecos", None, now(), None)
            state.add_campaign(made, probe)
        keys = [SigningKey.generate() for _ in range(clients)]
        for number, key in enumerate(keys):
            state.add_client(public_half(key), f"client {number}")
        state.close()
        return cls(place, probe, keys)

    def release(self, client: int) -> Release:
        """One answer of a client, with its receipt."""
        key, privacy = self.keys[client], privacy_statement(0.58)
        counts = np.random.default_rng().integers(-20, 200, self.probe.clusters)
        bare = Release(counts, self.probe.fingerprint, self.probe.index, privacy)
        claim = Claim(
            release=bare.fingerprint,
            probe=bare.probe,
            index=bare.index,
            server="https://cloud.example",
            privacy=privacy,
            policy="",
            head="0" * 64,
            key=public_half(key),
        )
        return Release(counts, bare.probe, bare.index, privacy, Receipt.sign(claim, key).to_bytes())

    def pull(self, client: int, campaign: int, url: str) -> bytes:
        """The bytes of a request for a probe, signed now."""
        return self._request(client, "GET", f"{url}/v1/campaigns/campaign-{campaign}/probe", b"")

    def push(self, client: int, campaign: int, url: str, body: bytes) -> bytes:
        """The bytes of a request that hands over a release, signed now."""
        return self._request(client, "POST", f"{url}/v1/campaigns/campaign-{campaign}/releases", body)

    def story(self, client: int, campaigns: Iterator[int], url: str) -> list[bytes]:
        """What one client sends: for each campaign, pull and push."""
        body = self.release(client).to_bytes()
        return [
            step
            for number in campaigns
            for step in (self.pull(client, number, url), self.push(client, number, url, body))
        ]

    def _request(self, client: int, method: str, url: str, body: bytes) -> bytes:
        host, _, path = url.partition("://")[2].partition("/")
        proof = authorization(self.keys[client], method, url, body)
        head = f"{method} /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {proof}\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body
