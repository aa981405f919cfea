import json

import pytest

from proxyset_lab.speed.scale import Row, measure, write_page


def row(items, core_seconds, step="index, whole"):
    return Row(items, "disk", step, 1.0, core_seconds, 100.0, "0123456789abcdef")


def test_larger_pools_lie_on_the_line_through_the_two_largest_sizes(tmp_path):
    page, rows = tmp_path / "page.md", tmp_path / "rows.jsonl"
    page.write_text("<!-- scale -->\n<!-- end of scale -->\n")
    found = [
        row(1000, 9.0),
        row(2_000_000, 99.0),
        row(1_000_000, 10.0),
        row(2_000_000, 20.0),
        row(1000, 0.1, "plan"),
    ]
    rows.write_text("".join(json.dumps(vars(one)) + "\n" for one in found))
    write_page(rows, page)
    text = page.read_text()
    assert "Measured at commit 0123456789ab." in text and "plan" not in text
    assert "| index, whole | 2,000,000, disk | 20.0 | 100 | 10.00 |" in text and "99.0" not in text
    assert "| index, whole | 100,000,000, disk | 1,000 on paper | | 10.00 |" in text
    assert "| index, whole | 10,000,000,000, disk | 100,000 on paper | | 10.00 |" in text
    write_page(rows, page)
    assert page.read_text() == text


def test_a_small_pool_is_measured_step_by_step_and_taken_away(tmp_path):
    """Two processes with all of proxyset and K-means with 1,000 clusters take their seconds."""
    rows = tmp_path / "rows.jsonl"
    measure(tmp_path, [3000], ["random"], 20, "disk", rows)
    found = {one["step"]: one for one in map(json.loads, rows.read_text().splitlines())}
    assert {"read and write embeddings", "K-means on the sample", "assign and write"} < set(found)
    whole = found.pop("index, whole")
    selection = found.pop("select 20 by `random`")
    assert whole["core_seconds"] == pytest.approx(sum(one["core_seconds"] for one in found.values()))
    assert whole["mib"] == max(one["mib"] for one in found.values()) and selection["mib"] > 50
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == set()
