"""The neighbour fuzzer in the suite, and that it finds the faults that were once there.

Half of the pairs in the suite, from fixed seeds; `make thorough` takes all, and the bench of a million is
`python -m tests.fuzz.neighbours`.
"""

import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from proxyset.client import answer, gate, labels, private_data, vote
from proxyset.errors import InvalidData
from proxyset.sources.private import PrivateFiles
from tests.fuzz import neighbours
from tests.fuzz.neighbours import Chunk, Result, chunks, fuzz, kinds, shares, table

IN_MEMORY = [kind for kind in kinds() if kind.split()[0] in ("array", "memory")]


def pairs_of(kind: str) -> int:
    slow = kind.split()[1] in ("hog", "onnx") or kind.split()[0] in ("folder", "tar")
    return 60 if slow else 200 if kind in IN_MEMORY else 80


@pytest.mark.parametrize("share", [0.5, pytest.param(1.0, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("kind", kinds())
def test_neighbours_differ_by_what_is_stated(kind, share):
    result = fuzz(kind, int(share * pairs_of(kind)), 11, answer_every=20)
    assert not result.wrong, table(result)
    assert result.voted.total() > 0.5 * result.pairs.total(), (
        "most worlds have no votes: nothing was compared"
    )
    assert not result.refused.total(), "a question that nobody answers compares nothing"


def found_within(kind: str, seconds: float, **options) -> Result:
    """Fuzz a kind until something is wrong."""
    began, total, seed = time.monotonic(), Result(), 0
    while time.monotonic() - began < seconds and not total.wrong:
        total.add(fuzz(kind, 200, seed, stop_at_first=True, **options))
        seed += 1
    sys.stdout.write(
        f"{kind}: {total.pairs.total()} pairs, {time.monotonic() - began:.1f} s\n{table(total)}\n"
    )
    return total


class FloatVoter:
    """The voter before issue 11: a float product, and near ties decided again, row by row, by another formula."""

    again = True

    def __init__(self, probe):
        C = probe.centroids.astype(np.float64)
        self._offset, self._C = C.mean(axis=0), C - C.mean(axis=0)
        self._half_norms = 0.5 * np.einsum("ij,ij->i", self._C, self._C)
        self._largest = float(np.sqrt(2 * self._half_norms.max()))
        self._unit = 8 * (probe.encoder.dim + C.shape[1] + 8) * 2.0**-52

    def __call__(self, X):
        X = X.astype(np.float64)
        Z = X - self._offset
        scores = Z @ self._C.T - self._half_norms
        labels = scores.argmax(axis=1)
        size = np.linalg.norm(X, axis=1) + np.linalg.norm(Z, axis=1) + np.linalg.norm(self._offset)
        error = self._unit * (size + self._largest) * self._largest
        near_tie = (scores >= scores.max(axis=1)[:, None] - 2 * error[:, None]).sum(axis=1) > 1
        for row in np.flatnonzero(near_tie) if self.again else ():
            labels[row] = ((X[row] - self._offset - self._C) ** 2).sum(axis=1).argmin()
        return labels


@pytest.mark.parametrize("again", [True, False])
def test_votes_that_depend_on_the_batch_are_found(monkeypatch, again):
    """Fault 1; and the same without a second look at near ties."""
    monkeypatch.setattr(FloatVoter, "again", again)
    monkeypatch.setattr(vote, "Voter", FloatVoter)
    result = found_within("array orthogonal", 120)
    assert any(" move by " in example for example in result.examples.values())


def test_types_that_the_file_decides_are_found(monkeypatch):
    """Fault 2: a column is numbers until one of its cells is not."""
    read = PrivateFiles.batches

    def inferring(self):
        batches = list(read(self))
        if not batches:
            return
        rows = pa.concat_tables([batch.items for batch in batches], promote_options="permissive")
        inferred = {name: _inferred(rows.column(name).combine_chunks()) for name in rows.column_names}
        start = 0
        for batch in batches:
            part = pa.table(inferred).slice(start, len(batch.ids))
            start += len(batch.ids)
            yield replace(batch, items=part)

    monkeypatch.setattr(PrivateFiles, "batches", inferring)
    result = found_within("csv table", 120, only="a code among numbers")
    assert any(" move by " in example for example in result.examples.values())


def _inferred(column):
    try:
        return pc.cast(pc.cast(column, pa.string()), pa.float64())
    except pa.ArrowInvalid:
        return column


def test_persons_who_count_too_much_or_by_their_company_are_found(monkeypatch):
    """No bound; a bound that is passed by one in a thousand; and a choice of records by their place among all."""
    bounded, count = vote.clipped, vote.count_votes

    def rounded_up(votes, max_records, grid):
        square = max(max_records, sum(n * n for n in votes.values()))
        return {at: -int(-grid * n * (max_records / square) ** 0.5 // 1) for at, n in votes.items()}

    def even(batches, probe, privacy):
        return 2 * (count(batches, probe, privacy) // 2)

    with monkeypatch.context() as patch:
        patch.setattr(vote, "clipped", lambda votes, most, grid: {at: grid * n for at, n in votes.items()})
        assert found_within("memory embedding persons", 120).wrong
        patch.setattr(vote, "clipped", rounded_up)
        assert found_within("memory embedding persons", 120).wrong
        patch.setattr(vote, "clipped", bounded)
        patch.setattr(answer, "count_votes", even)
        assert any(
            "alone" in example for example in found_within("memory embedding persons", 120).examples.values()
        )


def test_records_that_decide_whether_an_answer_leaves_are_found(monkeypatch):
    """Fault 3: no record, one that cannot be encoded, a label outside the list."""
    read, number = private_data.PrivateData.records, labels.class_numbers

    def strict(self):
        yield from read(self)
        if not empty_stops and self.tally.no_vote:
            raise InvalidData(f"a record cannot be encoded: {dict(self.tally.examples)}")
        if empty_stops and not self.tally.total:
            raise InvalidData("there are no records")

    def known(names, classes):
        numbers = number(names, classes)
        if (numbers < 0).any():
            raise InvalidData("a label is none of the classes")
        return numbers

    empty_stops = False
    with monkeypatch.context() as patch:
        patch.setattr(private_data.PrivateData, "records", strict)
        assert found_within("array embedding", 120, only="NaN").wrong
        assert found_within("memory wordllama", 120, only="empty").wrong
        empty_stops = True
        assert ("array embedding", "no records") in found_within("array embedding", 120, only="zeros").wrong
    with monkeypatch.context() as patch:
        patch.setattr(labels, "class_numbers", known)
        assert found_within("memory wordllama", 120, only="unknown label").wrong


def test_messages_of_other_sizes_are_found(monkeypatch):
    """An answer whose size tells how many records there are."""
    send = gate.Gate._sendable

    def longer(self, answer, policy):
        sent = send(self, answer, policy)
        body = sent.to_bytes()
        return SimpleNamespace(to_bytes=lambda: body + bytes(seen[-1]))

    seen, read = [0], private_data.PrivateData.records

    def counting(self):
        yield from read(self)
        seen.append(self.tally.votes)

    monkeypatch.setattr(gate.Gate, "_sendable", longer)
    monkeypatch.setattr(private_data.PrivateData, "records", counting)
    result = found_within("array embedding", 120, answer_every=5)
    assert any("the answer is" in example for example in result.examples.values())


def test_a_run_is_cut_into_parts_and_gathered():
    parts = chunks(10_000)
    assert sum(part.pairs for part in parts) == pytest.approx(10_000, rel=0.02)
    assert {part.kind for part in parts} == {*kinds()} == {*shares()}
    assert len({part.number for part in parts}) == len(parts)
    one = neighbours._work(Chunk(0, "array embedding", 60))[1]
    assert one.pairs == {"array embedding": 60}


def test_a_run_goes_on_where_its_log_ends(tmp_path):
    log = tmp_path / "log"
    wrong = Result()
    wrong.pairs["csv table"] = 3
    wrong.wrong["csv table", "NUL"] = 1
    wrong.examples["csv table", "NUL"] = "seed 1"
    neighbours._record(log, 10, Chunk(4, "csv table", 3), wrong)
    assert neighbours._recorded(log, 10) == (wrong, {4})
    assert neighbours._recorded(log, 11) == (Result(), set())
