"""Conformance vectors of Prio3: the drafts' JSON files, and a compact form of them that this repository holds.

    python -m tests.vdaf.vectors ../shared/vdaf     # writes tests/vdaf/vectors.json

The compact form has each vector's inputs and the SHA-256 of each message that has to come out. For a report that must be
refused it has the inputs of the honest report and which bytes of which message differ from it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxyset.errors import InvalidReport
from proxyset.vdaf import (
    Field64,
    Prio3,
    Prio3Histogram,
    Prio3L1BoundSum,
    Prio3MultihotCountVec,
    Prio3SumVec,
    Prio3SumVecWithMultiproof,
)

COMPACT = Path(__file__).with_name("vectors.json")
FULL = Path(__file__).parents[3] / "shared" / "vdaf"
KINDS = {
    "Prio3Histogram": (Prio3Histogram, ("length", "chunk_length")),
    "Prio3L1BoundSum": (Prio3L1BoundSum, ("length", "max_value", "chunk_length")),
    "Prio3MultihotCountVec": (Prio3MultihotCountVec, ("length", "max_weight", "chunk_length")),
    "Prio3SumVec": (Prio3SumVec, ("length", "max_measurement", "chunk_length")),
}


def instance(name: str, vector: dict[str, Any]) -> Prio3[Any]:
    """The Prio3 that a vector of that name is of."""
    kind = name.split("_")[0]
    if kind == "Prio3SumVecWithMultiproof":
        sizes = (vector[key] for key in ("length", "max_measurement", "chunk_length"))
        return Prio3SumVecWithMultiproof(vector["shares"], Field64, 3, *sizes)
    make, names = KINDS[kind]
    return make(vector["shares"], *(vector[key] for key in names))


@dataclass
class Messages:
    """All messages of one report, encoded; what a refused report never comes to is left empty."""

    public_share: bytes
    input_shares: list[bytes]
    verifier_shares: list[bytes]
    verifier_message: bytes = b""
    out_shares: tuple[bytes, ...] = ()


def shard(
    vdaf: Prio3[Any], ctx: bytes, measurement: Any, nonce: bytes, rand: bytes
) -> tuple[bytes, list[bytes]]:
    """Public share and input shares, encoded."""
    public_share, input_shares = vdaf.shard(ctx, measurement, nonce, rand)
    return vdaf.encode_public_share(public_share), [vdaf.encode_input_share(share) for share in input_shares]


def verify(
    vdaf: Prio3[Any],
    verify_key: bytes,
    ctx: bytes,
    nonce: bytes,
    public_share: bytes,
    input_shares: list[bytes],
    verifier_message: bytes | None = None,
) -> Messages:
    """All of verification, where every message goes through its bytes.

    Raises:
        InvalidReport: with the messages so far as its argument's `messages`.
    """
    states, shares = [], []
    for agg_id, share in enumerate(input_shares):
        decoded = vdaf.decode_public_share(public_share), vdaf.decode_input_share(agg_id, share)
        state, verifier_share = vdaf.verify_init(verify_key, ctx, agg_id, nonce, *decoded)
        states.append(state)
        shares.append(vdaf.encode_verifier_share(verifier_share))
    messages = Messages(public_share, input_shares, shares)
    try:
        if verifier_message is None:
            decoded_shares = [vdaf.decode_verifier_share(share) for share in shares]
            message = vdaf.verifier_shares_to_message(ctx, decoded_shares)
            verifier_message = vdaf.encode_verifier_message(message)
        messages.verifier_message = verifier_message
        message = vdaf.decode_verifier_message(verifier_message)
        outs = [vdaf.verify_next(ctx, state, message) for state in states]
    except InvalidReport as error:
        error.messages = messages  # type: ignore[attr-defined]
        raise
    messages.out_shares = tuple(vdaf.encode_agg_share(out) for out in outs)
    return messages


def digest(message: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(message).hexdigest()


def digests(messages: Messages) -> dict[str, Any]:
    """The SHA-256 of each message of one report."""
    return {
        "public_share": digest(messages.public_share),
        "input_shares": [digest(share) for share in messages.input_shares],
        "verifier_shares": [digest(share) for share in messages.verifier_shares],
        "verifier_message": digest(messages.verifier_message),
        "out_shares": [digest(share) for share in messages.out_shares],
    }


def patched(message: bytes, changes: dict[str, int]) -> bytes:
    """`message` with the bytes at some places replaced."""
    out = bytearray(message)
    for place, value in changes.items():
        out[int(place)] = value
    return bytes(out)


def compact(name: str, vector: dict[str, Any]) -> dict[str, Any]:
    """The compact form of one of the drafts' vectors."""
    out = {key: value for key, value in vector.items() if isinstance(value, int)}
    out |= {"ctx": vector["ctx"], "verify_key": vector["verify_key"]}
    make = _refused if "_bad_" in name else _accepted
    return out | make(instance(name, vector), vector)


def _accepted(vdaf: Prio3[Any], vector: dict[str, Any]) -> dict[str, Any]:
    def hashed(messages: list[str]) -> list[str]:
        return [digest(bytes.fromhex(message)) for message in messages]

    reports = [
        {
            **{key: report[key] for key in ("measurement", "nonce", "rand")},
            "public_share": hashed([report["public_share"]])[0],
            "input_shares": hashed(report["input_shares"]),
            "verifier_shares": hashed(report["verifier_shares"][0]),
            "verifier_message": hashed(report["verifier_messages"])[0],
            "out_shares": hashed(report["out_shares"]),
        }
        for report in vector["reports"]
    ]
    return {
        "reports": reports,
        "agg_shares": hashed(vector["agg_shares"]),
        "agg_result": vector["agg_result"],
    }


def _refused(vdaf: Prio3[Any], vector: dict[str, Any]) -> dict[str, Any]:
    (report,) = vector["reports"]
    nonce, rand, ctx = (bytes.fromhex(text) for text in (report["nonce"], report["rand"], vector["ctx"]))
    wanted = [bytes.fromhex(text) for text in (report["public_share"], *report["input_shares"])]
    best: tuple[int, int, list[dict[str, int]]] | None = None
    for measurement in range(vector["length"]):
        public_share, input_shares = shard(vdaf, ctx, measurement, nonce, rand)
        changes = [
            {str(place): new for place, (old, new) in enumerate(zip(honest, bad, strict=True)) if old != new}
            for honest, bad in zip([public_share, *input_shares], wanted, strict=True)
        ]
        count = sum(len(each) for each in changes)
        if best is None or count < best[0]:
            best = count, measurement, changes
    assert best is not None
    public_changes, *share_changes = best[2]
    out = {"measurement": best[1], "nonce": report["nonce"], "rand": report["rand"]}
    out |= {"public_share": public_changes, "input_shares": share_changes}
    if report["verifier_messages"]:
        out["verifier_message"] = report["verifier_messages"][0]
    out["verifier_shares"] = [digest(bytes.fromhex(share)) for share in report["verifier_shares"][0]]
    return {"refused": out}


def _own() -> dict[str, Any]:
    """A vector of ours for the type that ../shared has none of; three aggregators, three proofs over Field64."""
    key, ctx, seeds = bytes(range(32)), b"proxyset", bytes(range(192))
    sizes = {"shares": 3, "length": 4, "max_measurement": 12, "chunk_length": 5}
    vdaf = instance("Prio3SumVecWithMultiproof_own", sizes)
    reports, outs = [], []
    for number, measurement in enumerate([[0, 12, 7, 1], [5, 5, 5, 5]]):
        nonce = bytes([number]) * 16
        messages = verify(vdaf, key, ctx, nonce, *shard(vdaf, ctx, measurement, nonce, seeds))
        inputs = {"measurement": measurement, "nonce": nonce.hex(), "rand": seeds.hex()}
        reports.append(inputs | digests(messages))
        outs.append([vdaf.decode_agg_share(share) for share in messages.out_shares])
    agg_shares = [vdaf.merge(each) for each in zip(*outs, strict=True)]
    return sizes | {
        "ctx": ctx.hex(),
        "verify_key": key.hex(),
        "reports": reports,
        "agg_shares": [digest(vdaf.encode_agg_share(share)) for share in agg_shares],
        "agg_result": vdaf.unshard(agg_shares, len(reports)),
    }


def main(folder: Path) -> None:
    """Writes the compact form of all vectors of `folder`, and our own."""
    vectors = {
        path.stem: compact(path.stem, json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(folder.glob("Prio3*.json"))
    }
    vectors["Prio3SumVecWithMultiproof_own"] = _own()
    COMPACT.write_text(_json(vectors), encoding="utf-8")


def _json(vectors: dict[str, Any]) -> str:
    lines = [f" {json.dumps(name)}: {json.dumps(vector)}" for name, vector in vectors.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
