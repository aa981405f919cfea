"""The main job for every kind of pool, and every export, on small real files."""

import csv
import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.cloud.build import build_index
from proxyset.cloud.export import FORMS, export
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.errors import InvalidData, InvalidInput

COUNT = 60  # items of a pool; those with an even number resemble the private data


def picture(number):
    """Stripes, upright or lying by the parity of the number, with some noise."""
    rng = np.random.default_rng(number)
    stripes = np.tile((np.arange(28) // 3 % 2) * 200, (28, 1)) + rng.integers(0, 40, (28, 28))
    file = io.BytesIO()
    Image.fromarray((stripes if number % 2 else stripes.T).astype(np.uint8)).save(file, "png")
    return file.getvalue()


def sentence(number):
    rng = np.random.default_rng(number)
    words = "engine valve piston torque gearbox" if number % 2 else "violin sonata concert piano melody"
    return " ".join(rng.choice(words.split(), 6))


def row(number):
    rng = np.random.default_rng(number)
    return {
        "height": float(rng.normal(9 * (number % 2), 1)),
        "colour": ("red", "blue")[number % 2],
        "weight": float(rng.normal()),
    }


def numbers(private):
    return range(1000, 1020, 2) if private else range(COUNT)


def image_folder(path, private):
    for number in numbers(private):
        folder = path / ("lying", "upright")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(picture(number))
    return path


def webdataset(path, private):
    path.mkdir()
    for part in range(2):
        with tarfile.open(path / f"{part:05d}.tar", "w") as tar:
            for number in [n for n in numbers(private) if n % 4 // 2 == part]:
                facts = {"key": str(number), "url": f"https://example.org/{number}", "license": "CC0"}
                for name, data in (
                    (f"{number}.png", picture(number)),
                    (f"{number}.json", json.dumps(facts).encode()),
                ):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    return path


def image_parquet(path, private):
    rows = [{"id": f"p{number}", "image": picture(number), "source": "drawn"} for number in numbers(private)]
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"), row_group_size=16)
    return path.with_suffix(".parquet")


def jsonl(path, private):
    lines = [
        json.dumps({"id": f"t{number}", "text": sentence(number), "label": str(number % 2)})
        for number in numbers(private)
    ]
    path.with_suffix(".jsonl").write_text("\n".join(lines))
    return path.with_suffix(".jsonl")


def text_csv(path, private):
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows([number, sentence(number) + ',\n"quoted"'] for number in numbers(private))
    return path.with_suffix(".csv")


def table_csv(path, private):
    rows = [row(number) for number in numbers(private)]
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path.with_suffix(".csv")


def table_parquet(path, private):
    pq.write_table(
        pa.Table.from_pylist([row(number) for number in numbers(private)]), path.with_suffix(".parquet")
    )
    return path.with_suffix(".parquet")


def embedding_parquet(path, private):
    rng = np.random.default_rng(private)
    rows = [{"embedding": (rng.normal(size=4) + 9 * (number % 2)).tolist()} for number in numbers(private)]
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


MAKERS = [
    image_folder,
    webdataset,
    image_parquet,
    jsonl,
    text_csv,
    table_csv,
    table_parquet,
    embedding_parquet,
]
FITTING = {
    "image": {"imagefolder", "webdataset", "parquet", "csv", "label-studio"},
    "text": {"webdataset", "parquet", "csv", "label-studio"},
    "table": {"parquet", "csv"},
    "embedding": {"parquet", "csv"},
}


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_main_job(make, tmp_path):
    pool, private = make(tmp_path / "pool", False), make(tmp_path / "private", True)
    index = build_index(pool, tmp_path / "index", clusters=4)
    assert len(index) == COUNT
    release = answer(index.probe(), private, epsilon=20, ledger=Ledger.open(tmp_path / "ledger", cap=_wide()))
    proxy = select(Index.open(tmp_path / "index"), release, tmp_path / "proxy", budget=10, strategy="ecos")
    rows = proxy.selection().to_pylist()
    even = [
        int("".join(filter(str.isdigit, row["id"].split("/")[-1].split(".")[0]))) % 2 == 0 for row in rows
    ]
    assert np.mean(even) >= 0.9, rows
    assert len({row["hash"] for row in rows}) == 10
    again = ProxySet.open(tmp_path / "proxy")
    assert len(list(again.items())) == 10
    for form in FORMS:
        if form not in FITTING[proxy.card.kind]:
            with pytest.raises(InvalidInput, match="use"):
                export(again, form, tmp_path / "out" / form)
            assert not (tmp_path / "out" / form).exists()
            continue
        out = tmp_path / "out" / form
        export(again, form, out)
        assert out.exists()
        with pytest.raises(FileExistsError):
            export(again, form, out)
    if "imagefolder" in FITTING[proxy.card.kind]:
        images = (tmp_path / "out" / "imagefolder").rglob("*.png")
        assert sorted(path.read_bytes() for path in images) == sorted(again.items())
    with (tmp_path / "out" / "csv").open(newline="") as file:
        assert [line["id"] for line in csv.DictReader(file)] == [row["id"] for row in rows]
    assert pq.read_table(tmp_path / "out" / "parquet").num_rows == 10
    if proxy.card.kind in ("image", "text"):
        tasks = json.loads((tmp_path / "out" / "label-studio").read_text())
        assert [task["meta"]["id"] for task in tasks] == [row["id"] for row in rows]
        # what was exported is a pool again
        second = build_index(tmp_path / "out" / "webdataset", tmp_path / "second", clusters=2)
        assert len(second) == 10


def test_licence_and_place_reach_the_card(tmp_path):
    index = build_index(webdataset(tmp_path / "pool", False), tmp_path / "index", clusters=4)
    proxy = select(index, [], tmp_path / "proxy", budget=7, strategy="random")
    assert set(proxy.selection().column("licence").to_pylist()) == {"CC0"}
    assert all(uri.startswith("https://example.org/") for uri in proxy.selection().column("uri").to_pylist())
    card = (tmp_path / "proxy" / "card.md").read_text()
    assert "* CC0: 7" in card and "The choice saw public data alone: no data owner" in card


def test_a_pool_that_lost_items_is_noticed_and_leaves_no_proxy_set(tmp_path):
    pool = image_folder(tmp_path / "pool", False)
    index = build_index(pool, tmp_path / "index", clusters=4)
    for path in list(pool.rglob("*.png"))[:30]:
        path.unlink()
    with pytest.raises(InvalidData, match="30 of 60 chosen items"):
        select(index, [], tmp_path / "proxy", budget=COUNT, strategy="random")
    assert not (tmp_path / "proxy").exists()


def test_labels_cannot_leave_the_folder(tmp_path):
    rows = [
        {"id": f"{n}", "image": picture(n), "label": ("../../up", "/etc", "..", "a\\b")[n % 4]}
        for n in range(8)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pool.parquet")
    index = build_index(tmp_path / "pool.parquet", tmp_path / "index", clusters=2)
    proxy = select(index, [], tmp_path / "proxy", budget=8, strategy="random")
    export(proxy, "imagefolder", tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"%2E.%2F..%2Fup", "%2Fetc", "%2E%2E", "a%5Cb", "proxyset.jsonl"}
    assert len(list((tmp_path / "out").rglob("*.png"))) == 8


def _wide():
    from proxyset.client.ledger import Cap

    return Cap(epsilon=80.0)
