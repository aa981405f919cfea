"""The matrix of forms and kinds: what is exported is read back as it was, and the next tool reads it too."""

import csv
import datetime
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from proxyset.cloud.build import build_index
from proxyset.cloud.export import FORMS, export, folder_names
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.errors import ArtifactError, InvalidData, InvalidInput
from proxyset.jobs.label_studio.server import labeling_config

N = 12
DOCS = Path(__file__).parents[2] / "docs" / "data.md"
LABELS = ["7", "cat", "a/b", "a:b", "Cat", "..", "con", "unlabeled", "é" * 90, "x" * 200, "=SUM(A1)", None]
IDS = [f"item.{row} é/{row % 3}" for row in range(N)]
TEXTS = [
    "plain",
    "=cmd|' /C calc'!A0",
    "a,b\tc",
    'quotes "',
    "line\r\nbreak",
    "'=quoted",
    "+49 30 1234",
    "  spaces ",
]
TEXTS += ["é", "-", "@x", "x" * 200_000]
INT = 9_007_199_254_741_063
MOMENT = datetime.datetime(2024, 8, 13, 14, 0, tzinfo=datetime.UTC)


def picture(row, form="PNG"):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(row).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def tar_of(path, members):
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def kept(**items):
    return pa.table({"id": IDS, "label": LABELS, "licence": ["CC0"] * N, **items})


def image_folder(path):
    for row in range(N):
        (path / f"class {row % 3}").mkdir(parents=True, exist_ok=True)
        (path / f"class {row % 3}" / f"photo.{row}.v1.jpeg").write_bytes(picture(row, "JPEG"))
    return path


def image_tar(path):
    members = [(f"photo.2020.{row:04d}.png", picture(row)) for row in range(N)]
    facts = [
        (f"photo.2020.{row:04d}.json", json.dumps({"label": label}).encode())
        for row, label in enumerate(LABELS)
    ]
    return tar_of(path.with_suffix(".tar"), sorted(members + facts))


def parquet(path, table):
    pq.write_table(table, path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def image_parquet(path):
    return parquet(path, kept(image=[picture(row) for row in range(N)]))


def text_parquet(path):
    return parquet(path, kept(text=TEXTS))


def text_jsonl(path):
    rows = [
        {"id": name, "text": text, "label": label}
        for name, text, label in zip(IDS, TEXTS, LABELS, strict=True)
    ]
    path = path.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def text_csv(path):
    path = path.with_suffix(".csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *zip(TEXTS, LABELS, strict=True)])
    return path


ROWS = {
    "big": [INT + row for row in range(N)],
    "when": pa.array([MOMENT + datetime.timedelta(hours=row) for row in range(N)], pa.timestamp("ns", "UTC")),
    "day": [datetime.date(2024, 1, 1 + row) for row in range(N)],
    "flag": [row % 2 == 0 for row in range(N)],
    "code": [f"{row % 4:05d}" for row in range(N)],
    "phone": [f"+4930{row % 3}" for row in range(N)],
    "small": pa.array([row / 7 for row in range(N)], pa.float32()),
    "rank": ["=a", "'=b", "c"] * (N // 3),
    "score": [row + 0.5 for row in range(N)],
    "hash": [row % 5 for row in range(N)],
    "Age": [row % 4 for row in range(N)],
    "age": [row % 3 for row in range(N)],
}


def table_parquet(path):
    return parquet(path, kept(**ROWS, tags=[[row] for row in range(N)]))


def table_csv(path):
    path = path.with_suffix(".csv")
    table = pa.table(ROWS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", *table.column_names])
        for name, label, row in zip(IDS, LABELS, table.to_pylist(), strict=True):
            writer.writerow([name, label, *row.values()])
    return path


X = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)


def embedding_npy(path):
    np.save(path.with_suffix(".npy"), X)
    return path.with_suffix(".npy")


def embedding_parquet(path):
    return parquet(path, kept(embedding=list(X)))


def clip_retrieval(path):
    for part, rows in (("2", slice(0, 5)), ("10", slice(5, N))):
        (path / "img_emb").mkdir(parents=True, exist_ok=True)
        (path / "metadata").mkdir(exist_ok=True)
        np.save(path / "img_emb" / f"img_emb_{part}.npy", X[rows])
        pq.write_table(
            kept().slice(rows.start, rows.stop - rows.start), path / "metadata" / f"metadata_{part}.parquet"
        )
    return path


POOLS = {
    "image": {"folder": image_folder, "tar": image_tar, "Parquet": image_parquet},
    "text": {"JSONL": text_jsonl, "CSV": text_csv, "Parquet": text_parquet},
    "table": {"CSV": table_csv, "Parquet": table_parquet},
    "embedding": {".npy": embedding_npy, "Parquet": embedding_parquet, "clip-retrieval": clip_retrieval},
}
# What each form gives of each kind: the items again, a list of them, or tasks for annotators.
GIVES = {
    "imagefolder": {"image": "items"},
    "webdataset": {"image": "items", "text": "items"},
    "parquet": dict.fromkeys(POOLS, "items"),
    "csv": {"image": "list", "text": "items", "table": "items", "embedding": "list"},
    "label-studio": {"image": "tasks", "text": "tasks"},
}
READ_BY = {
    "imagefolder": "`datasets`, torchvision's layout",
    "webdataset": "`webdataset` with `.decode()`, `datasets`",
    "parquet": "`pandas`, `datasets`",
    "csv": "`pandas`, `datasets`",
    "label-studio": "Label Studio's import",
}


def built(pool, folder):
    return build_index(pool, folder, clusters=3)


def chosen(index, out):
    return select(index, [], out, budget=N, strategy="random")


def told(index):
    """id → (label, licence, item as it can be compared)."""
    table = index.rows(np.arange(len(index)), ["id", "label", "licence"])
    items = dict(index.fetch(table))
    return {row["id"]: (row["label"], row["licence"], plain(items[row["id"]])) for row in table.to_pylist()}


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def plain(item):
    if isinstance(item, pa.Table):
        return item.to_pylist()[0]
    return item.tolist() if isinstance(item, np.ndarray) else item


@pytest.fixture(scope="module")
def proxies(tmp_path_factory):
    """(kind, form of the pool) → its index and proxy set."""
    root = tmp_path_factory.mktemp("pools")
    found = {}
    for kind, forms in POOLS.items():
        for form, write in forms.items():
            index = built(write(root / f"{kind}-{form.strip('.')}"), root / f"index-{kind}-{form}")
            found[kind, form] = index, chosen(index, root / f"proxy-{kind}-{form}")
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "pool"), [(kind, pool) for kind, pools in POOLS.items() for pool in pools])
def test_what_is_exported_is_read_back_as_it_was(proxies, tmp_path, kind, pool, form):
    index, proxy = proxies[kind, pool]
    out = tmp_path / ("out.csv" if form == "csv" else "out.parquet" if form == "parquet" else "out")
    if kind not in GIVES[form]:
        with pytest.raises(InvalidInput, match="use"):
            export(proxy, form, out)
        return
    export(proxy, form, out)
    if GIVES[form][kind] == "list":
        assert [row["proxyset_rank"] for row in rows_of(out)] == list(map(str, range(N)))
        return
    if GIVES[form][kind] == "tasks":
        tasks = json.loads(out.read_text())
        assert {task["data"]["proxyset_id"] for task in tasks} == told(index).keys()
        asked = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface(
            labeling_config(["a"], kind)
        )
        assert all(asked.validate_task(task) for task in tasks)  # tests/e2e really imports them
        return
    again, before = told(built(out, tmp_path / "index")), told(index)
    if (kind, form) == (
        "table",
        "csv",
    ) and pool == "Parquet":  # CSV has texts only; each reads as the value it was
        again, before = (
            {name: (label, licence, as_texts(row)) for name, (label, licence, row) in found.items()}
            for found in (again, before)
        )
    assert again == before


def as_texts(row):
    """A typed row as CSV has it."""
    spelled = {int: str, bool: lambda flag: str(flag).lower(), list: json.dumps}
    found = {}
    for name, value in row.items():
        if name == "when":
            found[name] = str(value)[:19] if isinstance(value, str) else value.strftime("%Y-%m-%d %H:%M:%S")
        elif name == "small":
            found[name] = f"{float(value):.5g}"
        else:
            found[name] = spelled.get(type(value), str)(value)
    return found


def test_the_selection_and_the_pool_never_overwrite_each_other(proxies, tmp_path):
    proxy = proxies["table", "Parquet"][1]
    export(proxy, "parquet", tmp_path / "x.parquet")
    export(proxy, "csv", tmp_path / "x.csv")
    typed = pq.read_table(tmp_path / "x.parquet")
    assert {"rank", "score", "hash", "proxyset_rank", "proxyset_score", "proxyset_hash"} <= set(
        typed.column_names
    )
    assert (
        typed.schema.field("when").type == pa.timestamp("ns", "UTC")
        and typed.schema.field("big").type == pa.int64()
    )
    written = rows_of(tmp_path / "x.csv")
    assert {row["big"] for row in written} == {str(INT + row) for row in range(N)}
    assert {row["rank"] for row in written} == {"'=a", "''=b", "c"}  # which a spreadsheet does not run
    assert {row["code"] for row in written} == {f"{row:05d}" for row in range(4)}


READERS = """
import json, sys, os
os.environ["HF_HUB_OFFLINE"] = "1"
import datasets, pandas, webdataset
root, cache = sys.argv[1:]
datasets.disable_progress_bars()
def loaded(form, **where):
    return datasets.load_dataset(form, split="train", cache_dir=cache, **where)
found = {}
folder = loaded("imagefolder", data_dir=f"{root}/imagefolder-image")
found["imagefolder"] = [len(folder), folder.features["label"].names, folder[0]["image"].size]
samples = list(webdataset.WebDataset(f"{root}/webdataset-image/00000.tar", shardshuffle=False).decode("pil"))
found["webdataset"] = [len(samples), samples[0]["png"].size, sorted(str(s["cls"]) for s in samples if "cls" in s)]
texts = list(webdataset.WebDataset(f"{root}/webdataset-text/00000.tar", shardshuffle=False).decode())
found["webdataset-text"] = sorted(sample["txt"] for sample in texts)
found["webdataset-hf"] = len(loaded("webdataset", data_files=f"{root}/webdataset-image/00000.tar"))
for kind in ("image", "text", "table", "embedding"):
    path = f"{root}/parquet-{kind}"
    found[f"parquet-{kind}"] = [len(loaded("parquet", data_files=path)), len(pandas.read_parquet(path))]
    path = f"{root}/csv-{kind}"
    found[f"csv-{kind}"] = [len(loaded("csv", data_files=path)), len(pandas.read_csv(path))]
tables = pandas.read_csv(f"{root}/csv-table"), pandas.read_parquet(f"{root}/parquet-table")
found["big"] = [sorted(table["big"].tolist()) for table in tables]
print(json.dumps(found))
"""


def test_the_next_tool_reads_it(proxies, tmp_path):
    for form, kinds in GIVES.items():
        for kind in kinds:
            export(proxies[kind, "Parquet"][1], form, tmp_path / f"{form}-{kind}")
    pytest.importorskip("datasets")
    pytest.importorskip("webdataset")
    done = subprocess.run(
        [sys.executable, "-c", READERS, str(tmp_path), str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    names = folder_names(LABELS)
    assert found["imagefolder"] == [N, sorted(names.values()), [40, 40]]
    assert found["webdataset"] == [
        N,
        [40, 40],
        ["7"],
    ]  # its decoder takes `.cls` for a number, so it holds none but numbers
    assert found["webdataset-text"] == sorted(TEXTS)
    assert found["webdataset-hf"] == N
    for kind in POOLS:
        assert found[f"parquet-{kind}"] == found[f"csv-{kind}"] == [N, N]
    assert found["big"] == [[INT + row for row in range(N)]] * 2


def test_labels_become_folders_that_no_other_label_has():
    names = folder_names([*LABELS, "", "a%2Fb", "e\u0301", "\u00e9", "a\x00b", "trailing.", "NUL.txt"])
    assert len({name.casefold() for name in names.values()}) == len(names)
    assert names["cat"].startswith("cat") and names["7"] == "7" and names[None] == "unlabeled"
    assert all(
        name not in ("", ".", "..") and "/" not in name and len(name.encode()) < 200
        for name in names.values()
    )


def test_a_text_that_csv_cannot_hold_is_refused(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "a\\u0000b"}\n{"text": "c"}\n')
    proxy = chosen(build_index(tmp_path / "x.jsonl", tmp_path / "index", clusters=1), tmp_path / "proxy")
    with pytest.raises(InvalidInput, match=r"1 cells of 'text' have U\+0000.*use parquet"):
        export(proxy, "csv", tmp_path / "x.csv")
    export(proxy, "parquet", tmp_path / "x.parquet")
    assert sorted(pq.read_table(tmp_path / "x.parquet").column("text").to_pylist()) == ["a\0b", "c"]


def test_a_phone_picture_is_read_back(tmp_path):
    (tmp_path / "pool").mkdir()
    for row in range(3):
        first, second = (Image.open(io.BytesIO(picture(seed))) for seed in (row, row + 9))
        first.save(tmp_path / "pool" / f"{row}.jpg", "MPO", save_all=True, append_images=[second])
    index = built(tmp_path / "pool", tmp_path / "index")
    export(chosen(index, tmp_path / "proxy"), "imagefolder", tmp_path / "out")
    assert sorted(path.suffix for path in (tmp_path / "out" / "unlabeled").iterdir()) == [".jpg"] * 3
    assert told(built(tmp_path / "out", tmp_path / "again")) == told(index)


def reversed_csv(path):
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(rows)]) + "\n")


def reversed_parquet(path):
    table = pq.read_table(path)
    pq.write_table(table.take(list(range(len(table)))[::-1]), path)


def overwritten(path):
    for picture_file in path.rglob("*.jpeg"):
        picture_file.write_bytes(picture(99, "JPEG"))


@pytest.mark.parametrize(
    ("write", "change"),
    [
        (lambda path: parquet(path, pa.table(ROWS)), reversed_parquet),
        (lambda path: parquet(path, pa.table({"text": TEXTS})), reversed_parquet),
        (lambda path: parquet(path, pa.table({"embedding": list(X)})), reversed_parquet),
        (embedding_npy, lambda path: np.save(path, X[::-1])),
        (
            lambda path: (
                path.with_suffix(".csv").write_text("n,m\n1,2\n3,4\n5,7\n8,9\n"),
                path.with_suffix(".csv"),
            )[1],
            reversed_csv,
        ),
        (image_folder, overwritten),
    ],
)
def test_a_changed_pool_is_noticed(tmp_path, write, change):
    path = write(tmp_path / "pool")
    index = build_index(path, tmp_path / "index", clusters=2, medoids=True)
    change(path)
    with pytest.raises(
        InvalidData, match=r"has changed since .* chosen items are not what was encoded, such as"
    ):
        chosen(Index.open(tmp_path / "index"), tmp_path / "proxy")
    assert not (tmp_path / "proxy").exists()
    if index.manifest.kind in ("image", "text"):
        with pytest.raises(InvalidData, match="are not what was encoded"):
            index.probe()


def test_a_pool_that_was_copied_or_has_company_is_the_same(tmp_path):
    path = image_folder(tmp_path / "pool")
    index = built(path, tmp_path / "index")
    (path / ".DS_Store").write_bytes(b"x")
    (path / "README.txt").write_text("about")
    (path / "class 0" / "added.png").write_bytes(picture(77))
    assert chosen(index, tmp_path / "proxy").card.items == N
    (path / "class 0" / "added.png").unlink()
    assert built(path, tmp_path / "index").fingerprint == index.fingerprint


def test_an_item_of_a_proxy_set_that_was_changed_is_not_exported(proxies, tmp_path):
    index, _ = proxies["image", "folder"]
    chosen(index, tmp_path / "proxy")
    next((tmp_path / "proxy" / "items").iterdir()).write_bytes(b"another")
    with pytest.raises(ArtifactError, match="is not the one that was chosen"):
        export(ProxySet.open(tmp_path / "proxy"), "imagefolder", tmp_path / "out")


def test_the_matrix_in_the_docs_is_the_one_that_was_tried():
    lines = ["| form | image | text | table | embedding | read by |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{form}` | {' | '.join(kinds.get(kind, '–') for kind in POOLS)} | {READ_BY[form]} |"
        for form, kinds in GIVES.items()
    ]
    assert "\n".join(lines) in DOCS.read_text(), "docs/data.md should have:\n" + "\n".join(lines)


def test_nothing_is_written_into_the_pool(proxies, tmp_path):
    pool = image_folder(tmp_path / "pool")
    index = built(pool, tmp_path / "index")
    proxy = chosen(index, tmp_path / "proxy")
    within = pool / "class 0" / "out"
    for write in (
        lambda: built(pool, within),
        lambda: chosen(index, within),
        lambda: export(proxy, "imagefolder", within),
    ):
        with pytest.raises(InvalidInput, match=r"lies in the pool's folder .* choose another place"):
            write()
    assert not within.exists()
    assert len(built(pool, pool / ".index")) == N  # hidden: no reader looks there


TYPED = {
    "text views": pa.table({"n": [1, 2], "s": pa.array(["a", "b"], pa.string_view())}),
    "views in lists": pa.table({"n": [1, 2], "s": pa.array([["a"], None]).cast(pa.list_(pa.string_view()))}),
    "bytes of one length": pa.table({"n": [1, 2], "b": pa.array([b"\xff\x00", b"ab"], pa.binary(2))}),
    "a table with a caption": pa.table({"caption": ["a", "b"], "n": [1, 2]}),
    "names with points": pa.table({"a.b": [1, 2], "a": [{"b": 1}, {"b": 2}], "": ["x", "y"]}),
}


@pytest.mark.parametrize("what", TYPED)
def test_rows_of_any_type_are_carried(tmp_path, what):
    pool = parquet(tmp_path / "pool", TYPED[what])
    index = build_index(pool, tmp_path / "index", clusters=2, kind="table")
    proxy = chosen(index, tmp_path / "proxy")
    export(proxy, "parquet", tmp_path / "out.parquet")
    assert told(build_index(tmp_path / "out.parquet", tmp_path / "again", clusters=2)) == told(index)
    if "" not in TYPED[what].column_names:
        export(proxy, "csv", tmp_path / "out.csv")


@pytest.mark.parametrize("dtype", [">f4", ">i8", "<f2", "F", "both"])
def test_vectors_of_any_layout_are_carried(tmp_path, dtype):
    (tmp_path / "pool").mkdir()
    dtypes = ["f4", "f8"] if dtype == "both" else ["f8" if dtype == "F" else dtype]
    for part, each in enumerate(dtypes):
        array = np.asarray(4 * X, each, order="F" if dtype == "F" else "C")
        np.save(tmp_path / "pool" / f"{part}.npy", array)
    index = built(tmp_path / "pool", tmp_path / "index")
    proxy = select(index, [], tmp_path / "proxy", budget=100, strategy="random")
    export(proxy, "parquet", tmp_path / "out.parquet")
    assert told(built(tmp_path / "out.parquet", tmp_path / "again")) == told(index)
