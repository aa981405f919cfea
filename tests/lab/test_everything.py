"""The one command: all pages from the rows of one state of the code, by the small list that CI runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from proxyset.errors import InvalidInput
from proxyset_lab import everything as everythings
from proxyset_lab import origin as origins
from proxyset_lab import where
from proxyset_lab.everything import Everything
from proxyset_lab.origin import Origin, origin, refuse_others, rows_folder, rows_of, stamp
from proxyset_lab.quoted import figure, filled, tables, unmarked

ROOT = Path(__file__).parents[2]
LISTS = ROOT / "lab" / "benchmarks" / "all"
MARKER = "<!-- figure: tiny.md :: digits-small, accuracy :: method=density-ratio :: mean -->{}<!-- end -->"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with pages, as the checkout has."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "README.md").write_text(f"It reaches {MARKER.format('99.9')} %.\n")
    return tmp_path


@pytest.mark.timeout(600)  # five processes, each of which starts: a quarter of a minute of an idle machine
def test_the_small_list(digits, place, command):
    words = ("all", LISTS / "small.toml", "--results", place / "rows", "--docs", place / "docs")
    # stopped before it began: pages say so, and none shows old rows
    old = place / "docs" / "results" / "tiny.md"
    old.write_text("# Old\n\n![a](a.svg)\n")
    (place / "docs" / "results" / "a.svg").write_text("<svg/>")
    status, _, error = command(*words, "--minutes", "0")
    assert status == 0, error
    assert "Not measured." in old.read_text() and origin().commit[:12] in old.read_text()
    assert not (place / "docs" / "results" / "a.svg").exists()
    assert MARKER.format("not measured") in (place / "README.md").read_text()
    assert "not measured" in (place / "docs" / "results" / "run.md").read_text()

    status, _, error = command(*words, "--minutes", "9", "--workers", "1")
    assert status == 0, error
    for name in ("tiny", "where", "run"):
        text = (place / "docs" / "results" / f"{name}.md").read_text()
        assert f"Rows of {origin()}." in text and "Not measured" not in text
    [(_, rows)] = [found for found in tables(old.read_text()) if found[0].startswith("digits-small")]
    mean = next(row["mean"] for row in rows if row["method"] == "density-ratio")
    assert MARKER.format(mean) in (place / "README.md").read_text()

    # pages alone, from the rows of a commit or key: they are the same
    before = {path.name: path.read_bytes() for path in old.parent.glob("tiny*.md")}
    status, _, error = command(*words, "--rows", origin().key)
    assert status == 0 and before == {path.name: path.read_bytes() for path in old.parent.glob("tiny*.md")}
    status, _, error = command(*words, "--rows", "absent")
    assert status == 1 and "0 folders" in error and origin().key in error


def test_code_that_changes_while_it_runs_ends_the_run(place, command, monkeypatch):
    monkeypatch.setattr(everythings, "key_now", lambda: "0" * 12)
    words = (
        "all",
        LISTS / "small.toml",
        "--results",
        place / "rows",
        "--docs",
        place / "docs",
        "--minutes",
        "1",
    )
    status, _, error = command(*words)
    assert status == 1 and "the code was changed while it ran" in error
    assert not (place / "docs" / "results" / "tiny.md").exists()


def test_a_run_that_is_told_to_end_ends_its_steps(place):
    """SIGTERM while a step runs: the process ends, with pages, and leaves no child behind."""
    code = "from proxyset_lab.cli import main; main()"
    step = 'name = "long"\nrun = "proxyset-lab planner --repeats 100000 --to {rows}/long"\npage = "x"\nrows = "long"\n'
    (place / "long.toml").write_text(f'[[step]]\n{step}writes = ["results/long.md"]\n')
    words = [
        sys.executable,
        "-c",
        code,
        "all",
        "long.toml",
        "--results",
        "rows",
        "--docs",
        "docs",
        "--minutes",
        "5",
    ]
    with subprocess.Popen(words, cwd=place, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stderr is not None
        while "long: begun" not in process.stderr.readline():
            assert process.poll() is None
        process.terminate()
        _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert "Not measured." in (place / "docs" / "results" / "long.md").read_text()


def test_rows_of_other_code_have_another_folder(tmp_path, monkeypatch):
    ours = rows_folder(tmp_path)
    other = Origin(key="0" * 12, commit="f" * 40, date="2026-01-01 00:00 UTC", changed=True)
    with monkeypatch.context() as patched:
        patched.setattr(origins, "origin", lambda: other)
        theirs = rows_folder(tmp_path)
        assert theirs != ours and stamp(theirs) == f"Rows of {other}."
        assert "NOT COMMITTED" in stamp(theirs)
    assert rows_of(tmp_path, "ffff") == theirs and rows_of(tmp_path, origin().key[:6]) == ours
    assert stamp(theirs).endswith(f"The page was written by {origin()}.")
    with pytest.raises(InvalidInput, match="0 folders"):
        rows_of(tmp_path, "eeee")
    refuse_others(ours)
    refuse_others(tmp_path)
    with pytest.raises(InvalidInput, match="not mixed"):
        refuse_others(theirs)


def test_every_step_names_a_command_an_experiment_and_its_page():
    everything = Everything.read(LISTS / "all.toml")
    names = [step.name for step in everything.step]
    assert len(set(names)) == len(names)
    wanted = {path.stem for path in (ROOT / "lab" / "benchmarks").glob("*.toml")}
    assert wanted <= set(names), "an experiment without a step has no page of the run"
    for step in everything.step:
        first = step.run or step.page
        assert (
            first.startswith(("proxyset-lab ", "proxyset ")) and "{rows}" in first and "{docs}" in step.page
        )
        for file in re.findall(r"lab/benchmarks/\S+", step.run + step.page):
            assert (ROOT / file).exists()


PAGE = """
# A page

**digits, accuracy in %**

| budget | method | gain |
|---|---|---|
| 300 | ours | +3.1 ± 1.6* |
| 1,000 | ours | +1.0 ± 2.0 |
"""


def test_figures_come_from_their_cell(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "p.md").write_text(PAGE)
    text = "a <!-- figure: p.md :: digits :: budget=300; method=ours :: gain -->old<!-- end --> ± 5"
    new = filled(text, tmp_path)
    assert "-->+3.1 ± 1.6*<!-- end -->" in new and filled(new, tmp_path) == new
    assert unmarked(new) == "a  ± 5"
    for named, wrong in (
        ("p.md :: digits :: method=ours :: gain", "2 rows"),
        ("p.md :: digits :: budget=5 :: gain", "0 rows"),
        ("p.md :: iconnet :: budget=300 :: gain", "no table"),
        ("p.md :: digits :: budget=300 :: none", "no column"),
        ("q.md :: digits :: budget=300 :: gain", "no page"),
        ("p.md :: digits", "page :: table"),
    ):
        with pytest.raises(InvalidInput, match=wrong):
            figure(named, tmp_path)
    (tmp_path / "results" / "p.md").write_text(PAGE + "\nUnfinished: 4 cells are missing.\n")
    assert figure("p.md :: digits :: budget=5 :: gain", tmp_path) == "not measured"


def test_where_it_helps(tmp_path):
    """Rows of skewed clients alone; the experiments are said to be missing."""
    scores = {
        method: {"accuracy": 0.5 + 0.1 * (method == "density-ratio")}
        for method in ("random", "density-ratio")
    }
    rows = [
        json.dumps({"client": ["sentiment", domain, 0, 0.3, 60], "scores": scores})
        for domain in ("tweets", "amazon")
    ]
    (tmp_path / "skew.jsonl").write_text("\n".join(rows) + "\n")
    text = where.page(ROOT / "lab" / "benchmarks", tmp_path)
    assert "Unfinished: sites, own-share, main, few had no turn." in text
    assert "| sentiment | as it is | 60 | 0.3 | 300 | 0.58 | +10.0 ± 0.0* | 0.0 | skew |" in text


def prose():
    everything = Everything.read(LISTS / "all.toml")
    return sorted(
        {path for pattern in everything.prose for path in ROOT.glob(pattern)} - {ROOT / "docs" / "results.md"}
    )


# a number with a unit of accuracy, or an interval
TYPED = re.compile(r"[+−-]?\d[\d.,]*(?: (?:to|and|or) \d[\d.,]*)? ?(?:%|percent|points?\b|± ?\d)")
ELSEWHERE = {  # pages whose numbers are of other commands, which they name beside them
    "performance.md": "speed and memory, by `make bench`",
    "scale.md": "speed, memory and the recall of searches, by `proxyset-lab speed`",
    "privacy-evidence.md": "what attacks won, from tests/audit",
    "service.md": "memory under load, by `proxyset-lab siege`",
}
SETTING, PROVED, FORMER = (
    "a setting",
    "follows from a formula",
    "measured by a script that is not kept, as the text says",
)
ALLOWED = {
    "README.md": {
        "with 95 % intervals": SETTING,
        "| 0 % |": SETTING,
        "| 2.4 % |": SETTING,
        "| 10 % |": SETTING,
    },
    "encoders.md": {"off by more than 3 %": SETTING},
    "fleets.md": {"within 3 %": PROVED, "± is the 95 % interval": SETTING},
    "models.md": {
        "98 % for": FORMER,
        "99 % for cnn-16": FORMER,
        "to 0.2 points": FORMER,
        "3 to 5 points": FORMER,
    },
    "privacy.md": {"1 ± 10⁻²⁷": PROVED},
    "README.md of results": {
        "test items (20 %)": SETTING,
        "client's (40 %)": SETTING,
        "public ones (40 %)": SETTING,
    },
    "select-and-train.md": {"(95 % over": SETTING},
    "selection.md": {
        "α = 5 %": PROVED,
        "least 5 % of the budget": SETTING,
        "0.3 points worse elsewhere": SETTING,
    },
    "sharp-edges.md": {"87.3 % of 240": "an example of a sharp edge"},
    "threat-model.md": {
        "more than 10 % of their": SETTING,
        "30 % away": "the distance of the next similar image, tests/client",
        "25 % with the default, 10 % with": PROVED,
    },
    "training.md": {
        "95 % Wilson": SETTING,
        "of 90 % and a balanced accuracy of 50 %": "an example",
        "of which 9 % is": SETTING,
    },
}


def called(path):
    return path.name if path.parent.name != "results" else f"{path.name} of results"


@pytest.mark.parametrize("path", prose(), ids=called)
def test_every_figure_in_prose_is_that_of_its_page(path):
    text = path.read_text(encoding="utf-8")
    assert filled(text, ROOT / "docs") == text, "run: proxyset-lab figures"
    if called(path) in ELSEWHERE:
        return
    left = " ".join(unmarked(text).split())
    for phrase in ALLOWED.get(called(path), {}):
        assert phrase in left, f"{path} no longer says {phrase!r}: take it off the list"
        left = left.replace(phrase, "")
    typed = [left[max(0, found.start() - 40) : found.end() + 20] for found in TYPED.finditer(left)]
    assert not typed, (
        "a measured figure stands in a marker (proxyset_lab/quoted.py), or says in ALLOWED why not"
    )


def test_every_page_of_results_says_where_its_rows_come_from():
    known = {page for step in Everything.read(LISTS / "all.toml").step for page in step.writes} | {
        "results/run.md"
    }
    pages = {f"results/{path.name}" for path in (ROOT / "docs" / "results").glob("*.md")} - {
        "results/README.md"
    }
    assert pages <= known, "a page that no step of the run writes"
    for page in known:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert "Rows of commit " in text, page
        assert "WITH CHANGES" not in text, page
    commits = {re.search(r"Rows of commit (\w+)", (ROOT / "docs" / page).read_text())[1] for page in known}
    assert len(commits) == 1, f"pages of several commits: {commits}"
