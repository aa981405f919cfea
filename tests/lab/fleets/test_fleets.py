import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from proxyset.aggregation.party import answer, begin, finish
from proxyset.client.calibration import privacy_statement
from proxyset.errors import InvalidInput
from proxyset_lab.cell import Data, Group
from proxyset_lab.data.registry import find
from proxyset_lab.features import Features
from proxyset_lab.fleets.fleet import Run
from proxyset_lab.fleets.plan import Cell, Plan
from proxyset_lab.fleets.report import write_page
from proxyset_lab.fleets.run import read
from proxyset_lab.task import Task
from tests.aggregation.tasks import HELPER, LEADER, make_report, make_task

PLAN = Plan.model_validate(
    {
        "data": "digits-small",
        "most": 200,
        "seeds": [0],
        "epsilon": 0.58,
        "budgets": [20, 40],
        "parts": [
            {"name": "dealt", "clients": [1, 4], "dealt": ["iid", "by class"], "clusters": [10]},
            {
                "name": "liars",
                "clients": [4],
                "clusters": [10],
                "liars": [0.0, 0.5],
                "rules": ["sum", "robust"],
            },
        ],
    }
)


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    data = Data(name=PLAN.data, budgets=PLAN.budgets, most=PLAN.most)
    features = Features.of(find(PLAN.data))
    return Run(PLAN, Task(Group(PLAN.data, "mnist", 0, "id+ood"), data, features, folder, folder))


def test_cells_are_each_once():
    cells = PLAN.cells("mnist", 0)
    assert len(cells) == len(set(cells)) == 2 + 3 + 4
    assert [cell.clients for cell in cells[2:5]] == [1, 4, 4]
    assert len(PLAN.splits()) == 5


@pytest.mark.parametrize("dealt", ["iid", "by class"])
def test_every_record_is_dealt_to_one_client(run, dealt):
    probe = run.task.probe(10, None, "float16")
    votes = run._votes(Cell("mnist", 0, "fleet", dealt, 4, 0, 10, 0.0, "sum"), probe)
    np.testing.assert_array_equal(votes.sum(axis=0), run.task.clear_coverage(probe).counts)
    assert set(votes.sum(axis=1)) == {len(run.task.split.client) // 4}
    drawn = run._votes(Cell("mnist", 0, "fleet", "iid", 30, 7, 10, 0.0, "sum"), probe)
    assert (drawn.sum(axis=1) == 7).all()


def test_dealt_by_class_clients_differ_more(run):
    probe = run.task.probe(10, None, "float16")
    spreads = [
        run._votes(Cell("mnist", 0, "fleet", dealt, 4, 0, 10, 0.0, "sum"), probe).std(axis=0).sum()
        for dealt in ("iid", "by class")
    ]
    assert spreads[0] < spreads[1]


@pytest.mark.parametrize("lies", ["together", "alone"])
def test_liars_send_what_a_release_may_hold(run, lies):
    cell = Cell("mnist", 0, "fleet", "iid", 10, 0, 10, 0.3, "sum", lies)
    releases = run.releases(cell)
    far = int(40 * privacy_statement(0.58).sigma)
    for one in releases:
        assert type(one).from_bytes(one.to_bytes()).fingerprint == one.fingerprint
    lying = np.array([one.counts for one in releases[:3]])
    assert (np.abs(lying) >= far - 2).all() and (lying > 0).sum(axis=1).tolist() == [5, 5, 5]
    assert (lying[0] > 0).tolist() == (lying[1] > 0).tolist() or lies == "alone"
    assert len({one.fingerprint for one in releases}) == 10


@pytest.mark.parametrize("lies", ["invalid", "in bound"])
def test_the_table_of_two_party_sums_has_what_real_shares_add_up_to(run, lies):
    probe = run.task.probe(10, None, "float16")
    cell = Cell("mnist", 0, "fleet", "iid", 8, 0, 10, 0.25, "two-party", lies)
    accepted = run.accepted(cell, probe)
    task = make_task(R=10, most=int(accepted.sum(axis=1).max()))
    reports = [make_report(task, votes) for votes in accepted]
    reports += [
        make_report(task, [0] * 10, leader=bytes(len(reports[0].leader))) for _ in range(8 - len(reports))
    ]
    begun = begin(task, LEADER, 0, reports)
    told, theirs = answer(HELPER, begun.job, lambda _: False)
    mine = finish(begun, told)
    assert len(mine.accepted) == (6 if lies == "invalid" else 8)
    assert task.vdaf.unshard([mine.share, theirs.share], len(mine.accepted)) == accepted.sum(axis=0).tolist()
    sigma = np.sqrt(2) * privacy_statement(0.58).sigma
    (total,) = run.releases(cell)  # a false alarm in 10⁹ runs
    assert np.abs(total.counts - accepted.sum(axis=0)).max() < 7 * sigma


def test_votes_with_a_floor_are_estimated_as_the_real_total_is(run):
    probe = run.task.probe(10, None, "float16")
    cell = Cell("mnist", 0, "fleet", "iid", 3000, 1, 10, 0.0, "two-party, floor 4")
    exact = run.accepted(cell, probe).sum(axis=0)
    (total,) = run.releases(cell)  # a false alarm in 10⁹ runs
    assert np.abs(total.counts - exact).max() < 7 * total.noise
    assert total.noise > np.sqrt(2) * privacy_statement(0.58).sigma * 1.1


def test_liars_within_the_bound_spend_all_of_it(run):
    probe = run.task.probe(10, None, "float16")
    cell = Cell("mnist", 0, "fleet", "iid", 8, 0, 10, 0.25, "two-party", "in bound")
    honest = run.accepted(cell._replace(lies="invalid"), probe)
    lies = run.accepted(cell, probe)[6:]
    assert len(honest) == 6 and (lies.sum(axis=1) == run._votes(cell, probe).sum(axis=1).max()).all()
    assert (lies.sum(axis=0) > 0).sum() == 5


def test_the_command_goes_on_where_it_stopped(digits, tmp_path, command):
    plan, out, page = tmp_path / "plan.toml", tmp_path / "out.jsonl", tmp_path / "page.md"
    plan.write_text(
        'data = "digits-small"\nmost = 200\nseeds = [0]\nepsilon = 0.58\nbudgets = [20]\n'
        '[[parts]]\nname = "dealt"\nclients = [1, 3]\nclusters = [8]\n'
    )
    page.write_text(
        "before\n<!-- generated: proxyset-lab fleets, plan -->\nold\n<!-- end of the generated part -->\nafter\n"
    )
    fleets = ("fleets", plan, "--out", out, "--page", page)
    assert command(*fleets)[0] == 0
    first = out.read_text().splitlines()
    assert len(first) == 5 * 4
    out.write_text("\n".join(first[:-3]) + "\n")
    write_page(Plan.read(plan), "plan", read(out), page, "Rows of nobody.")
    assert "Rows of nobody." in page.read_text() and "4 of 5 pairs" in page.read_text()
    write_page(Plan.read(plan), "plan", {}, page, "")
    assert "0 of 5 pairs" in page.read_text() and "|" not in page.read_text()
    assert command(*fleets)[0] == 0
    assert "Unfinished" not in page.read_text()
    second = out.read_text().splitlines()
    assert second[:-3] == first[:-3]
    assert set(read(out)) == {Cell(**json.loads(line)["cell"]) for line in first}
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert rows == ["clients", "1", "3", "random", "k-center"] * 2
    picture = ET.parse(tmp_path / "results" / "fleets-plan-20.svg").getroot()
    assert "dealt, iid" in [element.text for element in picture.iter() if element.tag.endswith("text")]
    page.write_text("no place")
    status, _, error = command(*fleets)
    assert status == 1 and "no part between" in error


def test_bad_plans(tmp_path):
    path = tmp_path / "plan.toml"
    for text, why in (("a =", "not TOML"), ("data = 5", "data"), ('data = "digits"\nrules = 1', "most")):
        path.write_text(text)
        with pytest.raises(InvalidInput, match=why):
            Plan.read(path)
