"""The method without files: an index and a proxy set that nobody gave a folder."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from proxyset.client.answer import answer
from proxyset.cloud.build import build_index
from proxyset.cloud.curation import Curation
from proxyset.cloud.executor import LocalExecutor
from proxyset.cloud.export import export
from proxyset.cloud.index import Index
from proxyset.cloud.progress import default_progress
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.encoders import FunctionEncoder
from proxyset.errors import InvalidInput

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(6, 8)) * 6)[np.arange(600) % 6].astype(np.float32) + RNG.normal(size=(600, 8)).astype(
    np.float32
)
WORDS = ["river", "stone", "engine", "violet"]
TEXTS = [" ".join(RNG.choice(WORDS, 5)) for _ in range(80)]
PICTURES = [Image.fromarray(RNG.integers(0, 256, (28, 28), dtype=np.uint8)) for _ in range(30)]
ROWS = [
    {"age": float(RNG.integers(90)), "ward": str(RNG.choice(["a", "b"])), "label": "x"} for _ in range(60)
]


def counted(texts: list[str]) -> np.ndarray:
    return np.array([[text.count(word) for word in WORDS] for text in texts], float)


PHI = FunctionEncoder("word counts", counted)
POOLS: dict[str, tuple[Any, Any]] = {
    "embedding": (X, "auto"),
    "text": (TEXTS, PHI),
    "image": (PICTURES, "hog"),
    "table": (ROWS, "tabular"),
}


def chosen(kind: str, **options: Any) -> ProxySet:
    pool, encoder = POOLS[kind]
    if encoder == "hog":
        pytest.importorskip("skimage")
    return select(
        build_index(pool, clusters=4, encoder=encoder), [], budget=10, strategy="k-center", **options
    )


def test_the_whole_exchange_without_a_folder(tmp_path: Path) -> None:
    index = build_index(X, clusters=6)
    release = answer(index.probe(), X[:50], epsilon=1.0, dataset="ward 3", ledger=tmp_path / "l.sqlite")
    proxy = select(index, release, budget=40)
    assert len(proxy) == 40
    np.testing.assert_array_equal(
        np.stack(list(proxy.items())), X[[int(i) for i in proxy.selection()["id"].to_pylist()]]
    )


def test_memory_and_files_give_the_same_index(tmp_path: Path) -> None:
    np.save(tmp_path / "pool.npy", X)
    filed = build_index(tmp_path / "pool.npy", tmp_path / "index", clusters=6)
    assert build_index(X, clusters=6).fingerprint == filed.fingerprint


def test_scratch_folders_go_with_what_they_hold() -> None:
    index = build_index(X, clusters=3)
    proxy = select(index, [], budget=5, strategy="random")
    folders = [index.folder, proxy.folder.parent]
    items = proxy.to_torch() if sys.modules.get("torch") else proxy
    assert all(folder.is_dir() for folder in folders)
    del index, proxy
    gc.collect()
    assert [folder.exists() for folder in folders] == [False, True]
    del items
    gc.collect()
    assert not folders[1].exists()


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(InvalidInput, match="clusters need at least as many items"):
        build_index(X, clusters=5000)
    assert not list(tmp_path.iterdir())


def test_a_notebooks_cell_can_be_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        index = build_index(X, tmp_path / "index", clusters=6)
        proxy = select(index, [], tmp_path / "proxy", budget=9, strategy="k-center")
        assert len(proxy) == 9
    with pytest.raises(FileExistsError, match="requested was 9, now 8"):
        select(index, [], tmp_path / "proxy", budget=8, strategy="k-center")
    with pytest.raises(InvalidInput, match="holds an index built differently"):
        build_index(X + 1, tmp_path / "index", clusters=6)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(FileExistsError):
        select(index, [], tmp_path / "other", budget=8, strategy="k-center")


def test_an_index_that_is_kept_takes_its_pool_again(tmp_path: Path) -> None:
    build_index(TEXTS, clusters=4, encoder=PHI).save(tmp_path / "index")
    with pytest.raises(InvalidInput, match="pool=…"):
        select(Index.open(tmp_path / "index"), [], budget=5, strategy="random")
    with pytest.raises(InvalidInput, match="was built from in-memory:"):
        Index.open(tmp_path / "index", pool=TEXTS[::-1])
    index = Index.open(tmp_path / "index", pool=TEXTS)
    proxy = select(index, [], budget=5, strategy="random").save(tmp_path / "proxy")
    assert [TEXTS[int(i)] for i in proxy.selection()["id"].to_pylist()] == list(
        ProxySet.open(tmp_path / "proxy").items()
    )


@pytest.mark.parametrize("kind", POOLS)
def test_a_proxy_set_opens_as_what_is_asked_for(kind: str) -> None:
    proxy = chosen(kind)
    table = proxy.to_arrow()
    assert isinstance(table, pa.Table) and len(table) == 10
    pytest.importorskip("pandas")
    frame = proxy.to_pandas()
    assert list(frame["rank"]) == list(range(10)) and (kind in frame or kind == "table")


@pytest.mark.parametrize("kind", POOLS)
def test_a_proxy_set_opens_in_torch(kind: str) -> None:
    torch = pytest.importorskip("torch")
    data = chosen(kind).to_torch()
    item, label = data[0]
    assert isinstance(data, torch.utils.data.Dataset) and len(data) == 10
    kinds = {"embedding": torch.Tensor, "text": str, "image": Image.Image, "table": dict}
    assert isinstance(item, kinds[kind])
    assert label == (0 if kind == "table" else -1) and data.classes == (["x"] if kind == "table" else [])
    assert chosen(kind).to_torch(lambda item: 7)[3][0] == 7


@pytest.mark.parametrize("kind", POOLS)
def test_a_proxy_set_opens_in_hugging_face(kind: str) -> None:
    pytest.importorskip("datasets")
    data = chosen(kind).to_huggingface()
    assert len(data) == 10
    if kind == "image":
        assert data[0]["image"].size == (28, 28)


def test_a_proxy_set_without_a_folder_is_exported(tmp_path: Path) -> None:
    export(chosen("text"), "csv", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().count("\n") == 11


def test_medoids_are_shown_from_memory() -> None:
    probe = build_index(TEXTS, clusters=4, encoder=PHI, medoids=True).probe()
    assert probe.medoids and probe.medoids.contents
    assert {content.decode() for content in probe.medoids.contents} <= set(TEXTS)


def test_other_processes_take_names_alone(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "river"}\n{"text": "stone"}\n')
    with pytest.raises(InvalidInput, match="or no executor"):
        build_index(X, executor=LocalExecutor(2))
    with pytest.raises(InvalidInput, match="or no executor"):
        build_index(tmp_path / "t.jsonl", encoder=PHI, executor=LocalExecutor(2))
    assert len(build_index(tmp_path / "t.jsonl", encoder=PHI)) == 2


def test_items_that_the_function_cannot_encode_are_skipped_and_counted() -> None:
    def strict(texts: list[str]) -> np.ndarray:
        if any("violet violet" in text for text in texts):
            raise ValueError("violet twice")
        return counted(texts)

    pool = [*TEXTS, "river violet violet"]
    bad = sum("violet violet" in text for text in pool)
    with pytest.raises(
        InvalidInput, match=rf"{bad} of 81 items could not be encoded.*ValueError: violet twice"
    ):
        build_index(
            [pool[-1], *pool[:-1]][::-1], encoder=FunctionEncoder("strict", strict), clusters=2, max_corrupt=0
        )


def test_what_results_say_of_themselves(tmp_path: Path) -> None:
    index = build_index(X, clusters=6)
    probe = index.probe(purpose="<script>")
    release = answer(probe, X[:50], epsilon=0.5, dataset="ward 3", ledger=tmp_path / "l.sqlite")
    proxy = select(index, release, budget=12)
    assert repr(index) == "<Index of 600 embedding items in 6 clusters, 8 features by embeddings>"
    assert repr(probe) == "<Probe of 6 centroids of 8 numbers, 8 features by embeddings>"
    assert repr(release).startswith("<Release of 6 noisy counts: ε = 0.5 at δ = 1e-05 for one record, σ = ")
    assert repr(proxy).startswith("<ProxySet of 12 of 600 embedding items by density-ratio, from ")
    for shown in (index, release, proxy):
        page = shown._repr_html_()
        assert page.count("<rect") >= 6 and page.count("<svg") == 1
    assert "&lt;script&gt;" in probe._repr_html_() and "<script>" not in probe._repr_html_()


def test_progress_is_shown_in_notebooks_alone() -> None:
    assert type(default_progress()).__name__ == "function"
    pytest.importorskip("IPython")
    code = (
        "import numpy as np, proxyset\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.kernel = object()\n"
        "from IPython.utils.capture import capture_output\n"
        "with capture_output() as seen: proxyset.build_index(np.random.normal(size=(50, 3)), clusters=2)\n"
        "print(len(seen.outputs), '<progress' in seen.outputs[0].data['text/html'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, found = result.stdout.split()[-2:]
    assert int(count) >= 3 and found == "True"


def test_public_sets_in_memory_say_what_is_wanted_and_what_stays_out() -> None:
    index = build_index(TEXTS, clusters=4, encoder=PHI)
    proxy = select(index, [], budget=10, reference=TEXTS[:20], curation=Curation(apart_from=[TEXTS[:3]]))
    assert not set(TEXTS[:3]) & set(proxy.items())
    assert proxy.card.reference == "a set of 20 in memory"
