"""Valid messages of every form, small: what the fuzzer begins with, and what must keep decoding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from nacl.signing import SigningKey

from proxyset.client.calibration import privacy_statement
from proxyset.encoders.encoder import EncoderSpec
from proxyset.wire.medoids import encode
from proxyset.wire.merkle import HashTree, item_leaf
from proxyset.wire.probe import Probe
from proxyset.wire.receipt import Claim, Receipt
from proxyset.wire.release import Release
from proxyset.wire.signing import public_half

KEY = SigningKey(b"k" * 32)
POLICY = b"""unit = "person"
encoders = "any"
max_records = 5
approve_above = 0.5
servers = ["a"]
[cap]
epsilon = 4.0
delta = 1e-5
"""


def probes() -> list[Probe]:
    rng = np.random.default_rng(0)
    C = rng.normal(size=(3, 2)).astype(np.float32)
    P, mean = rng.normal(size=(4, 2)).astype(np.float32), np.zeros(4, np.float32)
    spec = EncoderSpec(name="embeddings", dim=2)
    wide = EncoderSpec(name="embeddings", dim=4, params={"size": 28})
    made = [Probe.build(C, spec, "a" * 64, dtype=dtype) for dtype in ("float32", "float16", "int8")]
    made.append(Probe.build(C, wide, "a" * 64, projection=P, mean=mean, purpose="§"))
    X = rng.normal(size=(5, 4)).astype(np.float32)
    tree = HashTree.grow(item_leaf(f"{row}", x) for row, x in enumerate(X))
    chosen = np.array([4, 0, 2])
    ids = [f"{row}" for row in chosen]
    for contents, map_ in ((None, {}), ([b"a", b"", b"bcd"], {"projection": P})):
        medoids = encode(tree, chosen, ids, X[chosen], contents)
        made.append(Probe.build_of_medoids(medoids, wide, "a" * 64, **map_))
    return made


def messages() -> list[tuple[int, bytes]]:
    """(decoder, message): 0 a probe, 2 a release, 4 a receipt, 6 a policy."""
    release = Release(np.arange(3), probes()[0].fingerprint, "a" * 64, privacy_statement(0.58))
    claim = Claim(
        release=release.fingerprint,
        probe=release.probe,
        index=release.index,
        server="s",
        privacy=release.privacy,
        policy="",
        head="c" * 64,
        key=public_half(KEY),
    )
    receipt = Receipt.sign(claim, KEY)
    return [
        *((0, probe.to_bytes()) for probe in probes()),
        (2, release.to_bytes()),
        (2, replace(release, receipt=receipt.to_bytes()).to_bytes()),
        (4, receipt.to_bytes()),
        (6, POLICY),
    ]
