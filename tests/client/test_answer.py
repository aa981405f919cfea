from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import proxyset.client.gate as module
from proxyset.client.answer import answer
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.private_data import Tally
from proxyset.encoders import load_encoder
from proxyset.encoders.encoder import EncoderSpec
from proxyset.encoders.ready import EmbeddingsEncoder
from proxyset.errors import (
    ArtifactError,
    BudgetExceeded,
    EncoderMismatch,
    InvalidData,
    InvalidInput,
    LedgerError,
    ProxysetError,
    Refused,
)
from proxyset.wire.probe import Probe
from proxyset.wire.release import Release
from tests.client.conftest import make_probe


def test_counts_are_close_and_stated(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    """Noise of σ < 0.13 at ε = 40 leaves the counts as they are; false alarm below 1e-20."""
    release = answer(probe, X, epsilon=40, ledger=ledger, dataset="X")
    distances = ((X[:, None] - probe.centroids) ** 2).sum(axis=2)
    assert (release.counts == np.bincount(distances.argmin(axis=1), minlength=5)).all()
    assert (release.probe, release.index) == (probe.fingerprint, probe.index)
    assert ledger.spent() == release.privacy.rho
    assert [e.kind for e in ledger.entries()] == ["cap", "debit", "release"]


def test_the_size_of_a_release_says_nothing_of_the_data(probe: Probe, tmp_path: Path) -> None:
    sizes = set()
    for n in (1, 10, 10_000):
        X = np.zeros((n, 3), np.float32)
        sizes.add(len(answer(probe, X, epsilon=1, ledger=tmp_path / f"{n}", dataset="X").to_bytes()))
    assert len(sizes) == 1


def test_every_form_of_probe_and_data(probe: Probe, X: np.ndarray, tmp_path: Path, ledger: Ledger) -> None:
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "probe").write_bytes(probe.to_bytes())
    for number, form in enumerate((probe, probe.to_bytes(), tmp_path / "probe", str(tmp_path / "probe"))):
        release = answer(
            form, tmp_path / "x.npy", epsilon=40, ledger=Ledger.open(tmp_path / f"{number}", cap=Cap(100))
        )
        assert release.counts.sum() == 50
    answer(probe, str(tmp_path / "x.npy"), epsilon=1, ledger=ledger)
    assert ledger.entries()[-1].dataset == str((tmp_path / "x.npy").resolve())


def test_the_same_probe_is_free_and_identical(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    first = answer(probe, X, epsilon=0.5, ledger=ledger, dataset="X")
    again = answer(probe, X, epsilon=0.5, ledger=Ledger.open(ledger.path), dataset="X")
    assert again.to_bytes() == first.to_bytes()
    assert ledger.spent() == first.privacy.rho


def test_other_settings_are_a_new_answer_and_a_full_debit(
    probe: Probe, X: np.ndarray, ledger: Ledger
) -> None:
    """An owner sweeps ε over one probe: every answer is drawn and paid once, and each can be had again for free."""
    settings: list[dict[str, object]] = [
        {"epsilon": 0.5},
        {"epsilon": 0.6},
        {"epsilon": 0.5, "delta": 1e-6},
        {"epsilon": 0.5, "adjacency": "replace-one"},
    ]
    releases = [answer(probe, X, ledger=ledger, **each, dataset="X") for each in settings]  # type: ignore[arg-type]
    assert len({release.fingerprint for release in releases}) == len(settings)
    paid = sum(release.privacy.rho for release in releases)
    assert ledger.spent() == pytest.approx(paid)
    before = ledger.entries()
    for each, release in zip(settings, releases, strict=True):
        again = answer(probe, X, ledger=Ledger.open(ledger.path), **each, dataset="X")  # type: ignore[arg-type]
        assert again.to_bytes() == release.to_bytes()
    assert ledger.entries() == before
    ledger.verify()


def test_a_sweep_stops_at_the_cap(probe: Probe, X: np.ndarray, tmp_path: Path) -> None:
    """Averaging answers to one probe is paid for: the cap bounds what all of them together may tell."""
    ledger = Ledger.open(tmp_path / "l", cap=Cap(1.0))
    with pytest.raises(BudgetExceeded):
        for step in range(1000):
            answer(probe, X, epsilon=0.2 + step * 1e-6, ledger=ledger, dataset="X")
    assert 10 < ledger.account().debits < 60
    assert ledger.spent() <= (ledger.cap_rho() or 0)


def test_fresh_draws_and_debits_again(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    """σ ≈ 30 on 5 counts: equal by chance with probability below 1e-8."""
    first = answer(probe, X, epsilon=0.1, ledger=ledger, dataset="X")
    second = answer(probe, X, epsilon=0.1, ledger=ledger, fresh=True, dataset="X")
    assert (first.counts != second.counts).any()
    assert ledger.spent() == pytest.approx(2 * first.privacy.rho)
    assert answer(probe, X, epsilon=0.1, ledger=ledger, dataset="X").to_bytes() == second.to_bytes()
    ledger.verify()


def test_another_data_set_is_another_answer(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    answer(probe, X, epsilon=0.1, ledger=ledger, dataset="one")
    answer(probe, X, epsilon=0.1, ledger=ledger, dataset="two")
    assert sum(e.kind == "debit" for e in ledger.entries()) == 2


def test_two_requests_at_once_get_one_draw(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    found: list[bytes] = []

    def ask() -> None:
        found.append(answer(probe, X, epsilon=0.1, ledger=Ledger.open(ledger.path), dataset="X").to_bytes())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert sum(e.kind == "debit" for e in ledger.entries()) == 1


def test_the_cap(probe: Probe, X: np.ndarray, tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "l", cap=Cap(0.7))
    answer(make_probe(seed=1), X, epsilon=0.58, ledger=ledger, dataset="X")
    before = ledger.entries()
    with pytest.raises(BudgetExceeded, match="is spent"):
        answer(make_probe(seed=2), X, epsilon=0.58, ledger=ledger, dataset="X")
    assert ledger.entries() == before
    answer(make_probe(seed=1), X, epsilon=0.58, ledger=ledger, dataset="X")  # a replay needs no budget


def image(value: int, size: int = 28) -> bytes:
    import io

    pixels = np.random.default_rng(value).integers(0, 255, size=(size, size)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(12):
        file = tmp_path / "pictures" / f"person{number % 3}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(image(number))
    return tmp_path / "pictures"


@pytest.fixture
def hog_probe() -> Probe:
    encoder = load_encoder("hog")
    C = encoder.encode([image(number) for number in range(4)]).embeddings
    return Probe.build(C, encoder.spec, "a" * 64)


def test_pictures_by_record_and_by_person(
    hog_probe: Probe, pictures: Path, tmp_path: Path, ledger: Ledger
) -> None:
    assert (
        answer(
            hog_probe, pictures, epsilon=40, ledger=Ledger.open(tmp_path / "other", cap=Cap(100))
        ).counts.sum()
        == 12
    )
    by_person = answer(
        hog_probe,
        pictures,
        epsilon=40,
        ledger=ledger,
        unit="person",
        max_records=2,
        person="folder",
        fresh=True,
    )
    # three vectors of length √2, and noise of σ < 0.3 on each count: false alarm below 1e-12
    assert 1 < by_person.records.sum() < 12
    assert (by_person.privacy.unit, by_person.privacy.max_records) == ("person", 2)


def test_a_corrupt_picture_has_no_vote(hog_probe: Probe, pictures: Path, ledger: Ledger) -> None:
    whole = (pictures / "person1" / "4.png").read_bytes()
    (pictures / "person1" / "4.png").write_bytes(whole[:60])
    (pictures / "person2" / "5.png").write_bytes(b"no picture")
    release = answer(hog_probe, pictures, epsilon=40, ledger=ledger)
    assert release.counts.sum() == 10


def test_person_by_column(tmp_path: Path, ledger: Ledger) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    table = pa.table({"embedding": X.tolist(), "who": [f"p{i % 4}" for i in range(20)]})
    pq.write_table(table, tmp_path / "x.parquet")
    options = {"epsilon": 40, "ledger": ledger, "unit": "person", "max_records": 1}
    release = answer(make_probe(), tmp_path / "x.parquet", person="who", **options)  # type: ignore[arg-type]
    # four vectors of length 1 over three clusters, and noise of σ < 0.2 on each
    assert 3 < release.records.sum() < 8
    assert release.privacy.grid == 256
    with pytest.raises(InvalidInput):
        answer(make_probe(), tmp_path / "x.parquet", person="nobody", dataset="2", **options)  # type: ignore[arg-type]


def nan_at(row: int) -> np.ndarray:
    X = np.zeros((5, 3), np.float32)
    X[row, 1] = np.nan
    return X


BAD: list[tuple[str, dict[str, object], type[ProxysetError]]] = [
    ("epsilon 0", {"epsilon": 0.0}, InvalidInput),
    ("delta 1", {"delta": 1.0}, InvalidInput),
    ("person without a name", {"unit": "person"}, InvalidInput),
    ("records of a record", {"max_records": 3}, InvalidInput),
    ("a name for a record", {"person": "who"}, InvalidInput),
    ("a person in an array", {"unit": "person", "person": "who"}, InvalidData),
    ("wrong dimension", {"data": np.zeros((5, 4), np.float32)}, InvalidData),
    ("not numbers", {"data": np.full((5, 3), "x")}, InvalidData),
    ("one-dimensional", {"data": np.zeros(5, np.float32)}, InvalidData),
    ("no such file", {"data": "nowhere.npy"}, InvalidInput),
    ("another encoder", {"encoder": EmbeddingsEncoder(4)}, EncoderMismatch),
    ("a damaged probe", {"probe": make_probe().to_bytes()[:-3]}, ArtifactError),
    ("a changed probe", {"probe": make_probe().to_bytes()[:-1] + b"?"}, ArtifactError),
    ("no probe", {"probe": b""}, ArtifactError),
    ("a foreign ledger", {"ledger": __file__}, LedgerError),
    ("an endless server", {"server": "s" * 1001}, InvalidInput),
]


@pytest.mark.parametrize(("options", "error"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_errors_debit_nothing(
    options: dict[str, object], error: type[ProxysetError], probe: Probe, X: np.ndarray, ledger: Ledger
) -> None:
    before = ledger.path.read_bytes()
    arguments = {"probe": probe, "data": X, "epsilon": 1.0, "ledger": ledger} | options
    with pytest.raises(error):
        answer(arguments.pop("probe"), arguments.pop("data"), **arguments, dataset="X")  # type: ignore[arg-type]
    assert ledger.path.read_bytes() == before


@pytest.mark.parametrize(
    "data", [nan_at(3), np.zeros((0, 3), np.float32), nan_at(3)[3:4]], ids=["a NaN", "no record", "NaN alone"]
)
def test_no_record_decides_whether_an_answer_leaves(data: np.ndarray, probe: Probe, ledger: Ledger) -> None:
    release = answer(probe, data, epsilon=40, ledger=ledger, dataset="X")
    assert release.counts.sum() == np.isfinite(data).all(axis=1).sum()  # σ < 0.3: false alarm below 1e-12
    assert [e.kind for e in ledger.entries()] == ["cap", "debit", "release"]


def test_an_array_needs_a_name(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    before = ledger.entries()
    with pytest.raises(InvalidInput, match="dataset="):
        answer(probe, X, epsilon=1, ledger=ledger)
    assert ledger.entries() == before


def test_a_person_may_decide_after_reading(probe: Probe, ledger: Ledger) -> None:
    seen = []

    def no(tally: Tally) -> bool:
        seen.append((tally.total, tally.votes))
        return False

    before = ledger.entries()
    with pytest.raises(Refused, match="chose not to answer"):
        answer(probe, nan_at(3), epsilon=1, ledger=ledger, dataset="X", confirm=no)
    assert ledger.entries() == before
    assert len(seen) == 1
    assert seen[0][1] == seen[0][0] - 1


def test_an_encoder_mismatch_is_found_before_reading(X: np.ndarray, ledger: Ledger) -> None:
    """The data path does not exist: the encoder must be what is complained about."""
    probe = Probe.build(X[:2], EncoderSpec(name="from-mars", dim=3), "a" * 64)
    with pytest.raises(EncoderMismatch):
        answer(probe, "nowhere", epsilon=1, ledger=ledger)


def test_too_many_clusters_for_a_release(X: np.ndarray, ledger: Ledger) -> None:
    probe = Probe.build(np.zeros((1_100_000, 1), np.float32), EncoderSpec(name="embeddings", dim=1), "a" * 64)
    with pytest.raises(InvalidInput, match="at most"):
        answer(probe, X[:, :1], epsilon=1, ledger=ledger, dataset="X")
    assert len(ledger.entries()) == 1


def test_hostile_centroids(X: np.ndarray, tmp_path: Path) -> None:
    """Equal, huge and tiny centroids: every record still votes once."""
    for number, C in enumerate(
        (np.zeros((5, 3)), np.full((4, 3), 1e38), np.eye(3) * 1e-38, np.eye(3) * [1e38, 1, 1e-38])
    ):
        probe = Probe.build(
            C.astype(np.float32), EncoderSpec(name="embeddings", dim=3), "a" * 64, dtype="float32"
        )
        assert (
            answer(
                probe, X, epsilon=40, ledger=Ledger.open(tmp_path / f"{number}", cap=Cap(100)), dataset="X"
            ).counts.sum()
            == 50
        )


class BoomError(Exception):
    pass


@pytest.mark.parametrize("step", ["draw", "store"])
def test_a_failure_after_the_debit_keeps_it(
    step: str, probe: Probe, X: np.ndarray, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> np.ndarray:
        raise BoomError

    with monkeypatch.context() as patch:
        if step == "draw":
            patch.setattr(module, "gaussian", lambda size, privacy: fail)
        else:
            patch.setattr(Ledger, "store", fail)
        with pytest.raises(BoomError):
            answer(probe, X, epsilon=0.5, ledger=ledger, dataset="X")
    assert [e.kind for e in ledger.entries()] == ["cap", "debit"]
    release = answer(
        probe, X, epsilon=0.5, ledger=ledger, dataset="X"
    )  # never under the old debit: it pays anew
    assert ledger.spent() == pytest.approx(2 * release.privacy.rho)
    assert ledger.entries()[-1].ref == 3
    ledger.verify()


def test_the_stored_release_is_what_is_returned(probe: Probe, X: np.ndarray, ledger: Ledger) -> None:
    release = answer(probe, X, epsilon=0.5, ledger=ledger, dataset="X")
    stored = ledger.stored(probe.fingerprint, "X", release.privacy)
    assert stored is not None
    assert Release.from_bytes(release.to_bytes()).fingerprint == stored.fingerprint
