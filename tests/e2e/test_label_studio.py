"""The round trip with a real Label Studio server. `make label-studio` installs it and runs this."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import cohen_kappa_score

from proxyset.cloud.build import build_index
from proxyset.cloud.export import export
from proxyset.cloud.label_tasks import label_tasks
from proxyset.cloud.proxy_set import select
from proxyset.errors import InvalidInput, TransportError
from proxyset.jobs.label_files import read_labels
from proxyset.jobs.label_studio.exported import is_export, read_export
from proxyset.jobs.label_studio.pull import pull
from proxyset.jobs.label_studio.push import push
from proxyset.jobs.label_studio.server import Server
from proxyset.jobs.labels import match_labels
from tests.cloud.test_export import POOLS, built, chosen
from tests.e2e import label_studio
from tests.e2e.lossy import lossy

pytestmark = [
    pytest.mark.label_studio,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not label_studio.ready(),
        reason="Label Studio is not installed: python -m tests.e2e.label_studio (1 GB)",
    ),
    # the SDK still calls what pydantic has renamed
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PROGRAM = [sys.executable, "-c", "from proxyset.cli import main; main()"]
CLASSES = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A proxy set of 500 real digits, and the digit of each."""
    folder = tmp_path_factory.mktemp("digits")
    data = load_digits()
    (folder / "pool").mkdir()
    for number, image in enumerate(data.images[:900]):
        picture = Image.fromarray((image * 15).astype(np.uint8)).resize((28, 28), Image.Resampling.BICUBIC)
        picture.save(folder / "pool" / f"{number:04d}.png")
    index = build_index(folder / "pool", folder / "index", encoder="hog", clusters=20)
    proxy = select(index, [], folder / "proxy", budget=500, strategy="k-center")
    return proxy, {f"{number:04d}.png": str(digit) for number, digit in enumerate(data.target[:900])}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with label_studio.running(tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture(scope="module")
def owner(studio):
    with Server(studio.url, studio.token(studio.admin)) as server:
        yield server


@pytest.fixture(scope="module")
def colleague(studio):
    with Server(studio.url, studio.token("second@example.org", invited=True)) as server:
        yield server


def annotate(server, number, label, **more):
    choice = {"from_name": "label", "to_name": "item", "type": "choices", "value": {"choices": [label]}}
    return server._client.annotations.create(id=number, result=[choice], **more).id


def items(server, title):
    return [task.id for task in server.tasks(server.find_project(title))]


def test_a_push_that_was_killed_goes_on_and_two_people_label(digits, studio, owner, colleague, tmp_path):
    proxy, truth = digits
    ranked = proxy.selection().column("id").to_pylist()
    (tmp_path / "token").write_text(owner.token + "\n")
    arguments = [
        "label",
        "push",
        proxy.folder,
        "--url",
        studio.url,
        "--token-file",
        tmp_path / "token",
        "--project",
    ]
    arguments += ["killed", "--classes", ",".join(CLASSES), "--annotators", "2", "--json"]
    whole = [*PROGRAM, *map(str, arguments)]

    first = subprocess.Popen([*whole, "--chunk", "10"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while (project := owner.find_project("killed")) is None or owner.count(project) < 100:
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    there = owner.count(project)
    assert 100 <= there < 500

    second = subprocess.run(whole, capture_output=True, text=True, check=True)
    facts = json.loads(second.stdout)
    assert facts["sent"] + facts["present"] == 500 and facts["present"] >= there
    assert owner.token not in second.stdout + second.stderr
    assert items(owner, "killed") == ranked  # each once, best first
    third = json.loads(subprocess.run(whole, capture_output=True, text=True, check=True).stdout)
    assert (third["sent"], third["present"]) == (0, 500)

    tasks = list(owner.tasks(project))
    said = {"owner": {}, "colleague": {}}
    rng = np.random.default_rng(0)
    for task in tasks[:120]:
        said["owner"][task.id] = truth[task.id]
        annotate(owner, task.number, truth[task.id])
    for task in tasks[:80]:
        wrong = rng.random() < 0.15
        said["colleague"][task.id] = str((int(truth[task.id]) + wrong) % 10)
        annotate(colleague, task.number, said["colleague"][task.id])

    pulling = [
        "label",
        "pull",
        "--url",
        studio.url,
        "--token-file",
        tmp_path / "token",
        "--project",
        "killed",
        "--out",
    ]
    out = tmp_path / "labels.csv"
    found = subprocess.run(
        [*PROGRAM, *map(str, [*pulling, out, "--json"])], capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout)["answers"] == 200
    answers = read_labels(out)
    by_name = {"owner@example.org": "owner", "second@example.org": "colleague"}
    assert {(a.id, by_name[a.annotator]): a.label for a in answers} == {
        (item, who): label for who, labels in said.items() for item, label in labels.items()
    }
    checked = subprocess.run(
        [*PROGRAM, "label", "check", out, proxy.folder, "--index", proxy.folder.parent / "index", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    facts = json.loads(checked.stdout)
    shared = list(said["colleague"])
    kappa = cohen_kappa_score(
        [said["owner"][item] for item in shared], [said["colleague"][item] for item in shared]
    )
    differ = {item for item in shared if said["owner"][item] != said["colleague"][item]}
    assert facts["pairs"][0]["kappa"] == pytest.approx(kappa)
    assert set(facts["disagreed"]) == set(facts["ties"]) == differ and differ
    assert facts["labeled"] == 120 - len(differ)
    labels = match_labels(answers, proxy, classes=CLASSES)
    assert all(label == truth[item] for item, label in zip(labels.ids, labels.labels, strict=True))


def test_the_first_then_the_rest_and_only_what_changed(digits, owner, tmp_path):
    proxy, truth = digits
    ranked = proxy.selection().column("id").to_pylist()
    assert push(proxy, owner, "first", CLASSES, first=30, chunk=20).sent == 30
    tasks = list(owner.tasks(owner.find_project("first")))
    numbers = {task.id: annotate(owner, task.number, truth[task.id]) for task in tasks[:10]}
    out = tmp_path / "labels.jsonl"
    assert pull(owner, "first", out).answers == 10
    done = push(proxy, owner, "first", CLASSES, first=40)
    assert (done.sent, done.present) == (10, 30)
    assert items(owner, "first") == ranked[:40]

    client, items_of = owner._client, list(numbers)
    client.annotations.delete(numbers[items_of[0]])
    choice = {"from_name": "label", "to_name": "item", "type": "choices", "value": {"choices": ["0"]}}
    client.annotations.update(numbers[items_of[1]], result=[choice])
    annotate(owner, tasks[20].number, "5", was_cancelled=True)
    annotate(owner, tasks[21].number, "5")
    found = pull(owner, "first", out)
    changed = 2 + (truth[items_of[1]] != "0")
    assert (found.answers, found.changed, found.skipped) == (10, changed, 1)
    labels = {answer.id: answer.label for answer in read_labels(out)}
    assert items_of[0] not in labels
    assert (labels[items_of[1]], labels[tasks[21].id]) == ("0", "5")
    assert pull(owner, "first", out, everything=True).answers == 10
    assert {answer.id: answer.label for answer in read_labels(out)} == labels

    for task in owner.tasks(owner.find_project("first"), annotations=True):
        for annotation in task.annotations:
            client.annotations.delete(annotation["id"])
    assert pull(owner, "first", out).answers == 0
    annotate(owner, tasks[3].number, "3")
    assert pull(owner, "first", out).answers == 1


def test_a_lost_answer_and_a_race_leave_no_duplicates(digits, studio, owner):
    proxy, _ = digits
    ranked = proxy.selection().column("id").to_pylist()
    with lossy(studio.url, {2, 4}) as (url, lost), Server(url, owner.token) as server:
        done = push(proxy, server, "lossy", CLASSES, first=100, chunk=20)
    assert len(lost) == 2 and done.sent == 100
    assert items(owner, "lossy") == ranked[:100]

    # two pushes at once, each sure that these were missing; one of a pair already has a label
    project = owner.find_project("lossy")
    owner.send(project, list(label_tasks(proxy, ranked[:5])))
    tasks = list(owner.tasks(project))
    kept = next(task.number for task in tasks[100:] if task.id == ranked[3])
    annotate(owner, kept, "7")
    assert push(proxy, owner, "lossy", CLASSES, first=100).duplicates == 5
    assert Counter(items(owner, "lossy")) == Counter(ranked[:100])
    assert kept in {task.number for task in owner.tasks(project)}


def test_projects_that_are_something_else(digits, studio, owner, tmp_path):
    proxy, _ = digits
    with pytest.raises(InvalidInput, match="no project"):
        pull(owner, "nobody made it", tmp_path / "labels.csv")
    push(proxy, owner, "mine", CLASSES, first=2)
    with pytest.raises(InvalidInput, match="asks for 0, 1"):
        push(proxy, owner, "mine", ["odd", "even"], first=2)
    assert pull(owner, "mine", tmp_path / "labels.csv").answers == 0
    assert not (tmp_path / "labels.csv").exists()
    owner._client.projects.import_tasks(owner.find_project("mine"), request=[{"data": {"image": "x"}}])
    with pytest.raises(InvalidInput, match="1 tasks that proxyset did not make"):
        push(proxy, owner, "mine", CLASSES)
    with pytest.raises(InvalidInput, match="3 to 50"):
        push(proxy, owner, "x", CLASSES)
    (tmp_path / "labels.csv").write_text("id,label\n1,a\n")
    with pytest.raises(InvalidInput, match="was not pulled from"):
        pull(owner, "mine", tmp_path / "labels.csv")

    other = select_of_another_pool(tmp_path)
    push(proxy, owner, "pools", CLASSES, first=2)
    with pytest.raises(InvalidInput, match="2 items of another index"):
        push(other, owner, "pools", CLASSES)


def select_of_another_pool(folder):
    (folder / "pool").mkdir()
    for number in range(30):
        Image.fromarray(np.full((28, 28), number * 8, np.uint8)).save(folder / "pool" / f"{number:04d}.png")
    index = build_index(folder / "pool", folder / "index", encoder="hog", clusters=2)
    return select(index, [], folder / "proxy", budget=10, strategy="random")


def test_who_may_not_and_what_is_no_label_studio(studio, owner):
    head, payload, _ = owner.token.split(".")
    forged = f"{head}.{payload}.{'A' * 43}"
    with Server(studio.url, forged) as server, pytest.raises(TransportError) as refused:
        server.find_project("mine")
    assert forged not in str(refused.value) and "session" not in str(refused.value)
    with (
        Server("http://127.0.0.1:9", owner.token) as server,
        pytest.raises(TransportError, match="cannot be reached"),
    ):
        server.find_project("mine")
    with (
        lossy(studio.url, set(), page=b"<html>hello</html>") as (url, _),
        Server(url, owner.token) as server,
        pytest.raises(TransportError, match="not Label Studio"),
    ):
        server.find_project("mine")


def test_tasks_carried_by_hand_are_known_again(digits, owner, tmp_path):
    proxy, truth = digits
    export(proxy, "label-studio", tmp_path / "tasks.json")
    project = owner.make_project("by hand", CLASSES, "image", None)
    owner.send(project, json.loads((tmp_path / "tasks.json").read_text())[:50])
    done = push(proxy, owner, "by hand", CLASSES, first=60)
    assert (done.sent, done.present) == (10, 50)
    task = next(owner.tasks(project))
    annotate(owner, task.number, truth[task.id])
    assert pull(owner, "by hand", tmp_path / "labels.csv").answers == 1
    exported = owner._client.projects.exports.as_json(project)
    (tmp_path / "exported.json").write_text(json.dumps(exported))
    assert is_export(tmp_path / "exported.json")
    (answer,) = read_export(tmp_path / "exported.json")
    assert (answer.id, answer.label, answer.hash) == (task.id, truth[task.id], task.hash)


@pytest.mark.parametrize(
    ("kind", "pool"), [(kind, pool) for kind in ("image", "text") for pool in POOLS[kind]]
)
def test_what_is_exported_is_imported(owner, tmp_path, kind, pool):
    """The cells of the matrix in docs/data.md: Label Studio's own import, and what it has then."""
    proxy = chosen(built(POOLS[kind][pool](tmp_path / "pool"), tmp_path / "index"), tmp_path / "proxy")
    export(proxy, "label-studio", tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    project = owner.make_project(f"{kind}s of {pool}", CLASSES, kind, None)
    owner.send(project, tasks)
    there = [owner._client.tasks.get(id=str(task.number)) for task in owner.tasks(project)]
    found = {task.data["proxyset_id"]: (task.data, task.meta) for task in there}
    assert found == {task["data"]["proxyset_id"]: (task["data"], task["meta"]) for task in tasks}
    assert len(found) == len(proxy)
