import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "vdaf.md"


def test_the_example_of_the_page_runs_and_prints_what_it_says(capsys):
    (code,) = re.findall(r"^```python$(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    (said,) = re.findall(r"print\(.*#\s*(.*)$", code, re.MULTILINE)
    assert capsys.readouterr().out.strip() == said
