import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import proxyset
from proxyset import Curation
from proxyset.errors import InvalidData, InvalidInput

CENTRES = np.random.default_rng(5).normal(size=(4, 6)) * 5
ROWS = np.arange(600)
X = (CENTRES[ROWS % 4] + np.random.default_rng(6).normal(size=(600, 6))).astype(np.float32)
LABELS = [["cat", "dog", "owl", None][row % 4] if row % 10 else "rare" for row in ROWS]
LICENCES = [["CC0-1.0", "CC-BY-4.0", "proprietary", None][row % 7 % 4] for row in ROWS]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curation")
    table = {
        "id": [f"i{row}" for row in ROWS],
        "embedding": pa.array(list(X)),
        "label": LABELS,
        "licence": LICENCES,
    }
    pq.write_table(pa.table(table), folder / "pool.parquet")
    np.save(folder / "test.npy", X[:50])
    np.save(folder / "wanted.npy", X[ROWS % 4 == 2][:80] + 0.01)
    return folder


@pytest.fixture(scope="module")
def index(work):
    return proxyset.build_index(work / "pool.parquet", work / "index", encoder="embeddings", clusters=8)


@pytest.fixture
def drawn(index, tmp_path):
    def draw(budget=60, strategy="k-center", name="proxy", **asked):
        reference = asked.pop("reference", None)
        return proxyset.select(
            index,
            (),
            tmp_path / name,
            budget=budget,
            strategy=strategy,
            reference=reference,
            curation=Curation(**asked),
        )

    return draw


def column(proxy, name):
    return proxy.selection().column(name).to_pylist()


def test_licences(drawn):
    proxy = drawn(only={"licence": ["CC0*", "CC-BY-4.0"]}, without={"label": ["cat"]}, budget=500)
    assert set(column(proxy, "licence")) == {"CC0-1.0", "CC-BY-4.0"} and "cat" not in column(proxy, "label")
    fits = [a in ("CC0-1.0", "CC-BY-4.0") and b != "cat" for a, b in zip(LICENCES, LABELS, strict=True)]
    assert proxy.card.items == sum(fits) and proxy.card.requested == 500
    assert proxy.card.curated.left_out == {
        "licence is not CC0* or CC-BY-4.0": LICENCES.count("proprietary") + LICENCES.count(None),
        "label is cat": LABELS.count("cat"),
    }
    assert "could not be chosen: label is cat" in (proxy.folder / "card.md").read_text()
    assert proxyset.ProxySet.open(proxy.folder).card == proxy.card


def test_least_shares(drawn):
    free = Counter(column(drawn(name="free"), "label"))
    assert free["rare"] < 15
    found = Counter(column(drawn(min_share={"label": {"rare": 0.25}}), "label"))
    assert found["rare"] == 15
    found = Counter(column(drawn(name="each", min_share={"label": 0.2}), "label"))
    assert all(found[label] >= 12 for label in ("cat", "dog", "owl", "rare"))


def test_what_was_chosen_before_is_not_chosen_again(drawn):
    first = drawn(name="first", strategy="random")
    second = drawn(name="second", strategy="random", after=first.ids())
    assert not set(first.ids()) & set(second.ids()) and second.card.curated.after == 60
    assert drawn(name="rest", budget=600, after=first.ids()).card.items == 540


def test_a_test_set_stays_out(drawn, work):
    proxy = drawn(budget=600, apart_from=[work / "test.npy"])
    assert not {f"i{row}" for row in range(50)} & set(proxy.ids()) and proxy.card.items >= 540
    wide = drawn(name="wide", budget=600, apart_from=[work / "test.npy"], near=0.3)
    assert wide.card.items < proxy.card.items and set(wide.ids()) < set(proxy.ids())
    (count,) = wide.card.curated.left_out.values()
    assert count == 600 - wide.card.items and wide.card.curated.near == 0.3


@pytest.mark.parametrize("strategy", ["density-ratio", "ecos", "facility-location"])
def test_a_public_reference_takes_the_place_of_an_answer(drawn, work, strategy):
    proxy = drawn(budget=40, strategy=strategy, reference=work / "wanted.npy")
    kinds = [int(name[1:]) % 4 for name in proxy.ids()]
    assert np.mean(np.array(kinds) == 2) > 0.7  # a quarter of the pool
    assert proxy.card.releases == [] and proxy.card.reference.endswith("wanted.npy")
    assert "No client was asked" in (proxy.folder / "card.md").read_text()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"only": {"colour": ["red"]}}, "no column 'colour': it keeps id, label, source"),
        ({"only": {"source": ["a"]}}, "names no source for any item"),
        ({"only": {"label": []}}, "a list of at least one"),
        ({"only": {"label": "cat"}}, "a list of at least one"),
        ({"only": {"label": ["bird"]}}, "none of the 600 items"),
        ({"min_share": {"label": 0.3}}, "4 values of label add up to 1.2: at most 0.25 each"),
        ({"min_share": {"label": {"bird": 0.1}}}, "no item of the pool has the label 'bird'"),
        ({"min_share": {"label": 0.1, "licence": 0.1}}, "one column"),
        ({"min_share": {"label": {"cat": float("nan")}}}, "at least 0 and together at most 1"),
        ({"after": ["i3", "i600"]}, "1 of 2 ids that were chosen before"),
        ({"apart_from": ["nowhere"]}, "nowhere does not exist"),
        ({"after": ["i3"], "near": -1.0}, "at least 0, not -1"),
    ],
)
def test_what_cannot_be_done_is_said(drawn, asked, said):
    with pytest.raises((InvalidInput, InvalidData), match=said):
        drawn(**asked)


def test_an_item_that_cannot_be_compared_is_named(drawn, work, tmp_path):
    broken = X[:3].copy()
    broken[1, 0] = np.nan
    np.save(tmp_path / "broken.npy", broken)
    with pytest.raises(InvalidData, match=r"1 items of .*broken.npy cannot be encoded, such as '1'"):
        drawn(apart_from=[tmp_path / "broken.npy"])


def test_on_the_command_line(index, work, tmp_path, command):
    start = ("select", index.folder, "--budget", 40, "--json", "--strategy", "random")
    assert command(*start, "--out", tmp_path / "first")[0] == 0
    status, facts, said = command(
        *start[:-1],
        "density-ratio",
        *(
            "--reference",
            work / "wanted.npy",
            "--after",
            tmp_path / "first",
            "--apart-from",
            work / "test.npy",
        ),
        *("--only", "licence=CC0*", "--only", "licence=CC-BY*", "--without", "label=cat", "--near", 0.01),
        *("--min-share", "label:rare=0.2", "--min-share", "label:dog=0.1", "--out", tmp_path / "second"),
    )
    assert status == 0 and "could not be chosen: label is cat" in said
    assert (
        facts["curated"]["min_share"] == {"label": {"rare": 0.2, "dog": 0.1}}
        and facts["curated"]["after"] == 40
    )
    card = json.loads((tmp_path / "second" / "card.json").read_text())
    assert card["curated"] == facts["curated"] and card["reference"]
    assert Counter(column(proxyset.ProxySet.open(tmp_path / "second"), "label"))["rare"] >= 8
    for wrong in (
        ("--only", "licence"),
        ("--min-share", "label=2"),
        ("--min-share", "label"),
        ("--min-share", "label=0.1", "--min-share", "label:cat=0.1"),
        ("--reference", work / "wanted.npy", "--reference", work / "none.npy"),
    ):
        assert command(*start, "--out", tmp_path / "wrong", *wrong)[0] == 1


def test_releases_and_a_reference_are_one_too_many(index, work, tmp_path):
    release = proxyset.answer(index.probe(), X, epsilon=1.0, ledger=tmp_path / "ledger", dataset="x")
    with pytest.raises(InvalidInput, match="1 releases and the reference"):
        proxyset.select(index, release, tmp_path / "proxy", budget=5, reference=work / "wanted.npy")
