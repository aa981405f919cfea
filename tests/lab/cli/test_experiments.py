from pathlib import Path

TEXT = """
name = "small"
title = "Small"
seeds = [0]
clusters = [10]
methods = ["random", "ecos", "local"]
[[data]]
name = "digits-small"
budgets = [30]
domains = ["mnist"]
most = 150
"""


def test_list_run_report(command, tmp_path):
    (tmp_path / "toml").mkdir()
    file = tmp_path / "toml" / "small.toml"
    file.write_text(TEXT)
    results = ("--results", tmp_path / "results")
    status, line, _ = command("list", tmp_path / "toml", *results, "--json")
    assert status == 0 and line["experiments"][0]["cells"] == 3 and line["experiments"][0]["done"] == 0
    status, line, error = command("run", file, *results, "--json")
    assert status == 0 and line["elsewhere"] == 0 and "3/3" in error
    assert command("list", tmp_path / "toml", *results, "--json")[1]["experiments"][0]["done"] == 3
    status, line, _ = command("report", file, *results, "--to", tmp_path / "docs", "--json")
    assert status == 0 and {Path(name).suffix for name in line["files"]} == {
        ".md",
        ".tex",
        ".html",
        ".parquet",
    }


def test_mistakes(command, tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(TEXT)
    status, _, error = command("run", file, "--again", "k-center", "--results", tmp_path)
    assert status == 1 and "'k-center' is not a method" in error
    status, _, error = command("list", tmp_path / "none")
    assert status == 1 and "no .toml file" in error
    status, _, error = command("run", tmp_path / "absent.toml")
    assert status == 1 and "absent.toml" in error
