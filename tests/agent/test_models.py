"""A model is fetched whole, from whom it should be, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from proxyset.agent.models import fetch_model
from proxyset.client.ledger import Ledger
from proxyset.client.policy import adopt
from proxyset.errors import ArtifactError, InvalidInput, Refused, TransportError
from proxyset.transport.http import MODEL_PATH
from proxyset.wire.model import Model
from tests.wire.models import OTHER, PUBLIC, model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "student.model").write_bytes(model().to_bytes())
    return tmp_path / "student.model"


def test_the_first_key_is_pinned(file: Path, ledger: Ledger, tmp_path: Path) -> None:
    first = fetch_model(file, tmp_path / "a", ledger=ledger)
    assert first.new_key and first.model == Model.open(tmp_path / "a") == model()
    assert not fetch_model(file, tmp_path / "b", ledger=ledger).new_key
    assert [entry.kind for entry in ledger.entries()].count("key") == 1
    file.write_bytes(model(OTHER).to_bytes())
    before = ledger.entries()
    with pytest.raises(Refused, match="pinned to"):
        fetch_model(file, tmp_path / "c", ledger=ledger)
    assert not (tmp_path / "c").exists() and ledger.entries() == before
    fetch_model(file, tmp_path / "d", ledger=ledger, server="another")
    agreed = fetch_model(file, tmp_path / "e", ledger=ledger, key=model(OTHER).key)
    assert agreed.new_key and not fetch_model(file, tmp_path / "f", ledger=ledger).new_key
    ledger.verify()


def test_the_key_that_the_owner_names(file: Path, ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="you expect"):
        fetch_model(file, tmp_path / "a", ledger=ledger, key=model(OTHER).key)
    assert not ledger.texts("key")
    with pytest.raises(InvalidInput, match="64 hexadecimal"):
        fetch_model(file, tmp_path / "a", ledger=ledger, key="abc")
    assert fetch_model(file, tmp_path / "a", ledger=ledger, key=PUBLIC).new_key


def test_a_policy_may_name_the_keys(file: Path, ledger: Ledger, tmp_path: Path) -> None:
    text = 'unit = "record"\nencoders = "any"\nmodel_keys = ["{}"]'
    adopt(ledger, text.format(model(OTHER).key).encode())
    with pytest.raises(Refused, match="policy does not allow models"):
        fetch_model(file, tmp_path / "a", ledger=ledger, key=PUBLIC)
    adopt(ledger, text.format(PUBLIC).encode())
    fetch_model(file, tmp_path / "a", ledger=ledger)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other"])
def test_damage_leaves_nothing_behind(damage: str, file: Path, ledger: Ledger, tmp_path: Path) -> None:
    good = bytearray(file.read_bytes())
    if damage == "bit":
        good[-1] ^= 1
    file.write_bytes({"cut": good[:-1], "bit": good, "empty": b"", "other": b"<html>" * 20}[damage])
    with pytest.raises(ArtifactError):
        fetch_model(file, tmp_path / "out", ledger=ledger)
    assert sorted(
        path.name for path in tmp_path.iterdir() if path.suffix != ".sqlite" and "ledger" not in path.name
    ) == ["student.model"]
    assert not ledger.texts("key")


def test_a_folder_that_is_taken_is_left_alone(file: Path, ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.onnx").write_bytes(b"mine")
    with pytest.raises(InvalidInput, match="already exists"):
        fetch_model(file, tmp_path / "out", ledger=ledger)
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"mine"
    assert not ledger.texts("key")


@contextmanager
def serving(
    status: int, body: bytes, headers: dict[str, str] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything in one way, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_by_http(ledger: Ledger, tmp_path: Path) -> None:
    with serving(200, model().to_bytes()) as (url, asked):
        assert fetch_model(url, tmp_path / "out", ledger=ledger).model == model()
        assert asked == [MODEL_PATH]
    assert ledger.texts("key", url)[0][1] == PUBLIC.encode()


def test_redirects_are_not_followed(ledger: Ledger, tmp_path: Path) -> None:
    with (
        serving(200, model().to_bytes()) as (target, reached),
        serving(302, b"", {"location": f"{target}/x"}) as (url, _),
    ):
        with pytest.raises(TransportError, match="HTTP 302"):
            fetch_model(url, tmp_path / "out", ledger=ledger)
        assert reached == []


def test_too_large(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyset.transport.http.MODEL_LIMIT", 100)
    with (
        serving(200, model().to_bytes()) as (url, _),
        pytest.raises(TransportError, match="more than the 100"),
    ):
        fetch_model(url, tmp_path / "out", ledger=ledger)
