from proxyset_lab.data.registry import DATA_SETS


def test_list_names_every_data_set(command, capsys):
    status, listed, _ = command("list", "--json")
    (small,) = [row for row in listed["data_sets"] if row["name"] == "digits-small"]
    assert status == 0 and small["items"] == 12_500 and len(small["domains"]) == 5
    command("list")
    words = capsys.readouterr().out
    assert all(name in words for name in DATA_SETS.own) and "your own files" in words


def test_fetch_prints_licence_and_size(command, capsys):
    assert command("fetch", "digits-small")[0] == 0
    words = capsys.readouterr().out
    assert "12,500 items" in words and " MB" in words and words.count("licence") == 5 and "CC BY 4.0" in words


def test_fetch_in_json(command):
    status, record, _ = command("fetch", "digits-small", "--json")
    assert status == 0 and record["path"].endswith(".parquet") and record["name"] == "digits-small"
    assert record["items"] == 12_500 and record["bytes"] > 1_000_000 and len(record["fingerprint"]) == 64
    assert {domain["name"] for domain in record["domains"]} >= {"mnist", "synth"}


def test_an_unknown_name(command):
    status, _, error = command("fetch", "svhn")
    assert status == 1 and "unknown data set 'svhn': choose one of digits, digits-small" in error
