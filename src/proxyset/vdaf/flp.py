"""The fully linear proof: a client's proof, on secret shares, that its measurement is valid.

Sources: Boneh, Boyle, Corrigan-Gibbs, Gilboa, Ishai, *Zero-Knowledge Proofs on Secret-Shared Data via Fully Linear PCPs*
(CRYPTO 2019), theorem 4.3, as in draft-irtf-cfrg-vdaf-18, section 7.3, with polynomials in the Lagrange basis.

For the circuits of `proxyset.vdaf.circuits` there is one gadget, a sum of `chunk_length` products, called once a chunk k with
the wires r_k^(j+1) · m_kj and m_kj − 1, for joint randomness r_k. If every m_kj is 0 or 1 each product is zero. Each wire is
a polynomial through its values over the calls, blinded by a seed at the first point; the proof is the seeds and the values of
the gadget's polynomial. An aggregator evaluates its share of all these polynomials at a random point.

Ours: the aggregator evaluates a wire as one inner product with the Lagrange basis at that point, for all wires, and for many
reports, in one go, in `proxyset.vdaf.digits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

import numpy as np

from proxyset.errors import InvalidReport
from proxyset.vdaf import digits
from proxyset.vdaf.circuits import Circuit
from proxyset.vdaf.digits import Digits
from proxyset.vdaf.field import Field, Vector
from proxyset.vdaf.polynomial import basis, between, completed, power_of_two


@dataclass(frozen=True)
class Query:
    """What one aggregator needs to query one proof.

    Attributes:
        proof: its share of the proof, (proof_length, words).
        query_rand: (query_rand_length, words), the same for all aggregators, unknown to the client.
        joint_rand: (joint_rand_length, words).
    """

    proof: Vector
    query_rand: Vector
    joint_rand: Vector


class Flp:
    """The proof system for one circuit.

    Attributes:
        measurement_length, output_length, joint_rand_length, prove_rand_length, query_rand_length, proof_length,
        verifier_length: numbers of field elements.
    """

    def __init__(self, circuit: Circuit[Any]) -> None:
        self.circuit = circuit
        self.field: Field = circuit.field
        self._points = power_of_two(1 + circuit.calls)
        self.measurement_length = circuit.measurement_length
        self.output_length = circuit.length
        self.joint_rand_length = circuit.calls
        self.prove_rand_length = 2 * circuit.chunk_length
        self.query_rand_length = 3 if circuit.has_check else 1
        self.proof_length = 2 * circuit.chunk_length + 2 * self._points - 1
        self.verifier_length = 2 + 2 * circuit.chunk_length

    def prove(self, measurement: Vector, prove_rand: Vector, joint_rand: Vector) -> Vector:
        """The proof, of shape (proof_length, words).

        Args:
            measurement: the encoded measurement, not a share, (measurement_length, words).
            prove_rand: (prove_rand_length, words), secret and uniform.
            joint_rand: (joint_rand_length, words).

        Guarantee: perfect zero knowledge against any set of aggregators but all of them, for a query point that is no root
            of unity (`query` refuses those).
        """
        field, circuit = self.field, self.circuit
        calls, chunk, points = circuit.calls, circuit.chunk_length, self._points
        elements = self._chunks(self._load([measurement]))[:, 0]
        r = digits.from_words(field, joint_rand)
        wires = np.zeros((field.digits, chunk, 2, points))
        wires[..., 0] = digits.from_words(field, prove_rand).reshape(field.digits, chunk, 2)
        even = digits.mul(field, digits.powers(field, r, r, chunk), elements)
        one = digits.from_ints(field, [1])[..., None]
        wires[:, :, 0, 1 : calls + 1] = even.swapaxes(1, 2)
        wires[:, :, 1, 1 : calls + 1] = digits.sub(field, elements, one).swapaxes(1, 2)
        halves = [wires, between(field, wires.reshape(field.digits, 2 * chunk, points)).reshape(wires.shape)]
        values = [digits.dot(field, half[:, None, :, 0], half[:, None, :, 1])[:, 0] for half in halves]
        gadget = np.stack(values, axis=-1).reshape(field.digits, 2 * points)
        return np.concatenate([prove_rand, digits.to_words(field, gadget)[:-1]])

    def query(
        self, measurements: Sequence[Vector], queries: Sequence[Sequence[Query]], shares: int
    ) -> tuple[list[Vector], list[list[Vector] | InvalidReport]]:
        """Shares of outputs and of verifiers from shares of measurements and proofs, for B reports at once.

        Args:
            measurements: B shares of shape (measurement_length, words).
            queries: for each report, one query per proof; equally many for all.
            shares: the number of aggregators.

        Returns:
            B output shares, (output_length, words), and for each report its verifier shares, (verifier_length, words), one
            a proof; or the error with which to drop it, if its query point is a root of unity
            (a chance of n / p for wires of n points).
        """
        field = self.field
        loaded = self._load(measurements)
        outputs, checks = self.circuit.linear(loaded)
        elements = self._chunks(loaded)
        inverse = field.inverse(shares)
        values = [value - self.circuit.constant * inverse for value in digits.to_ints(field, checks)]
        verifiers: list[list[Vector] | InvalidReport] = [[] for _ in measurements]
        for several in zip(*queries, strict=True):
            for report, verifier in enumerate(self._query(elements, several, values, inverse)):
                so_far = verifiers[report]
                if isinstance(so_far, list):
                    verifiers[report] = [*so_far, verifier] if verifier is not None else _root_of_unity()
        words = digits.to_words(field, outputs.reshape(field.digits, -1))
        return list(words.reshape(len(measurements), self.output_length, field.words)), verifiers

    def decide(self, verifier: Vector) -> bool:
        """Whether the sum of all verifier shares, (verifier_length, words), shows a valid measurement.

        Guarantee: for an invalid measurement this is true with probability below (chunk_length + 2n + 1) / (p − n), where n is
            the smallest power of two above the number of chunks, over joint and query randomness that are uniform and
            independent of measurement and proof. `proxyset.vdaf.prio3` says how far that holds.
        """
        value, *wires, gadget = self.field.ints(verifier)
        return value == 0 and (sum(map(mul, wires[::2], wires[1::2])) - gadget) % self.field.modulus == 0

    def _load(self, measurements: Sequence[Vector]) -> Digits:
        """(digits, B, measurement_length)"""
        loaded = digits.from_words(self.field, np.concatenate(measurements))
        return loaded.reshape(self.field.digits, len(measurements), -1)

    def _chunks(self, loaded: Digits) -> Digits:
        """(digits, B, calls, chunk_length), the last chunk padded with zeros."""
        calls, chunk = self.circuit.calls, self.circuit.chunk_length
        padded = np.zeros((*loaded.shape[:2], calls * chunk))
        padded[..., : loaded.shape[2]] = loaded
        return padded.reshape(*loaded.shape[:2], calls, chunk)

    def _query(
        self, elements: Digits, queries: Sequence[Query], checks: Sequence[int], inverse: int
    ) -> list[Vector | None]:
        """One proof of each of B reports; None where the query point is a root of unity."""
        field, modulus, calls = self.field, self.field.modulus, self.circuit.calls
        count = 2 * self.circuit.chunk_length
        bases, offsets, ends, usable = [], [], [], []
        for query, check in zip(queries, checks, strict=True):
            *reduce, point = field.ints(query.query_rand)
            power = pow(point, self._points, modulus)
            usable.append(power != 1)
            gadget = completed(field, field.ints(query.proof[count:]))
            at_point = basis(field, self._points, point)
            value = sum(gadget[2 : 2 * calls + 2 : 2])
            if reduce:
                value = reduce[0] * value + reduce[1] * check
            bases += at_point[: calls + 1]
            offsets.append(inverse * sum(at_point[1 : calls + 1]))
            ends += [value, self._gadget_at(gadget, at_point, point, power)]
        shape = (field.digits, len(queries), -1)
        lagrange = digits.from_ints(field, bases).reshape(shape)
        first, rest = lagrange[..., :1], lagrange[..., 1:]
        r = digits.from_words(field, np.concatenate([query.joint_rand for query in queries])).reshape(shape)
        seeds = digits.from_words(field, np.concatenate([query.proof[:count] for query in queries])).reshape(
            shape
        )
        weights = digits.powers(field, digits.mul(field, r, rest), r, self.circuit.chunk_length)
        even = digits.dot(field, weights, elements)
        odd = digits.combine(field, rest, elements)
        odd = digits.sub(field, odd, digits.from_ints(field, offsets)[..., None])
        wires: Digits = np.stack([even, odd], axis=-1).reshape(seeds.shape)
        wires = digits.add(field, wires, digits.mul(field, seeds, first))
        middle = digits.to_words(field, wires.reshape(field.digits, -1)).reshape(
            len(queries), count, field.words
        )
        outer = field.vector(ends).reshape(len(queries), 2, field.words)
        verifiers = np.concatenate([outer[:, :1], middle, outer[:, 1:]], axis=1)
        return [verifier if use else None for verifier, use in zip(verifiers, usable, strict=True)]

    def _gadget_at(self, gadget: Sequence[int], at_point: Sequence[int], point: int, power: int) -> int:
        """The gadget's polynomial, known on the roots of order 2n, at `point`, from the basis of order n there and point^n.

        (1 + x^n) / 2 is 1 on the even roots and 0 on the odd ones, and (1 − x^n) / 2 the reverse.
        """
        field, modulus = self.field, self.field.modulus
        back = field.roots(2 * self._points)[-1]
        even: int = sum(map(mul, gadget[::2], at_point))
        odd: int = sum(map(mul, gadget[1::2], basis(field, self._points, point * back % modulus)))
        return ((1 + power) * even + (1 - power) * odd) * field.inverse(2) % modulus


def _root_of_unity() -> InvalidReport:
    return InvalidReport(
        "the query point is a root of unity, which would show the gadget's outputs. Drop the report"
    )
