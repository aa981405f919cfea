"""docs/extend.md, run as a package outside the repository."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import proxyset
from proxyset.encoders import encoder_for, load_encoder
from proxyset.encoders.encoder import Encoded, EncoderSpec
from proxyset.encoders.foreign import guarded
from proxyset.errors import EncoderMismatch, InvalidInput

PAGE = (Path(__file__).parents[1] / "docs" / "extend.md").read_text(encoding="utf-8")
TEXTS = [f"{word} number {n}" for n in range(20) for word in ("alpha", "beta", "zoo", "quiz")]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """`their_lab`, written from the page's blocks and installed: a folder on sys.path with the metadata that pip writes."""
    site = tmp_path_factory.mktemp("site")
    for name, code in re.findall(r"```python\n# (their_lab/\w+\.py)\n(.*?)```", PAGE, re.DOTALL):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(code)
    (site / "their_lab" / "__init__.py").touch()
    offers, experiment = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (site / "experiment.toml").write_text(experiment)
    info = site / "their_lab-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-lab\nVersion: 1\n")
    points = tomllib.loads(offers)["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "\n".join(f"{n} = {v}" for n, v in named.items()) for group, named in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (site / "pool.txt").write_text("\n".join(TEXTS))
    sys.path.insert(0, str(site))
    yield site
    sys.path.remove(str(site))
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_lab"]:
        del sys.modules[name]


def test_a_strategy_an_encoder_and_a_pool_on_the_command_line(package, tmp_path, command):
    for name, pool, encoder, strategy in (
        ("named", "notes:", "letters", "proportional"),
        ("class", "their_lab.source:Notes:", "their_lab.encoder:Letters", "their_lab.strategy:Proportional"),
    ):
        work = tmp_path / name
        work.mkdir()
        arguments = ("--clusters", 4, "--out", work / "index", "--encoder", encoder)
        for _ in range(2):  # the second time it is there
            status, facts, _ = command(
                "index", "build", f"{pool}{package / 'pool.txt'}", *arguments, "--json"
            )
        assert (status, facts["encoder"], facts["items"]) == (0, "letters", 80)
        index = proxyset.Index.open(work / "index")
        (work / "private.jsonl").write_text("\n".join(f'{{"text": "zoo, the {n}th"}}' for n in range(300)))
        local = {} if name == "named" else {"encoder": encoder}
        release = proxyset.answer(
            index.probe(), work / "private.jsonl", epsilon=3.0, ledger=work / "ledger", **local
        )
        (work / "r.safetensors").write_bytes(release.to_bytes())
        status, facts, _ = command(
            *("select", work / "index", work / "r.safetensors", "--budget", 12, "--strategy", strategy),
            *("--out", work / "proxy", "--json"),
        )
        assert (status, facts["strategy"]) == (0, "proportional")
        proxy = proxyset.ProxySet.open(work / "proxy")
        assert set(proxy.selection().column("licence").to_pylist()) == {"CC0-1.0"}
        assert sum(text.startswith("zoo") for text in proxy.items()) > 6
    same = proxyset.rank(index, release, 12, strategy=sys.modules["their_lab.strategy"].Proportional())
    assert [f"note-{row}" for row in same.rows] == proxy.selection().column("id").to_pylist()


def test_the_benchmark_takes_them(package, tmp_path, monkeypatch):
    from proxyset_lab.data.registry import DATA_SETS
    from proxyset_lab.experiment import Experiment
    from proxyset_lab.runner import run_experiment
    from proxyset_lab.store import Store

    monkeypatch.setenv("PROXYSET_CACHE", str(tmp_path / "cache"))
    experiment = Experiment.read(package / "experiment.toml")
    store = Store(tmp_path / "results")
    assert "words" in DATA_SETS.names()
    assert run_experiment(experiment, store) == 0
    results = [result for group in experiment.groups() for result in store.read(group).values()]
    assert {result.cell.method for result in results} == set(experiment.methods)
    assert len(results) == 4 and all(result.outcome.picked == 20 for result in results)


def test_a_campaign_takes_the_installed_name_and_no_class(package, tmp_path):
    from proxyset.server import campaigns
    from proxyset.server.state import State
    from proxyset.wire.campaign import Ask

    np.save(tmp_path / "pool.npy", np.eye(8, dtype=np.float32))
    index = proxyset.build_index(tmp_path / "pool.npy", tmp_path / "index", encoder="embeddings", clusters=2)
    state = State.open(tmp_path / "state")
    ask = Ask(
        epsilon_low=0.1, epsilon_high=1, delta=1e-5, unit="record", max_records=1, adjacency="add-remove"
    )
    assert (
        campaigns.create(state, "named", index, ask, budget=3, strategy="proportional").strategy
        == "proportional"
    )
    for strategy in ("their_lab.strategy:Proportional", "os:system"):
        with pytest.raises(InvalidInput, match="unknown strategy"):
            campaigns.create(state, "class", index, ask, budget=3, strategy=strategy)
    with pytest.raises(InvalidInput, match="unknown strategy"):
        campaigns.draw(state, "named", strategy="os:system")


class Careless:
    """Fails for some items, in all the ways that there are."""

    kind = "text"
    spec = EncoderSpec(name="careless", dim=2)

    def encode(self, items):
        if "raise" in items:
            raise KeyError("raise")
        if "elsewhere" in items:
            return Encoded(np.ones((len(items), 2), np.float32), {99: "not here"})
        if "nothing" in items:
            return None
        rows = [[1.0, np.nan if item == "nan" else 2.0] for item in items]
        return Encoded(np.array(rows + [[0.0, 0.0]] * items.count("more"), np.float32))


class OfTables(Careless):
    kind = "table"


class Impostor(Careless):
    spec = EncoderSpec(name="hog", dim=2)


def test_an_item_that_a_stranger_fails_for_takes_no_other_along():
    found = guarded(Careless()).encode(["good", "raise", "nan", "more", "elsewhere", "nothing", "good"])
    assert sorted(found.problems) == [1, 2, 3, 4, 5] and "KeyError" in found.problems[1]
    np.testing.assert_array_equal(found.embeddings[[0, 6]], [[1, 2], [1, 2]])
    assert not found.embeddings[1:6].any()


def test_strangers_that_cannot_be_taken_are_told_why(package):
    here = "tests.test_extend"
    with pytest.raises(InvalidInput, match="'table' items; an encoder of another package"):
        load_encoder(f"{here}:OfTables")
    with pytest.raises(InvalidInput, match="calls itself 'hog'"):
        load_encoder(f"{here}:Impostor")
    letters = load_encoder("letters")
    with pytest.raises(EncoderMismatch, match="name its class, module:Class"):
        encoder_for(EncoderSpec(name="careless", dim=2))
    with pytest.raises(EncoderMismatch, match=r"First difference: dim is 27 there, 26 here"):
        encoder_for(letters.spec.model_copy(update={"dim": 27}))
    with pytest.raises(EncoderMismatch):
        encoder_for(letters.spec, local=f"{here}:Careless")
    with pytest.raises(EncoderMismatch, match="set to"):
        encoder_for(letters.spec, local="hog")
