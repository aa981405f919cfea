from pathlib import Path

import pytest

from proxyset.cloud.select import STRATEGIES
from proxyset.errors import InvalidInput
from proxyset_lab.cell import Cell, Group
from proxyset_lab.experiment import Experiment

TEXT = """
name = "small"
title = "Small"
seeds = [0, 1]
epsilons = [0.1, 1.0]
clusters = [10, 20]
methods = ["random", "ecos", "ecos:clear", "local"]
[[data]]
name = "digits-small"
budgets = [50, 100]
domains = ["mnist", "synth"]
"""


def _read(tmp_path, text):
    path = tmp_path / "small.toml"
    path.write_text(text)
    return Experiment.read(path)


def test_cells_have_no_more_than_their_method_asks_for(tmp_path):
    experiment = _read(tmp_path, TEXT)
    groups = list(experiment.groups())
    assert len(groups) == 4 and groups[0].seed == groups[1].seed == 0
    cells = experiment.cells(groups[0])
    count = {method: sum(cell.method == method for cell in cells) for method in experiment.methods}
    assert count == {"random": 2, "ecos": 2 * 2 * 2, "ecos:clear": 2 * 2, "local": 1}
    assert len(set(cells)) == len(cells)
    assert Cell(groups[0], "local", None, None, None, None, None) in cells


def test_a_star_is_every_strategy(tmp_path):
    experiment = _read(tmp_path, TEXT.replace('"ecos",', '"*",'))
    assert set(STRATEGIES.own) <= set(experiment.methods)
    assert experiment.methods.count("random") == 1


def test_a_data_set_may_have_its_own_clusters(tmp_path):
    experiment = _read(tmp_path, TEXT + "clusters = [7]\n")
    cells = experiment.cells(Group("digits-small", "mnist", 0, "id+ood"))
    assert {cell.clusters for cell in cells} == {None, 7}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"ecos",', '"nonsense",', "unknown method 'nonsense'"),
        ('"mnist"', '"usps"', "no domain 'usps'"),
        ('"digits-small"', '"digits-huge"', "unknown data set 'digits-huge'"),
        (
            'methods = ["random",',
            'job = "client-label"\nmethods = ["pool-weighted",',
            "labels cost nothing: not for the job 'client-label'",
        ),
        ("seeds", "seed", "seed"),
        ("[[data]]", "[[data", "not TOML"),
        ("budgets = [50, 100]", "budgets = []", "budgets"),
    ],
)
def test_mistakes_are_told(tmp_path, old, new, message):
    with pytest.raises(InvalidInput, match=message):
        _read(tmp_path, TEXT.replace(old, new))


def test_the_experiments_that_we_ship_can_be_read():
    files = sorted((Path(__file__).parents[2] / "lab" / "benchmarks").glob("*.toml"))
    assert {file.stem for file in files} >= {"main", "epsilon", "budget", "clusters", "bytes", "alternatives"}
    for file in files:
        assert Experiment.read(file).name == file.stem
