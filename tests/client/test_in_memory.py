"""Private data in memory: every form is answered for, and no record decides whether."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.client.private_data import open_private
from proxyset.encoders import FunctionEncoder, encoder_for
from proxyset.encoders.encoder import Encoder
from proxyset.encoders.hog import HogEncoder
from proxyset.encoders.ready import EmbeddingsEncoder
from proxyset.encoders.tabular import Categories, Number, TabularEncoder, TabularParams
from proxyset.errors import InvalidData, InvalidInput
from proxyset.sources.memory import open_memory
from proxyset.wire.probe import Probe

TABULAR = TabularEncoder(
    TabularParams(
        columns=[
            Categories(name="ward", values=["01", "2", "true"], missing=True),
            Number(name="age", centre=40.0, scale=10.0, missing=True),
            Number(name="since", centre=1.6e15, scale=1e14, missing=False),
        ]
    )
)
DAY = datetime.date(2020, 1, 2)
ROWS = [
    {"id": "a", "ward": "01", "age": 39, "since": DAY, "who": "ann"},
    {"id": "b", "ward": 2, "age": None, "since": datetime.datetime(2020, 1, 2, 3), "who": 7},
    {"id": "c", "ward": True, "age": 41.5, "since": "2020-01-02", "who": 7.0},
    {"id": "d", "ward": None, "age": "40", "since": None, "who": None},
]


def features(data: Any, encoder: Encoder, **options: Any) -> dict[str, bytes]:
    private = open_private(data, encoder, dataset="ward 3", **options)
    return {
        name: row.tobytes()
        for batch in private.records()
        for name, row in zip(batch.ids, batch.X, strict=True)
    }


def test_a_row_is_the_same_in_every_form(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    (tmp_path / "d.csv").write_text(
        "id,ward,age,since\na,01,39,2020-01-02\nb,2,,2020-01-02T03:00\nc,true,41.5,2020-01-02\nd,,40,\n"
    )
    known = features(tmp_path / "d.csv", TABULAR)
    assert len(known) == 4
    assert features(ROWS, TABULAR) == known
    frame = pandas.DataFrame(ROWS)
    assert features(frame, TABULAR) == known
    assert features(frame.set_index("id", drop=False), TABULAR) == known
    frame["since"] = pandas.to_datetime(frame["since"], format="mixed")
    frame["age"] = frame["age"].astype(float)
    assert features(frame, TABULAR) == known
    assert features(frame.assign(age=frame["age"].astype("Float64")), TABULAR) == known
    assert features(frame.assign(since=frame["since"].dt.tz_localize("UTC")), TABULAR) == known
    del frame["ward"], frame["who"]
    arrow = pa.Table.from_pandas(frame).append_column("ward", [["01", "2", "true", None]])
    assert features(arrow, TABULAR) == known


def test_a_frame_of_texts_is_read_as_its_file_is(tmp_path: Path) -> None:
    """What docs/python.md advises: no type is guessed, and one record does not change how the others are read."""
    pandas = pytest.importorskip("pandas")
    seen = []
    for more in ("", "c,E11,unknown,2020-01-02\n"):
        (tmp_path / "d.csv").write_text(
            "id,ward,age,since\na,01,39,2020-01-02\nb,2,,2020-01-02T03:00\n" + more
        )
        seen.append(features(tmp_path / "d.csv", TABULAR))
        assert features(pandas.read_csv(tmp_path / "d.csv", dtype=str), TABULAR) == seen[-1]
    assert seen[1].pop("c") and seen[0] == seen[1]


def test_persons_have_one_name_in_a_list() -> None:
    private = open_private(ROWS, TABULAR, person="who", dataset="ward 3")
    (records,) = private.records()
    assert list(records.persons) == ["ann", "7", "7"]
    assert private.tally.no_vote == {"no person": 1}


EVIL: list[Any] = [
    None, 7, "text", (), [], {}, object(), {"ward": [1]}, {"age": 10**5000}, {"ward": "\ud800"}, {"since": 1j},
    np.zeros((9, 9, 9, 9)),
    {"ward": np.datetime64("NaT"), "age": np.timedelta64("NaT")}, {"ward": b"x"},
]  # fmt: skip


class Raising:
    """A data set, one record of which cannot be reached."""

    def __init__(self, records: list[Any], error: type[BaseException]) -> None:
        self.records, self.error = records, error

    def __len__(self) -> int:
        return len(self.records) + 1

    def __getitem__(self, row: int) -> Any:
        if row == 1:
            raise self.error("gone")
        return self.records[row - (row > 1)]


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("at", [0, 2, 4])
def test_no_record_of_a_list_changes_another(evil: Any, at: int) -> None:
    known = features(ROWS, TABULAR)
    beside = features([*ROWS[:at], evil, *ROWS[at:]], TABULAR)
    assert {name: row for name, row in beside.items() if name in known} == known
    X = np.eye(3)
    around = features([*X[:at], evil, *X[at:]], EmbeddingsEncoder(3))
    assert sorted(around.values()) == sorted(features(X, EmbeddingsEncoder(3)).values())


@pytest.mark.parametrize(
    "error", [ValueError, RuntimeError, MemoryError, SystemExit, StopIteration, RecursionError]
)
def test_a_record_that_raises_has_no_vote(error: type[BaseException]) -> None:
    known = features(ROWS, TABULAR)
    assert features(Raising(ROWS, error), TABULAR) == known


def test_a_frame_with_one_odd_cell_loses_that_record_alone() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS)
    known = features(frame, TABULAR)
    for column, evil in (("ward", [1]), ("age", 1j), ("since", {"a": 1}), ("age", 10**5000)):
        odd = pandas.DataFrame([*ROWS, {"id": "evil", column: evil}])
        assert features(odd, TABULAR) == known


def test_pictures_of_every_make_are_encoded_and_odd_ones_are_not() -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("skimage")
    pixels = np.random.default_rng(0).integers(0, 256, (30, 28), dtype=np.uint8)
    same = [image.fromarray(pixels), pixels, pixels / 255, {"image": pixels}, (pixels, 3)]
    odd = [
        image.new("F", (8, 8)),
        image.new("I", (8, 8), 70_000),
        np.full((4, 4), np.nan),
        np.zeros((0, 3)),
        b"",
        None,
        "a",
    ]
    private = open_private([*same, *odd], HogEncoder(), dataset="ward 3")
    (records,) = private.records()
    assert len(records.ids) == len(same) and len({row.tobytes() for row in records.X}) == 1


def debits(tmp_path: Path) -> int:
    return [entry.kind for entry in Ledger.open(tmp_path / "l.sqlite").entries()].count("debit")


def answered(probe: Probe, data: Any, tmp_path: Path, **options: Any) -> Any:
    return answer(probe, data, epsilon=1.0, dataset="ward 3", ledger=tmp_path / "l.sqlite", **options)


@pytest.mark.parametrize("data", [[], np.zeros((0, 3)), np.array([]), pa.table({}), (), [None]], ids=range(6))
def test_no_records_are_answered_for(probe: Probe, tmp_path: Path, data: Any) -> None:
    assert len(answered(probe, data, tmp_path).counts) == probe.clusters


def test_the_same_cell_run_again_gives_the_same_answer(probe: Probe, tmp_path: Path, X: np.ndarray) -> None:
    first = answered(probe, X, tmp_path)
    assert answered(probe, list(X), tmp_path).to_bytes() == first.to_bytes()
    assert debits(tmp_path) == 1


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (7, {}, "cannot be read"),
        (iter([1]), {}, r"list\(data\)"),
        ({"embedding": []}, {}, "one split"),
        (np.zeros((4, 2)), {}, "shape \\(4, 2\\); the question's encoder takes \\(n, 3\\)"),
        (np.zeros(4), {}, "shape"),
        (np.zeros((4, 1, 3)), {}, "shape .4, 1, 3. holds pictures"),
        (pa.table({"text": ["a"]}), {}, "no column of embedding items"),
        (np.zeros((4, 3)), {"unit": "person", "person": "who"}, "no column 'who'"),
    ],
)
def test_the_form_alone_refuses(
    probe: Probe, tmp_path: Path, data: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        answered(probe, data, tmp_path, **options)
    assert not debits(tmp_path)


def test_a_name_is_needed(probe: Probe, X: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="dataset='ward 3'"):
        answer(probe, list(X), epsilon=1.0)


def test_a_function_is_called_for_each_record_of_a_file_too(tmp_path: Path) -> None:
    calls: list[int] = []

    def phi(texts: list[str]) -> np.ndarray:
        calls.append(len(texts))
        return np.array([[len(text), text.count("r")] for text in texts])

    encoder = FunctionEncoder("lengths", phi)
    spec = encoder.fitted(open_memory(["river", "stone"])).spec
    calls.clear()
    (tmp_path / "d.jsonl").write_text('{"text": "river"}\n{"text": 7}\nno\n{"text": "stones"}\n')
    found = features(tmp_path / "d.jsonl", encoder_for(spec, local=encoder))
    assert len(found) == 2 and set(calls) == {1}


def test_a_column_that_is_missing_is_said_by_the_form() -> None:
    pandas = pytest.importorskip("pandas")
    make: list[Callable[[], Any]] = [
        lambda: pandas.DataFrame({"ward": ["01"]}),
        lambda: pa.table({"ward": ["01"]}),
    ]
    for made in make:
        with pytest.raises(InvalidData, match="no column 'age', 'since'"):
            features(made(), TABULAR)
