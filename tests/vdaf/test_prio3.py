import os
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.errors import ArtifactError, InvalidInput, InvalidReport
from proxyset.vdaf import (
    Field64,
    Field128,
    Prio3Histogram,
    Prio3L1BoundSum,
    Prio3MultihotCountVec,
    Prio3SumVec,
    Prio3SumVecWithMultiproof,
    Report,
)
from proxyset_lab.speed.plain_prio3 import ReferenceFlp
from tests.vdaf.test_circuits import measurements, total
from tests.vdaf.vectors import shard, verify

KEY, CTX = bytes(range(32)), b"a test"
MAKERS = {
    "histogram": lambda shares: Prio3Histogram(shares, 5, 2),
    "multihot": lambda shares: Prio3MultihotCountVec(shares, 6, 3, 4),
    "sumvec": lambda shares: Prio3SumVec(shares, 3, 9, 4),
    "multiproof": lambda shares: Prio3SumVecWithMultiproof(shares, Field64, 3, 3, 9, 4),
    "l1": lambda shares: Prio3L1BoundSum(shares, 4, 10, 5),
}
KINDS = pytest.mark.parametrize("kind", MAKERS)


def shares_of(vdaf, measurement):
    nonce = os.urandom(vdaf.NONCE_SIZE)
    return nonce, *shard(vdaf, CTX, measurement, nonce, os.urandom(vdaf.rand_size))


@KINDS
@settings(max_examples=20, deadline=None)
@given(data=st.data(), shares=st.integers(2, 5))
def test_the_sum_is_that_of_all_measurements_for_any_number_of_aggregators(kind, data, shares):
    vdaf = MAKERS[kind](shares)
    several = data.draw(st.lists(measurements(vdaf.circuit), min_size=1, max_size=3))
    agg_shares = [vdaf.agg_init() for _ in range(shares)]
    for measurement in several:
        messages = verify(vdaf, KEY, CTX, *shares_of(vdaf, measurement))
        outs = map(vdaf.decode_agg_share, messages.out_shares)
        agg_shares = [vdaf.agg_update(*each) for each in zip(agg_shares, outs, strict=True)]
    expected = [sum(column) for column in zip(*(total(vdaf.circuit, each) for each in several), strict=True)]
    assert vdaf.unshard(agg_shares, len(several)) == expected


@KINDS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(kind, data):
    vdaf = MAKERS[kind](2)
    measurement = data.draw(measurements(vdaf.circuit))
    nonce, public_share, input_shares = shares_of(vdaf, measurement)
    messages = [nonce, public_share, *input_shares]
    which = data.draw(st.integers(0, len(messages) - 1))
    changed = bytearray(messages[which])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    messages[which] = bytes(changed)
    nonce, public_share, *input_shares = messages
    try:
        outs = verify(vdaf, KEY, CTX, nonce, public_share, input_shares).out_shares
    except (InvalidReport, ArtifactError):
        return
    assert vdaf.unshard(list(map(vdaf.decode_agg_share, outs)), 1) == total(vdaf.circuit, measurement)


@KINDS
def test_another_context_key_nonce_or_aggregator_is_refused(kind):
    vdaf = MAKERS[kind](3)
    measurement = 1 if kind == "histogram" else [1] + [0] * (vdaf.circuit.length - 1)
    nonce, public_share, input_shares = shares_of(vdaf, measurement)
    verify(vdaf, KEY, CTX, nonce, public_share, input_shares)
    swapped = [input_shares[0], input_shares[2], input_shares[1]]
    for ctx, other_nonce, shares in (
        (b"other", nonce, input_shares),
        (CTX, bytes(16), input_shares),
        (CTX, nonce, swapped),
    ):
        with pytest.raises(InvalidReport):
            verify(vdaf, KEY, ctx, other_nonce, public_share, shares)
    states = [
        vdaf.verify_init(
            bytes([agg_id]) * 32,
            CTX,
            agg_id,
            nonce,
            vdaf.decode_public_share(public_share),
            vdaf.decode_input_share(agg_id, share),
        )[1]
        for agg_id, share in enumerate(input_shares)
    ]
    with pytest.raises(InvalidReport, match="proof does not hold"):
        vdaf.verifier_shares_to_message(CTX, states)


@KINDS
@pytest.mark.parametrize("agg_id", [0, 1])
def test_many_reports_at_once_give_the_same(kind, agg_id, monkeypatch):
    monkeypatch.setattr("proxyset.vdaf.prio3._BATCH_ELEMENTS", 40)
    vdaf = MAKERS[kind](2)
    measurement = 1 if kind == "histogram" else [1] + [0] * (vdaf.circuit.length - 1)
    reports = []
    for _ in range(7):
        nonce, public_share, shares = shares_of(vdaf, measurement)
        share = vdaf.decode_input_share(agg_id, shares[agg_id])
        reports.append(Report(nonce, vdaf.decode_public_share(public_share), share))
    many = list(vdaf.verify_init_many(KEY, CTX, agg_id, iter(reports)))
    assert len(many) == len(reports)
    for (state, share), report in zip(many, reports, strict=True):
        other, one = vdaf.verify_init(KEY, CTX, agg_id, report.nonce, report.public_share, report.input_share)
        assert vdaf.encode_verifier_share(share) == vdaf.encode_verifier_share(one)
        assert state.joint_rand_seed == other.joint_rand_seed
        assert (state.out_share == other.out_share).all()


@KINDS
def test_the_whole_protocol_is_the_same_on_plain_integers(kind):
    vdaf, plain = MAKERS[kind](2), MAKERS[kind](2)
    plain.flp = ReferenceFlp(plain.circuit)
    measurement = 1 if kind == "histogram" else [1] + [0] * (vdaf.circuit.length - 1)
    nonce, rand = bytes(16), os.urandom(vdaf.rand_size)
    shares = shard(vdaf, CTX, measurement, nonce, rand)
    assert shares == shard(plain, CTX, measurement, nonce, rand)
    assert verify(vdaf, KEY, CTX, nonce, *shares) == verify(plain, KEY, CTX, nonce, *shares)


def test_noise_may_make_totals_negative():
    vdaf = Prio3L1BoundSum(2, 3, 7, 3)
    outs = verify(vdaf, KEY, CTX, *shares_of(vdaf, [1, 2, 3])).out_shares
    noise = [[-5, 0, 2], [1, -7, 0]]
    agg_shares = [
        vdaf.agg_update(vdaf.decode_agg_share(out), vdaf.field.vector(each))
        for out, each in zip(outs, noise, strict=True)
    ]
    assert vdaf.unshard(agg_shares, 1, signed=True) == [-3, -5, 5]
    assert vdaf.unshard(agg_shares, 1) == [Field128.modulus - 3, Field128.modulus - 5, 5]


def test_shares_of_all_but_one_aggregator_look_the_same_for_any_measurement():
    """With the same randomness, a helper's input does not depend on the measurement, and the leader's is masked by it."""
    vdaf = Prio3L1BoundSum(3, 4, 10, 5)
    nonce, rand = bytes(16), os.urandom(vdaf.rand_size)
    one, other = (
        shard(vdaf, CTX, measurement, nonce, rand)[1] for measurement in ([0, 0, 0, 0], [10, 0, 0, 0])
    )
    assert one[1:] == other[1:]
    assert one[0] != other[0]


@pytest.mark.parametrize("length", [4, 100])
def test_messages_of_any_other_size_are_refused(length):
    vdaf = Prio3L1BoundSum(2, length, 10, 5)
    nonce, public_share, shares = shares_of(vdaf, [1] * 4 + [0] * (length - 4))
    messages = verify(vdaf, KEY, CTX, nonce, public_share, shares)
    decoders = [
        (vdaf.decode_public_share, public_share),
        (lambda encoded: vdaf.decode_input_share(0, encoded), shares[0]),
        (lambda encoded: vdaf.decode_input_share(1, encoded), shares[1]),
        (vdaf.decode_verifier_share, messages.verifier_shares[0]),
        (vdaf.decode_verifier_message, messages.verifier_message),
        (vdaf.decode_agg_share, messages.out_shares[1]),
    ]
    for decode, encoded in decoders:
        decode(encoded)
        for wrong in (b"", encoded[:-1], encoded + b"\0", encoded[:-16], encoded + bytes(16), encoded * 2):
            with pytest.raises(ArtifactError, match=f"{len(wrong)} bytes, {len(encoded)} expected"):
                decode(wrong)


def test_elements_that_are_not_canonical_are_refused():
    vdaf = Prio3L1BoundSum(2, 4, 10, 5)
    nonce, public_share, shares = shares_of(vdaf, [1, 2, 3, 4])
    messages = verify(vdaf, KEY, CTX, nonce, public_share, shares)
    modulus = Field128.modulus.to_bytes(16, "little")
    measurement = 16 * vdaf.flp.measurement_length
    for decode, encoded, at in (
        (lambda encoded: vdaf.decode_input_share(0, encoded), shares[0], 0),
        (lambda encoded: vdaf.decode_input_share(0, encoded), shares[0], measurement),
        (vdaf.decode_verifier_share, messages.verifier_shares[0], 16),
        (vdaf.decode_agg_share, messages.out_shares[0], 48),
    ):
        with pytest.raises(ArtifactError, match="not below the modulus of Field128"):
            decode(encoded[:at] + modulus + encoded[at + 16 :])


def test_arguments_of_a_wrong_size_are_refused():
    vdaf = Prio3Histogram(2, 4, 2)
    nonce, public_share, shares = shares_of(vdaf, 1)
    public = vdaf.decode_public_share(public_share)
    leader, helper = (vdaf.decode_input_share(agg_id, share) for agg_id, share in enumerate(shares))
    calls = {
        "nonce: 15 bytes": lambda: vdaf.shard(CTX, 1, bytes(15), bytes(128)),
        "rand: 127 bytes": lambda: vdaf.shard(CTX, 1, nonce, bytes(127)),
        "ctx has 65528 bytes": lambda: vdaf.shard(bytes(65528), 1, nonce, bytes(128)),
        "verify key: 16 bytes": lambda: vdaf.verify_init(bytes(16), CTX, 0, nonce, public, leader),
        "nonce: 17 bytes": lambda: vdaf.verify_init(KEY, CTX, 0, bytes(17), public, leader),
        "aggregator 2 of 2": lambda: vdaf.verify_init(KEY, CTX, 2, nonce, public, helper),
        "not one of aggregator 1": lambda: vdaf.verify_init(KEY, CTX, 1, nonce, public, leader),
        "not one of aggregator 0": lambda: vdaf.verify_init(KEY, CTX, 0, nonce, public, helper),
        "not one of 3 aggregators": lambda: Prio3Histogram(3, 4, 2).verify_init(
            KEY, CTX, 1, nonce, public, helper
        ),
        "0 verifier shares from 2": lambda: vdaf.verifier_shares_to_message(CTX, []),
        "1 aggregate shares from 2": lambda: vdaf.unshard([vdaf.agg_init()], 1),
        "0 measurements": lambda: vdaf.unshard([vdaf.agg_init()] * 2, 0),
        "shares is 1": lambda: Prio3Histogram(1, 4, 2),
        "shares is 256": lambda: Prio3Histogram(256, 4, 2),
        "2 proofs over Field64": lambda: Prio3SumVecWithMultiproof(2, Field64, 2, 3, 9, 4),
        "proofs is 256": lambda: Prio3SumVecWithMultiproof(2, Field128, 256, 3, 9, 4),
    }
    for said, call in calls.items():
        with pytest.raises(InvalidInput, match=said):
            call()


def test_secrets_are_not_in_what_is_printed():
    vdaf = Prio3Histogram(2, 4, 2)
    nonce, public_share, shares = shares_of(vdaf, 1)
    decoded = [vdaf.decode_input_share(agg_id, share) for agg_id, share in enumerate(shares)]
    state, _ = vdaf.verify_init(KEY, CTX, 1, nonce, vdaf.decode_public_share(public_share), decoded[1])
    assert [repr(each) for each in (*decoded, state)] == ["LeaderShare()", "HelperShare()", "VerifyState()"]


def test_each_algorithm_has_its_own_streams():
    """The same randomness and measurement share nothing between types: the algorithm is in every tag."""
    types = [Prio3SumVec(2, 3, 1, 2), Prio3MultihotCountVec(2, 3, 1, 2), Prio3L1BoundSum(2, 3, 1, 2)]
    publics = [shard(vdaf, CTX, [1, 0, 0], bytes(16), bytes(128))[0] for vdaf in types]
    for one, other in combinations(publics, 2):
        assert one != other
