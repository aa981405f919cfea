"""Small worlds for the pages: pictures of five shapes, some of them private, and an index of the public ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.client.receipts import make_key
from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.cloud.label_questions import ask_labels
from proxyset.cloud.proxy_set import select
from proxyset.server import campaigns
from proxyset.server.state import State
from proxyset.wire.campaign import Ask
from proxyset.wire.probe import Probe
from proxyset.wire.questions import Questions

SHAPES = ("disc", "square", "cross", "stripes", "ring")
HOSTILE = "<img src=x onerror=document.title='pwned'>"


def draw(shape: str, seed: int) -> Image.Image:
    """A 28 × 28 picture of a shape, of a size, place and colour of its own."""
    rng = np.random.default_rng([SHAPES.index(shape), seed])
    back = tuple(int(v) for v in rng.integers(0, 90, 3))
    ink = tuple(int(v) for v in rng.integers(140, 256, 3))
    image = Image.new("RGB", (28, 28), back)
    pen = ImageDraw.Draw(image)
    (x, y), r = rng.integers(11, 17, 2), int(rng.integers(6, 10))
    x, y = int(x), int(y)
    box = (x - r, y - r, x + r, y + r)
    if shape == "disc":
        pen.ellipse(box, fill=ink)
    elif shape == "square":
        pen.rectangle(box, fill=ink)
    elif shape == "cross":
        pen.line((x - r, y - r, x + r, y + r), fill=ink, width=3)
        pen.line((x - r, y + r, x + r, y - r), fill=ink, width=3)
    elif shape == "stripes":
        for at in range(y - r, y + r, 4):
            pen.line((x - r, at, x + r, at), fill=ink, width=2)
    else:
        pen.ellipse(box, outline=ink, width=3)
    return image


def draw_pool(folder: Path, each: int, hostile: bool = False) -> Path:
    """A folder of pictures, `each` of a shape; perhaps the rings have names that would run in a careless page."""
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for seed in range(each):
            name = f"{HOSTILE}{seed:03d}" if hostile and shape == "ring" else f"{seed:03d}"
            draw(shape, seed).save(folder / shape / f"{name}.png")
    return folder


def draw_private(folder: Path, count: int, seed: int = 50_000) -> Path:
    """Discs and rings that are in no pool."""
    folder.mkdir(parents=True)
    for number in range(count):
        shape = "disc" if number % 3 else "ring"
        draw(shape, seed + number).save(folder / f"{number:03d}.png")
    return folder


def draw_labelled(folder: Path, each: int, seed: int = 70_000) -> Path:
    """Drawings that are in no pool, `each` of a shape, in a folder named after it."""
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for number in range(each):
            draw(shape, seed + number).save(folder / shape / f"{number:03d}.png")
    return folder


def picture_questions(folder: Path, index: Index, count: int, purpose: str = "") -> Questions:
    """Questions about `count` pictures of the pool: which shape is it?"""
    proxy = select(index, [], folder, budget=count, strategy="uniform-cluster")
    return ask_labels(index, proxy, classes=SHAPES, purpose=purpose, items=True)


def picture_index(folder: Path, each: int, clusters: int, hostile: bool = False) -> Index:
    """An index of pictures under `folder`, whose pool is `folder/pool` and whose probes carry real items."""
    pool = draw_pool(folder / "pool", each, hostile)
    return build_index(pool, folder / "index", encoder="hog", clusters=clusters, medoids=True)


def visits(path: Path, count: int, seed: int = 0) -> Path:
    """A CSV of hospital visits that nobody made."""
    rng = np.random.default_rng(seed)
    rows = ["age,sex,ward,diagnosis,temperature,smoker"]
    for _ in range(count):
        warm = f"{rng.normal(37, 0.7):.1f}" if rng.random() > 0.1 else ""
        code = rng.choice(["A01", "B07", "E11", "I10", "J45", "K35"])
        ward = f"{rng.integers(1, 9):02d}"
        smokes = rng.choice(["true", "false"])
        rows.append(f"{rng.integers(17, 95)},{rng.choice(['female', 'male'])},{ward},{code},{warm},{smokes}")
    path.write_text("\n".join(rows) + "\n")
    return path


def table_probe(folder: Path, clusters: int = 40, purpose: str = "") -> Probe:
    """A probe of a pool of visits."""
    folder.mkdir(parents=True, exist_ok=True)
    pool = visits(folder / "pool.csv", 900)
    return build_index(pool, folder / "index", encoder="tabular", clusters=clusters).probe(purpose=purpose)


def labelled_pool(path: Path, each: int, hostile: bool = True) -> Path:
    """The same pictures as one Parquet file with labels, sources and licences."""
    rows = []
    for number, shape in enumerate(SHAPES):
        for seed in range(each):
            file = io.BytesIO()
            draw(shape, seed).save(file, "PNG")
            label = HOSTILE if hostile and shape == "ring" else shape
            rows.append(
                {"id": f"{shape}/{seed:03d}", "image": file.getvalue(), "label": label, "source": f"set {number}",
                 "licence": "CC0"}
            )  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def operator_state(
    folder: Path, each: int = 60, clusters: int = 20, answers: int = 3, hostile: bool = True
) -> State:
    """A server's state: an index with labels, one campaign, and clients who answered it from drawings of their own."""
    folder.mkdir(exist_ok=True)
    index = build_index(
        labelled_pool(folder / "pool.parquet", each, hostile),
        folder / "index",
        encoder="hog",
        clusters=clusters,
    )
    state = State.open(folder / "state")
    purpose = (
        f"Find drawings like yours {HOSTILE}"
        if hostile
        else "Find drawings like yours, to train a sorter of shapes"
    )
    campaign = campaigns.create(state, "drawings", index, Ask(), budget=60, purpose=purpose)
    probe = state.probe(campaign.probe)
    for number in range(answers):
        ledger = Ledger.open(folder / f"client-{number}" / "ledger")
        name = f"clinic {number + 1}" if not (hostile and number == 0) else HOSTILE
        state.add_client(make_key(ledger), name)
        data = draw_private(folder / f"client-{number}" / "data", 150, 60_000 + 1000 * number)
        release = answer(probe, data, epsilon=0.6, ledger=ledger, server="https://cloud.example", dataset="X")
        campaigns.take_in(state, "drawings", [release.to_bytes()])
    return state
