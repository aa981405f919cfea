"""Prio3's proof in plain Python integers: slow, obvious, and what the vectorised one is tested and measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proxyset.errors import InvalidReport
from proxyset.vdaf.circuits import Circuit, Histogram, L1BoundSum, MultihotCountVec, SumVec
from proxyset.vdaf.field import Field, Vector
from proxyset.vdaf.flp import Flp, Query


def plain_weights(greatest: int) -> list[int]:
    weights: list[int] = []
    while sum(weights) + 2 ** len(weights) < greatest:
        weights.append(2 ** len(weights))
    return [*weights, greatest - sum(weights)]


def plain_linear(circuit: Circuit[Any], elements: list[int]) -> tuple[list[int], int]:
    """Outputs and linear check, before any reduction."""

    def decoded(bits: list[int], greatest: int) -> list[int]:
        weights = plain_weights(greatest)
        return [
            sum(weight * bit for weight, bit in zip(weights, bits[start:], strict=False))
            for start in range(0, len(bits), len(weights))
        ]

    match circuit:
        case Histogram():
            return elements, sum(elements)
        case MultihotCountVec(length=length, max_weight=most):
            return elements[:length], sum(elements[:length]) - decoded(elements[length:], most)[0]
        case SumVec(max_measurement=most):
            return decoded(elements, most), 0
        case L1BoundSum(max_value=most):
            *values, weight = decoded(elements, most)
            return values, sum(values) - weight
    raise TypeError(f"no plain form of {circuit}")


def plain_wires(
    circuit: Circuit[Any], elements: list[int], joint_rand: list[int], shares: int
) -> list[list[int]]:
    """For each call of the gadget its 2·chunk_length inputs."""
    p, chunk = circuit.field.modulus, circuit.chunk_length
    padded = elements + [0] * (circuit.calls * chunk - len(elements))
    inverse = pow(shares, -1, p)
    calls = []
    for call, r in enumerate(joint_rand):
        wires, power = [], r
        for element in padded[call * chunk : (call + 1) * chunk]:
            wires += [power * element % p, (element - inverse) % p]
            power = power * r % p
        calls.append(wires)
    return calls


def plain_basis(field: Field, count: int, point: int) -> list[int]:
    p = field.modulus
    scale = (pow(point, count, p) - 1) * pow(count, -1, p) % p
    return [scale * root * pow(point - root, -1, p) % p for root in field.roots(count)]


def transform(field: Field, values: list[int], roots: Sequence[int]) -> list[int]:
    """Σ values[k] · roots[1]^(i·k) for every i, by halves."""
    if len(values) == 1:
        return values
    p, half = field.modulus, len(values) // 2
    even = transform(field, values[::2], roots[::2])
    odd = transform(field, values[1::2], roots[::2])
    odd = [root * value % p for root, value in zip(roots, odd, strict=False)]
    return [(a + b) % p for a, b in zip(even, odd, strict=True)] + [
        (a - b) % p for a, b in zip(even, odd, strict=True)
    ][:half]


def plain_double(field: Field, values: list[int]) -> list[int]:
    """From the values on the roots of order n to those on the roots of order 2n."""
    p, count = field.modulus, len(values)
    roots = field.roots(count)
    coefficients = transform(field, values, [roots[-place % count] for place in range(count)])
    share = pow(count, -1, p)
    coefficients = [value * share % p for value in coefficients] + [0] * count
    return transform(field, coefficients, field.roots(2 * count))


class ReferenceFlp(Flp):
    """`Flp` with `prove` and `query` in plain integers."""

    def prove(self, measurement: Vector, prove_rand: Vector, joint_rand: Vector) -> Vector:
        field, p, circuit = self.field, self.field.modulus, self.circuit
        seeds = field.ints(prove_rand)
        calls = plain_wires(circuit, field.ints(measurement), field.ints(joint_rand), 1)
        padding = [0] * (self._points - 1 - len(calls))
        wires = [[seed, *(call[wire] for call in calls), *padding] for wire, seed in enumerate(seeds)]
        doubled = [plain_double(field, wire) for wire in wires]
        gadget = [
            sum(a * b for a, b in zip(values[::2], values[1::2], strict=True)) % p
            for values in zip(*doubled, strict=True)
        ]
        return field.vector(seeds + gadget[:-1])

    def query(
        self, measurements: Sequence[Vector], queries: Sequence[Sequence[Query]], shares: int
    ) -> tuple[list[Vector], list[list[Vector] | InvalidReport]]:
        outputs: list[Vector] = []
        verifiers: list[list[Vector] | InvalidReport] = []
        for measurement, each in zip(measurements, queries, strict=True):
            elements = self.field.ints(measurement)
            output, check = plain_linear(self.circuit, elements)
            check -= self.circuit.constant * pow(shares, -1, self.field.modulus)
            outputs.append(self.field.vector(output))
            verifiers.append([self._plain_query(elements, query, check, shares) for query in each])
        return outputs, verifiers

    def _plain_query(self, elements: list[int], query: Query, check: int, shares: int) -> Vector:
        field, p, points = self.field, self.field.modulus, self._points
        count = 2 * self.circuit.chunk_length
        *reduce, point = field.ints(query.query_rand)
        proof = field.ints(query.proof)
        seeds, gadget = proof[:count], proof[count:]
        roots = field.roots(2 * points)
        gadget.append(-sum(a * b for a, b in zip(gadget, roots, strict=False)) * roots[1] % p)
        calls = plain_wires(self.circuit, elements, field.ints(query.joint_rand), shares)
        value = sum(gadget[2 * call + 2] for call in range(len(calls)))
        if reduce:
            value = reduce[0] * value + reduce[1] * check
        basis = plain_basis(field, points, point)
        wires = [
            (basis[0] * seed + sum(basis[call + 1] * wires[wire] for call, wires in enumerate(calls))) % p
            for wire, seed in enumerate(seeds)
        ]
        doubled = plain_basis(field, 2 * points, point)
        return field.vector([value, *wires, sum(a * b for a, b in zip(doubled, gadget, strict=True))])
