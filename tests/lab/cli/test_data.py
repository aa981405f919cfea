import json

import pytest
from proxyset.cli.data import app
from typer.testing import CliRunner

from proxyset.errors import InvalidInput
from proxyset_lab.data.registry import DATA_SETS


def test_list_names_every_data_set():
    done = CliRunner().invoke(app, ["list", "--json"], catch_exceptions=False)
    (listed,) = [row for row in json.loads(done.stdout)["data_sets"] if row["name"] == "digits-small"]
    assert done.exit_code == 0 and listed["items"] == 12_500 and len(listed["domains"]) == 5
    words = CliRunner().invoke(app, ["list"], catch_exceptions=False).stdout
    assert all(name in words for name in DATA_SETS)


def test_fetch_prints_licence_and_size():
    words = CliRunner().invoke(app, ["fetch", "digits-small"], catch_exceptions=False).stdout
    assert "12,500 items" in words and " MB" in words and words.count("licence") == 5 and "CC BY 4.0" in words


def test_fetch_in_json():
    done = CliRunner().invoke(app, ["fetch", "digits-small", "--json"], catch_exceptions=False)
    record = json.loads(done.stdout)
    assert record["items"] == 12_500 and record["bytes"] > 1_000_000 and len(record["fingerprint"]) == 64
    assert {domain["name"] for domain in record["domains"]} >= {"mnist", "synth"}


def test_an_unknown_name():
    with pytest.raises(InvalidInput, match="no data set 'svhn': choose digits-small"):
        CliRunner().invoke(app, ["fetch", "svhn"], catch_exceptions=False)
