"""Coverage-guided fuzzing of everything that is decoded from strangers' bytes: probe, release, receipt, policy.

    python -m tests.fuzz.decoders [CORPUS] [libFuzzer options, such as -max_total_time=600]

Needs atheris. The first byte of an input picks the decoder; valid messages are the seeds. Digests and signatures would stop
nearly every mutation, so half of the decoders are given messages that are taken apart (`Parts`): the fuzzer changes their
JSON and their arrays, and they are put together, sealed and signed like a hostile server's. A decoder must return, or raise
an error of ours; anything else, ten seconds or 2 GB of memory is a crash.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["proxyset"]):
    from proxyset.client.policy import Policy
    from proxyset.errors import ProxysetError
    from proxyset.wire.probe import Probe
    from proxyset.wire.receipt import Receipt, _message
    from proxyset.wire.release import Release

from safetensors import SafetensorError
from safetensors.numpy import load

from proxyset.fingerprint import canonical_json
from proxyset.wire.container import _digest
from proxyset.wire.receipt import Claim
from proxyset.wire.signing import sign
from tests.fuzz.messages import KEY, messages

MUTANTS: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**70,
    1e308,
    0.5,
    "",
    "a" * 64,
    "\ud800",
    "é",
    [],
    {},
    [[]],
]
BROKEN = (
    SafetensorError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    RecursionError,
    OverflowError,
)


@dataclass(frozen=True)
class Parts:
    """A message taken apart: a line of JSON, then its arrays.

    Attributes:
        value: for a container, {"fields": …, "arrays": safetensors' own header}; for a receipt, its claim.
        rest: the bytes of all arrays.
    """

    value: Any
    rest: bytes

    @classmethod
    def of(cls, message: bytes) -> Parts:
        size = int.from_bytes(message[:8], "little")
        arrays = json.loads(message[8 : 8 + size])
        record = json.loads(arrays.pop("__metadata__")["proxyset"])
        return cls({"fields": record["header"], "arrays": arrays}, message[8 + size :])

    @classmethod
    def parse(cls, data: bytes) -> Parts:
        line, _, rest = data.partition(b"\n")
        return cls(json.loads(line), rest)

    def to_bytes(self) -> bytes:
        return json.dumps(self.value).encode() + b"\n" + self.rest

    def sealed(self) -> bytes:
        """The container, with the digest that its content has."""
        digest = ""
        with contextlib.suppress(*BROKEN):
            digest = _digest(
                canonical_json(self.value["fields"]), load(_framed(self.value["arrays"], self.rest))
            )
        record = {"header": self.value["fields"], "sha256": digest}
        metadata = {"__metadata__": {"proxyset": json.dumps(record)}}
        return _framed(metadata | self.value["arrays"], self.rest)

    def signed(self) -> bytes:
        """The receipt, signed by a key that the fuzzer has, if its claim can be signed at all."""
        signature = "0" * 128
        with contextlib.suppress(*BROKEN):
            signature = sign(KEY, _message(Claim.model_validate_json(json.dumps(self.value))))
        return json.dumps({"claim": self.value, "signature": signature}).encode()


def _framed(header: Any, rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


def _assembled(decoder: Callable[[bytes], Any], assemble: Callable[[Parts], bytes]) -> Callable[[bytes], Any]:
    def run(data: bytes) -> None:
        try:
            message = assemble(Parts.parse(data))
        except BROKEN:
            return  # the fuzzer's own notation is broken: nothing was sent
        decoder(message)

    return run


def _release(data: bytes) -> None:
    Receipt.of(Release.from_bytes(data))


DECODERS: list[Callable[[bytes], Any]] = [
    Probe.from_bytes,
    _assembled(Probe.from_bytes, Parts.sealed),
    _release,
    _assembled(_release, Parts.sealed),
    Receipt.from_bytes,
    _assembled(Receipt.from_bytes, Parts.signed),
    Policy.from_toml,
]


def decode(data: bytes) -> None:
    if data:
        with contextlib.suppress(ProxysetError):
            DECODERS[data[0] % len(DECODERS)](data[1:])


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Half of the time one node of the JSON is replaced, removed or doubled; else libFuzzer's own bytewise mutation."""
    chance = random.Random(seed)
    if data and data[0] % len(DECODERS) in (1, 3, 5) and chance.random() < 0.5:
        with contextlib.suppress(*BROKEN):
            parts = Parts.parse(data[1:])
            _change(parts.value, chance)
            changed = data[:1] + parts.to_bytes()
            if len(changed) <= most:
                return changed
    return bytes(atheris.Mutate(data, most))


def _change(value: Any, chance: random.Random) -> None:
    places = [value]
    for place in places:
        children = place.values() if isinstance(place, dict) else place
        places += [child for child in children if child and isinstance(child, dict | list)]
    place = chance.choice(places)
    key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
    action = chance.random()
    if action < 0.15:
        del place[key]
    elif action < 0.25 and isinstance(place, list):
        place.append(place[key])
    elif action < 0.35 and isinstance(place, dict):
        place[chance.choice(["medoids", "counts", "x"])] = place[key]
    elif action < 0.6 and isinstance(place[key], int):
        place[key] += chance.choice([-8, -1, 1, 8])
    else:
        place[key] = chance.choice(MUTANTS)


def seeds() -> list[bytes]:
    """Every valid message, for each decoder that reads it, and texts that are too deep or too long."""
    extremes = (b"[" * 5000, b'{"a":' * 2000, b"9" * 5000)
    found = [
        bytes([number]) + b"a=" * (number == 6) + text for text in extremes for number in (1, 3, 4, 5, 6)
    ]
    for number, message in messages():
        found.append(bytes([number]) + message)
        if number in (0, 2):
            found.append(bytes([number + 1]) + Parts.of(message).to_bytes())
        elif number == 4:
            found.append(bytes([5]) + Parts(json.loads(message)["claim"], b"").to_bytes())
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds()):
            (Path(folder) / f"{number}").write_bytes(seed)
        options = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=16384"]
        folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        options += [argument for argument in sys.argv[1:] if argument.startswith("-")]
        atheris.Setup([sys.argv[0], *options, *folders, folder], decode, custom_mutator=mutate)
        atheris.Fuzz()  # leaves the process by itself; the seeds' folder is then the system's to clear


if __name__ == "__main__":
    main()
