"""An owner who answers only what can be looked at, from a pool of real files to a second index."""

import numpy as np
import pytest
from PIL import Image

from proxyset.client.ledger import Ledger


@pytest.fixture
def folder(tmp_path):
    for name, count, seed in (("pool", 40, 0), ("private", 12, 1)):
        (tmp_path / name).mkdir()
        rng = np.random.default_rng(seed)
        for number in range(count):
            pixels = rng.integers(0, 255, size=(40, 30, 3)).astype(np.uint8)
            form = "jpg" if number % 2 else "png"
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.{form}")
    (tmp_path / "policy.toml").write_text('unit = "record"\nencoders = "any"\nmedoids = true\n')
    return tmp_path


def test_look_then_answer_then_another_index(folder, command):
    def made(index, pool, *more):
        options = ("--out", folder / index, "--encoder", "hog", "--clusters", 5, *more)
        assert command("index", "build", folder / pool, *options)[0] == 0
        assert command("probe", folder / index, "--out", folder / f"{index}.probe")[0] == 0
        return folder / f"{index}.probe"

    def ask(probe, *more):
        return command(
            "answer", probe, "--data", folder / "private", "--epsilon", 0.5, "--ledger", folder / "l",
            "--server", "cloud", "--out", folder / "release", *more,
        )[0]  # fmt: skip

    assert command("ledger", "policy", folder / "policy.toml", folder / "l")[0] == 0
    assert ask(made("plain", "pool")) == 3  # centroids cannot be looked at
    probe = made("one", "pool", "--medoids")
    status, facts, _ = command("client", "look", probe, "--out", folder / "items", "--json")
    assert (status, facts["items"]) == (0, 5)
    assert len(list((folder / "items").glob("*.png"))) == 5
    assert ask(probe) == 0
    assert ask(made("other seed", "pool", "--medoids", "--seed", 7)) == 0  # another part of the same index
    (folder / "pool" / "0.png").write_bytes((folder / "private" / "0.png").read_bytes())
    changed = made("two", "pool", "--medoids")
    before = Ledger.open(folder / "l").entries()
    assert ask(changed) == 3
    assert Ledger.open(folder / "l").entries() == before
    assert ask(changed, "--new-index") == 0
    kinds = [entry.kind for entry in Ledger.open(folder / "l").entries()]
    assert kinds == [
        "cap",
        "policy",
        "pin",
        "debit",
        "release",
        "debit",
        "release",
        "pin",
        "debit",
        "release",
    ]
    assert command("ledger", "verify", folder / "l")[0] == 0
