import pytest

from proxyset.demo.commands import Commands
from proxyset.errors import ProxysetError


def test_commands_run_in_their_folder_and_are_remembered(blobs):
    commands = Commands(blobs)
    built = commands.run("index", "build", "pool.npy", "--out", "an index", "--clusters", "6")
    assert built["items"] == 1200 and (blobs / "an index" / "manifest.json").is_file()
    assert commands.typed == ["proxyset index build pool.npy --out 'an index' --clusters 6"]
    with commands.serving("serve", "an index", "--port", "0", "--releases", "in") as server:
        spent = commands.run(
            "client",
            "pull",
            server["url"],
            "--data",
            "private.npy",
            "--epsilon",
            "1",
            "--ledger",
            "l",
            "--hold",
            "0.1",
        )
    assert (blobs / "in" / f"{spent['release']}.safetensors").is_file()
    with pytest.raises(
        ProxysetError, match=r"`proxyset client pull .*` ended with status 1"
    ):  # it was stopped
        commands.run(
            "client",
            "pull",
            server["url"],
            "--data",
            "private.npy",
            "--epsilon",
            "2",
            "--ledger",
            "m",
            "--hold",
            "0.1",
        )


def test_a_failing_command_says_why(tmp_path):
    with pytest.raises(ProxysetError, match=r"`proxyset index info nowhere` ended with status 1: .*nowhere"):
        Commands(tmp_path).run("index", "info", "nowhere")


def test_a_server_that_cannot_start_says_why(tmp_path):
    with (
        pytest.raises(ProxysetError, match=r"status 1: .*nowhere"),
        Commands(tmp_path).serving("serve", "nowhere"),
    ):
        pass
