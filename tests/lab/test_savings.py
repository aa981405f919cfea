from proxyset_lab.cell import Data
from proxyset_lab.cells import Result
from proxyset_lab.experiment import Experiment
from proxyset_lab.outcome import Costs, Outcome
from proxyset_lab.savings import savings
from proxyset_lab.store import Store

SCORES = {"random": (0.5, 0.6, 0.8), "k-center": (0.6, 0.7, 0.9)}


def stored(folder, budgets=(500, 1000, 2000)):
    experiment = Experiment(
        name="tiny",
        title="Tiny",
        job="selective",
        seeds=(0, 1),
        methods=("random", "k-center"),
        data=(Data(name="digits", budgets=budgets, domains=("mnist",)),),
    )
    store = Store(folder)
    store.settle(experiment)
    for group in experiment.groups():
        results = {}
        for cell in experiment.cells(group):
            score = SCORES[cell.method][budgets.index(cell.budget)]
            results[cell] = Result(cell, Outcome(score, cell.budget, 0.5, Costs()), 1.0)
        store.write(group, results)
    return experiment, store


def test_what_random_would_need(tmp_path):
    (table,) = savings(*stored(tmp_path))
    assert [row[:4] for row in table.rows] == [
        ("k-center", "500", "60.0", "1,000"),
        ("k-center", "1,000", "70.0", "1,414"),
        ("k-center", "2,000", "90.0", "more than 2,000"),
    ]
    assert [row[5] for row in table.rows] == ["50 %", "29 %", "at least 0 %"]


def test_one_budget_is_no_curve(tmp_path):
    assert savings(*stored(tmp_path, (500,))) == []
