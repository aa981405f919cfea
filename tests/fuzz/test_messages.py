"""What the fuzzer begins with must be valid, or it would fuzz nothing."""

from __future__ import annotations

from proxyset.client.policy import Policy
from proxyset.wire.probe import Probe
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import Release
from tests.fuzz.messages import messages


def test_every_message_is_decoded() -> None:
    decoders = {0: Probe.from_bytes, 2: Release.from_bytes, 4: Receipt.from_bytes, 6: Policy.from_toml}
    for number, message in messages():
        decoders[number](message)
    assert {number for number, _ in messages()} == set(decoders)
