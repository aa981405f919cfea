import numpy as np
import pytest

from proxyset.errors import InvalidReport
from proxyset.vdaf.circuits import Histogram, L1BoundSum, MultihotCountVec, SumVec
from proxyset.vdaf.field import Field64, Field128
from proxyset.vdaf.flp import Flp, Query
from proxyset_lab.speed.plain_prio3 import ReferenceFlp

CASES = [
    (Histogram(Field128, 1, 1), 0),
    (Histogram(Field128, 11, 3), 4),
    (MultihotCountVec(Field128, 9, 20, 2), [0, 1, 0, 0, 1, 0, 0, 0, 0]),
    (SumVec(Field64, 3, 4, 100), [7, 0, 100]),
    (SumVec(Field128, 40, 7, 1000), list(range(0, 1000, 25))),
    (L1BoundSum(Field128, 30, 16, 255), [8] * 30),
]
GRID = pytest.mark.parametrize(("circuit", "measurement"), CASES, ids=lambda value: type(value).__name__)


def uniform(field, length, rng):
    return field.vector([int.from_bytes(rng.bytes(24), "little") for _ in range(length)])


def encoded(circuit, measurement):
    return circuit.field.vector(circuit.encode(measurement).tolist())


def split(field, vector, shares, rng):
    parts = [uniform(field, len(vector), rng) for _ in range(shares - 1)]
    for part in parts:
        vector = field.sub(vector, part)
    return [vector, *parts]


def decided(flp, elements, shares, rng, proof=None):
    """Whether `shares` aggregators accept elements (valid or not) with their honest proof, or with another."""
    field = flp.field
    joint_rand = uniform(field, flp.joint_rand_length, rng)
    query_rand = uniform(field, flp.query_rand_length, rng)
    proof = (
        flp.prove(elements, uniform(field, flp.prove_rand_length, rng), joint_rand)
        if proof is None
        else proof
    )
    verifier = field.zeros(flp.verifier_length)
    for share, proof_share in zip(
        split(field, elements, shares, rng), split(field, proof, shares, rng), strict=True
    ):
        _, ((part,),) = flp.query([share], [[Query(proof_share, query_rand, joint_rand)]], shares)
        verifier = field.add(verifier, part)
    return flp.decide(verifier)


@GRID
def test_the_same_as_in_plain_integers(circuit, measurement, rng):
    flp, plain, field = Flp(circuit), ReferenceFlp(circuit), circuit.field
    elements = encoded(circuit, measurement)
    prove_rand, joint_rand = (uniform(field, n, rng) for n in (flp.prove_rand_length, flp.joint_rand_length))
    proof = flp.prove(elements, prove_rand, joint_rand)
    assert len(proof) == flp.proof_length
    assert (proof == plain.prove(elements, prove_rand, joint_rand)).all()
    measurements = [elements, *(uniform(field, flp.measurement_length, rng) for _ in range(4))]
    queries = [
        [
            Query(
                uniform(field, flp.proof_length, rng),
                uniform(field, flp.query_rand_length, rng),
                uniform(field, flp.joint_rand_length, rng),
            )
            for _ in range(2)
        ]
        for _ in measurements
    ]
    got, expected = (each.query(measurements, queries, 3) for each in (flp, plain))
    np.testing.assert_equal(got, expected)


@GRID
@pytest.mark.parametrize("shares", [2, 3, 5])
def test_valid_measurements_are_accepted(circuit, measurement, shares, rng):
    assert decided(Flp(circuit), encoded(circuit, measurement), shares, rng)


@GRID
def test_an_element_that_is_no_bit_is_refused(circuit, measurement, rng):
    flp, field = Flp(circuit), circuit.field
    for place in {0, flp.measurement_length // 2, flp.measurement_length - 1}:
        for value in (2, -1):
            elements = encoded(circuit, measurement).copy()
            elements[place] = field.vector([value])[0]
            assert not decided(flp, elements, 2, rng)


@pytest.mark.parametrize(
    ("circuit", "bits"),
    [
        (Histogram(Field128, 4, 2), [1, 0, 1, 0]),
        (Histogram(Field128, 4, 2), [0, 0, 0, 0]),
        (MultihotCountVec(Field128, 4, 2, 2), [1, 1, 1, 0, 1, 1]),
        (MultihotCountVec(Field128, 4, 2, 2), [0, 0, 0, 0, 1, 0]),
        (L1BoundSum(Field128, 2, 2, 3), [1, 1, 1, 0, 1, 1]),
        (L1BoundSum(Field128, 2, 2, 3), [1, 0, 0, 0, 0, 0]),
    ],
)
def test_bits_that_break_the_linear_check_are_refused(circuit, bits, rng):
    assert not decided(Flp(circuit), circuit.field.vector(bits), 2, rng)


@GRID
def test_a_changed_proof_is_refused(circuit, measurement, rng):
    flp, field = Flp(circuit), circuit.field
    elements, joint_rand = encoded(circuit, measurement), uniform(field, flp.joint_rand_length, rng)
    for place in range(0, flp.proof_length, max(1, flp.proof_length // 7)):
        proof = flp.prove(elements, uniform(field, flp.prove_rand_length, rng), joint_rand)
        proof[place] = uniform(field, 1, rng)[0]
        query_rand = uniform(field, flp.query_rand_length, rng)
        _, ((verifier,),) = flp.query([elements], [[Query(proof, query_rand, joint_rand)]], 1)
        assert not flp.decide(verifier)


def test_a_query_point_that_is_a_root_of_unity_drops_that_report_only(rng):
    circuit = Histogram(Field128, 11, 3)
    flp, field = Flp(circuit), circuit.field
    elements, joint_rand = encoded(circuit, 4), uniform(field, flp.joint_rand_length, rng)
    proof = flp.prove(elements, uniform(field, flp.prove_rand_length, rng), joint_rand)
    good, bad = (uniform(field, 3, rng).copy() for _ in range(2))
    bad[-1] = field.vector(field.roots(8)[3:4])[0]
    queries = [[Query(proof, rand, joint_rand)] for rand in (good, bad, good)]
    outputs, (first, second, third) = flp.query([elements] * 3, queries, 1)
    assert len(outputs) == 3
    assert isinstance(second, InvalidReport)
    assert (first[0] == third[0]).all()
    assert flp.decide(first[0])
