"""The hub's own library fetches what an encoder needs, from a server that speaks the hub's protocol as far as that goes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from proxyset.encoders.hub import HubEncoder
from tests.encoders.hub_folders import put, text_folder

COMMIT = "c" * 40


def git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def hub(folder: Path) -> Iterator[str]:
    """A repository, somebody/mini."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0].rpartition(f"/resolve/{COMMIT}/")[2]
            if self.path.startswith("/api/models/somebody/mini/tree/"):
                tree = [
                    {"type": "file", "path": name, "size": len(data), "oid": git(data)}
                    for name, data in files.items()
                ]
                self.answer(json.dumps(tree).encode(), {"content-type": "application/json"})
            elif self.path.startswith("/api/models/somebody/mini"):
                about = {
                    "id": "somebody/mini",
                    "sha": COMMIT,
                    "siblings": [{"rfilename": each} for each in files],
                }
                self.answer(json.dumps(about).encode(), {"content-type": "application/json"})
            elif self.path.startswith("/somebody/mini/") and name in files:
                self.answer(files[name], {"X-Repo-Commit": COMMIT, "ETag": f'"{git(files[name])}"'})
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("content-length", "0")
                self.end_headers()

        def do_HEAD(self) -> None:
            self.do_GET()

        def answer(self, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in (headers | {"content-length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def fetch(url: str, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from proxyset.cli import main; main()", "encoder", "fetch", *arguments]
    env = {
        **os.environ,
        "HF_ENDPOINT": url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run(program, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_what_an_encoder_needs_is_fetched_and_nothing_else(tmp_path: Path) -> None:
    repository = put(
        text_folder(tmp_path / "repository"),
        {"pytorch_model.bin": b"x" * 1000, "evil.py": b"raise SystemExit"},
    )
    with hub(repository) as url:
        done = fetch(url, tmp_path, "somebody/mini", "--out", str(tmp_path / "mini"))
        assert done.returncode == 0, done.stderr
        assert "hf:" in done.stdout
        names = {
            path.relative_to(tmp_path / "mini").as_posix()
            for path in (tmp_path / "mini").rglob("*")
            if path.is_file()
        }
        assert names == {
            "onnx/model.onnx", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json", "modules.json",
            "1_Pooling/config.json",
        }  # fmt: skip
        assert HubEncoder(tmp_path / "mini").params == HubEncoder(repository).params
        none = fetch(
            url,
            tmp_path,
            "somebody/mini",
            "--out",
            str(tmp_path / "other"),
            "--network",
            "onnx/model_int8.onnx",
        )
        assert (
            none.returncode == 1
            and "has no file onnx/model_int8.onnx" in none.stderr
            and not (tmp_path / "other").exists()
        )
        strange = fetch(url, tmp_path, "nobody/nothing", "--out", str(tmp_path / "other"))
        assert strange.returncode == 1 and "the hub does not give 'nobody/nothing'" in strange.stderr
        assert "Traceback" not in none.stderr + strange.stderr
