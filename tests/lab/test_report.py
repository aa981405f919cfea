import re
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow.parquet as pq
import pytest

from proxyset.errors import InvalidInput
from proxyset_lab.cells import Result
from proxyset_lab.experiment import Experiment
from proxyset_lab.outcome import Costs, Outcome
from proxyset_lab.report import write_report
from proxyset_lab.store import Store
from proxyset_lab.summary import summarise
from proxyset_lab.tables import signed

EXPERIMENT = Experiment.model_validate(
    {
        "name": "made",
        "title": "Made & drawn",
        "seeds": [0, 1],
        "epsilons": [0.1, 1.0],
        "methods": ["random", "ecos", "ecos:clear", "mak", "local"],
        "axis": "epsilon",
        "paper": {"DomainNet": {"ecos": 82.5}},
        "data": [{"name": "digits-small", "budgets": [100], "domains": ["optdigits", "synth"]}],
    }
)
SCORES = {"random": 0.5, "ecos": 0.6, "ecos:clear": 0.7, "mak": 0.65, "local": 0.9}


@pytest.fixture
def store(tmp_path):
    """Invented scores, so that every figure of the report can be worked out by hand."""
    store = Store(tmp_path / "made")
    for number, group in enumerate(EXPERIMENT.groups()):
        results = {}
        for cell in EXPERIMENT.cells(group):
            score = SCORES[cell.method] + 0.01 * number
            if cell.method == "ecos" and cell.epsilon == 1.0:
                score += 0.02 + 0.01 * group.seed
            costs = Costs(cell.epsilon, 1000, 800, 10**6, 1) if cell.epsilon else Costs()
            results[cell] = Result(cell, Outcome(score, 100, 0.25, costs), 0.1)
        store.write(group, results)
    return store


def test_figures_by_hand(store):
    lines = {(line.setting.method, line.setting.epsilon): line for line in summarise(EXPERIMENT, store)}
    assert len(lines) == 6
    ecos = lines["ecos", 1.0]
    assert ecos.accuracy.mean == pytest.approx(0.6 + 0.015 + 0.025)
    assert ecos.accuracy.sd == pytest.approx(
        np.std([0.625, 0.655], ddof=1)
    )  # means over domains: groups 0, 1 and 2, 3
    assert ecos.gain.mean == pytest.approx(0.125) and ecos.gain.runs == ecos.pairs == ecos.expected == 4
    assert lines["ecos", 0.1].gain.half_width == pytest.approx(0, abs=1e-9)
    assert ecos.gain.sites == 2 and lines["ecos", 0.1].of_mak is None  # two sites make no share of a gap
    assert lines["random", None].gain is None
    assert not lines["mak", None].private and not lines["ecos:clear", None].private and ecos.private


def test_the_report_holds_together(store, tmp_path):
    files = {path.suffix: path for path in write_report(EXPERIMENT, store, tmp_path / "docs")}
    text = files[".md"].read_text()
    assert "mak (NOT PRIVATE)" in text and "+10.0 ± 0.0" in text and "over 2 sites" in text and "82.5" in text
    assert "![digits-small-id-ood-100](made-digits-small-id-ood-100.svg)" in text
    page = files[".html"].read_text()
    assert "Made &amp; drawn" in page and not re.search(r"(src|href)=|<script|url\(", page)
    svg = ET.fromstring(files[".svg"].read_text())
    assert len(svg.findall(".//{*}polyline")) == 5
    tex = files[".tex"].read_text()
    assert tex.count("\\begin{table}") == tex.count("\\end{tabular}") and "%" not in tex.replace("\\%", "")
    assert pq.read_table(files[".parquet"]).num_rows == 4 * 6


def test_what_is_missing_is_said(store, tmp_path):
    group = next(EXPERIMENT.groups())
    store.write(group, dict(list(store.read(group).items())[:2]))
    write_report(EXPERIMENT, store, tmp_path / "docs")
    assert "Unfinished: 4 cells are missing" in (tmp_path / "docs" / "made.md").read_text()


def test_nothing_to_report(tmp_path):
    with pytest.raises(InvalidInput, match="proxyset-lab run"):
        write_report(EXPERIMENT, Store(tmp_path), tmp_path)


def test_signs():
    assert [signed(value) for value in (1.25, -0.31, 0.04, -0.04)] == ["+1.2", "−0.3", "0.0", "0.0"]


def test_sites_that_the_rule_was_designed_on_stand_apart(tmp_path):
    data = [{"name": "digits-small", "budgets": [100]}]
    experiment = EXPERIMENT.model_copy(update={"name": "five"})
    experiment = Experiment.model_validate(experiment.model_dump() | {"data": data})
    store = Store(tmp_path / "five")
    for group in experiment.groups():
        better = 0.3 if group.private in ("mnist", "mnist-m") else 0.1
        results = {}
        for cell in experiment.cells(group):
            score = 0.5 + (better if cell.method == "ecos" else 0)
            results[cell] = Result(cell, Outcome(score, 100, 0.25, Costs(cell.epsilon)), 0.1)
        store.write(group, results)
    gains = {
        line.setting.designed: (line.gain.mean, line.gain.sites)
        for line in summarise(experiment, store)
        if line.setting.method == "ecos"
    }
    assert gains == {True: (pytest.approx(0.3), 2), False: (pytest.approx(0.1), 3)}
    write_report(experiment, store, tmp_path / "docs")
    text = (tmp_path / "docs" / "five.md").read_text()
    assert "**digits-small, accuracy" in text and "**digits-small: the rule was designed on these" in text
    assert (tmp_path / "docs" / "five-digits-small-designed-id-ood-100.svg").exists()
