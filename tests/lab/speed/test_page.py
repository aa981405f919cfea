import pytest

from proxyset.errors import InvalidInput
from proxyset_lab.origin import origin
from proxyset_lab.speed.page import put

HEAD = ["| what | against | ratio |", "|---|---|---|"]


def test_rows_of_another_commit_go_and_those_of_this_one_are_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- bench -->\nMeasured at commit 0123456789ab.\n\n| old | rival | 9 |\n<!-- end of bench -->\nafter\n"
    )
    put(page, "bench", HEAD, ["| a | rival | 1 |", "| b | rival | 2 |"])
    put(page, "bench", HEAD, ["| a | rival | 3 |"], ["Versions: none."])
    lines = [
        f"Measured at {origin()}.",
        "Versions: none.",
        "",
        *HEAD,
        "| a | rival | 3 |",
        "| b | rival | 2 |",
    ]
    assert page.read_text() == "\n".join(
        ["before", "<!-- bench -->", *lines, "<!-- end of bench -->", "after", ""]
    )


def test_a_page_without_the_section_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(InvalidInput, match="end of bench"):
        put(page, "bench", HEAD, [])
    assert page.read_text() == "nothing\n"
