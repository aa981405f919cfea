"""Sign, hand out over HTTP, fetch, predict: the whole way back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from proxyset.errors import ArtifactError
from proxyset.server.model import add_model_route
from tests.wire.models import card_of, linear, unsigned


@contextmanager
def serving(file: Path) -> Iterator[str]:
    """The real route on a real server."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    add_model_route(app, file)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_the_way_back(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = linear(np.array([[1.0, -1], [0, 0], [0, 0]]))
    student = unsigned(tmp_path / "student", data, card_of(data))
    status, made, _ = command("model", "key", tmp_path / "cloud.key", "--json")
    assert status == 0
    status, signed, _ = command("model", "sign", student, "--key", tmp_path / "cloud.key", "--json")
    assert (status, signed["key"]) == (0, made["key"])
    file = tmp_path / "student.model"
    assert (
        command("model", "show", file, "--json")[1]["card"]
        == command("model", "show", student, "--json")[1]["card"]
    )
    np.save(tmp_path / "x.npy", np.array([[1, 0, 0], [-1, 0, 0]], np.float32))
    with serving(file) as url:
        fetch = ("client", "fetch-model", url, "--out", tmp_path / "got", "--ledger", tmp_path / "l")
        status, fetched, told = command(*fetch, "--json")
        assert (status, fetched["new_key"], fetched["key"]) == (0, True, made["key"])
        assert made["key"] in told
    status, found, _ = command(
        "client",
        "predict",
        tmp_path / "got",
        "--data",
        tmp_path / "x.npy",
        "--out",
        tmp_path / "p.csv",
        "--json",
    )
    assert (status, found["items"], found["accuracy"]) == (0, 2, None)
    assert [line.split(",")[:2] for line in (tmp_path / "p.csv").read_text().splitlines()[1:]] == [
        ["0", "a"],
        ["1", "b"],
    ]


def test_wrong_key_and_damage(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = linear(np.eye(3, 2))
    student = unsigned(tmp_path / "student", data, card_of(data))
    command("model", "key", tmp_path / "k")
    command("model", "sign", student, "--key", tmp_path / "k")
    file, out = tmp_path / "student.model", tmp_path / "out"
    status, _, told = command("client", "fetch-model", file, "--out", out, "--key", "0" * 64)
    assert (status, out.exists()) == (3, False) and "you expect" in told
    file.write_bytes(file.read_bytes()[:-1])
    status, _, told = command("client", "fetch-model", file, "--out", out)
    assert (status, out.exists()) == (1, False) and "cut off" in told
    with pytest.raises(ArtifactError):
        from fastapi import FastAPI

        add_model_route(FastAPI(), file)
    assert command("model", "sign", tmp_path / "none", "--key", tmp_path / "k")[0] == 1
