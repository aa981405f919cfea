"""The messages are byte for byte those of the drafts' vectors: compact ones always, the full ones where they are."""

import json
from typing import Any

import pytest

from proxyset.errors import InvalidReport
from proxyset.vdaf import Field128
from proxyset.vdaf.xof import derive_seed, expand_into_vec
from tests.vdaf.vectors import COMPACT, FULL, compact, digest, digests, instance, patched, shard, verify

VECTORS: dict[str, dict[str, Any]] = json.loads(COMPACT.read_text(encoding="utf-8"))
ACCEPTED = sorted(name for name, vector in VECTORS.items() if "reports" in vector)
REFUSED = sorted(name for name, vector in VECTORS.items() if "refused" in vector)
FULL_NAMES = sorted(path.stem for path in FULL.glob("Prio3*.json"))


def run(vdaf, vector, report):
    ctx, nonce = bytes.fromhex(vector["ctx"]), bytes.fromhex(report["nonce"])
    shares = shard(vdaf, ctx, report["measurement"], nonce, bytes.fromhex(report["rand"]))
    return verify(vdaf, bytes.fromhex(vector["verify_key"]), ctx, nonce, *shares)


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_message_of_the_compact_vectors(name):
    vector = VECTORS[name]
    vdaf = instance(name, vector)
    messages = [run(vdaf, vector, report) for report in vector["reports"]]
    for got, report in zip(messages, vector["reports"], strict=True):
        assert {**report, **digests(got)} == report
    agg_shares = [
        vdaf.merge(map(vdaf.decode_agg_share, outs))
        for outs in zip(*(got.out_shares for got in messages), strict=True)
    ]
    assert [digest(vdaf.encode_agg_share(share)) for share in agg_shares] == vector["agg_shares"]
    assert vdaf.unshard(agg_shares, len(messages)) == vector["agg_result"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_vectors_say_is_refused_is_refused(name):
    vector = VECTORS[name]
    report, vdaf, ctx = vector["refused"], instance(name, vector), bytes.fromhex(vector["ctx"])
    nonce = bytes.fromhex(report["nonce"])
    public_share, input_shares = shard(vdaf, ctx, report["measurement"], nonce, bytes.fromhex(report["rand"]))
    public_share = patched(public_share, report["public_share"])
    input_shares = [
        patched(share, changes) for share, changes in zip(input_shares, report["input_shares"], strict=True)
    ]
    message = bytes.fromhex(report["verifier_message"]) if "verifier_message" in report else None
    with pytest.raises(InvalidReport) as refusal:
        verify(vdaf, bytes.fromhex(vector["verify_key"]), ctx, nonce, public_share, input_shares, message)
    shares = refusal.value.messages.verifier_shares[: len(report["verifier_shares"])]
    assert [digest(share) for share in shares] == report["verifier_shares"]


@pytest.mark.parametrize("name", FULL_NAMES)
def test_the_compact_vectors_are_those_of_the_drafts(name):
    full = json.loads((FULL / f"{name}.json").read_text(encoding="utf-8"))
    assert VECTORS[name] == json.loads(json.dumps(compact(name, full)))


@pytest.mark.parametrize("name", [name for name in FULL_NAMES if "_bad_" not in name])
def test_every_byte_of_the_full_vectors(name):
    full = json.loads((FULL / f"{name}.json").read_text(encoding="utf-8"))
    vdaf = instance(name, full)
    for report in full["reports"]:
        got = run(vdaf, full, report)
        assert got.public_share.hex() == report["public_share"]
        assert [share.hex() for share in got.input_shares] == report["input_shares"]
        assert [share.hex() for share in got.verifier_shares] == report["verifier_shares"][0]
        assert got.verifier_message.hex() == report["verifier_messages"][0]
        assert [share.hex() for share in got.out_shares] == report["out_shares"]
    agg_shares = [vdaf.decode_agg_share(bytes.fromhex(share)) for share in full["agg_shares"]]
    assert vdaf.unshard(agg_shares, len(full["reports"])) == full["agg_result"]


@pytest.mark.parametrize("name", [name for name in FULL_NAMES if "_bad_" in name])
def test_every_step_of_the_full_vectors_that_must_be_refused(name):
    full = json.loads((FULL / f"{name}.json").read_text(encoding="utf-8"))
    vdaf, ctx, (report,) = instance(name, full), bytes.fromhex(full["ctx"]), full["reports"]
    states, shares = {}, [bytes.fromhex(share) for share in report["verifier_shares"][0]]
    for step in full["operations"]:
        agg_id = step.get("aggregator_id")
        if step["operation"] == "verify_init":
            state, share = vdaf.verify_init(
                bytes.fromhex(full["verify_key"]),
                ctx,
                agg_id,
                bytes.fromhex(report["nonce"]),
                vdaf.decode_public_share(bytes.fromhex(report["public_share"])),
                vdaf.decode_input_share(agg_id, bytes.fromhex(report["input_shares"][agg_id])),
            )
            assert step["success"]
            assert vdaf.encode_verifier_share(share) == shares[agg_id]
            states[agg_id] = state
        elif step["operation"] == "verifier_shares_to_message":
            assert not step["success"]
            with pytest.raises(InvalidReport):
                vdaf.verifier_shares_to_message(ctx, [vdaf.decode_verifier_share(share) for share in shares])
        else:
            assert (step["operation"], step["success"]) == ("verify_next", False)
            message = vdaf.decode_verifier_message(bytes.fromhex(report["verifier_messages"][0]))
            with pytest.raises(InvalidReport):
                vdaf.verify_next(ctx, states[agg_id], message)


def test_the_stream_of_the_drafts_vector():
    seed, dst, binder = bytes(range(32)), b"domain separation tag", b"binder string"
    assert (
        derive_seed(seed, dst, binder).hex()
        == "b62ef0a2778190792d4d42d8c167ba20e0c37a3f319ba79645829c427d70eea5"
    )
    encoded = Field128.encode(expand_into_vec(Field128, seed, dst, binder, 40))
    assert digest(encoded) == "ad49ff98e5aae01d271d1fa6271f5d37956af3127fffe48a94d3e1d699207c5c"
    path = FULL / "XofTurboShake128.json"
    if path.exists():
        assert encoded.hex() == json.loads(path.read_text(encoding="utf-8"))["expanded_vec_field128"]
