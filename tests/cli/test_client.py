import numpy as np
import pytest

from proxyset.client.policy import TEMPLATE
from proxyset.wire.release import Release
from tests.client.conftest import make_probe


@pytest.fixture
def owner(command, tmp_path):
    """An owner who began with `client init`, and a way to answer."""
    (tmp_path / "probe").write_bytes(make_probe().to_bytes())
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
    status, facts, _ = command("client", "init", tmp_path / "l", "--policy", tmp_path / "p.toml", "--json")
    assert (status, facts["policy_written"]) == (0, True)

    def ask(*more):
        return command(
            "answer", tmp_path / "probe", "--data", tmp_path / "x.npy", "--epsilon", 0.5, "--ledger", tmp_path / "l",
            "--out", tmp_path / "release", "--server", "cloud", "--json", *more,
        )  # fmt: skip

    return tmp_path, facts["key"], ask


def test_init_changes_nothing_that_is_there(owner, command):
    folder, key, _ = owner
    assert (folder / "p.toml").read_bytes() == TEMPLATE
    (folder / "p.toml").write_text("mine")
    status, facts, _ = command("client", "init", folder / "l", "--policy", folder / "p.toml", "--json")
    assert (status, facts["key"], facts["policy_written"]) == (0, key, False)
    assert (folder / "p.toml").read_text() == "mine"


def test_a_release_is_verified_on_either_side(owner, command):
    folder, key, ask = owner
    assert ask()[1]["receipt"] is True
    # the cloud has the release, the probe and the key
    status, facts, _ = command(
        "client", "verify", folder / "release", "--key", key, "--probe", folder / "probe", "--json"
    )
    assert (status, facts["claim"]["server"], facts["key_checked"]) == (0, "cloud", True)
    # the owner has the ledger
    assert command("client", "verify", folder / "release", "--ledger", folder / "l")[0] == 0
    assert command("client", "verify", folder / "release", "--key", "0" * 64)[0] == 1
    (folder / "other").write_bytes(make_probe(seed=9).to_bytes())
    assert command("client", "verify", folder / "release", "--probe", folder / "other")[0] == 1
    release = Release.from_bytes((folder / "release").read_bytes())
    changed = Release(release.counts + 1, release.probe, release.index, release.privacy, release.receipt)
    (folder / "changed").write_bytes(changed.to_bytes())
    assert "is for" in command("client", "verify", folder / "changed")[2]
    bare = Release(release.counts, release.probe, release.index, release.privacy)
    (folder / "bare").write_bytes(bare.to_bytes())
    assert "no receipt" in command("client", "verify", folder / "bare")[2]


def test_history_shows_and_exports_what_left(owner, command, capsys):
    folder, _, ask = owner
    ask()
    literal = (folder / "release").read_bytes()
    ask("--fresh")
    _, facts, _ = command("client", "history", folder / "l", "--json")
    assert [(a["server"], a["left"], a["receipt"]) for a in facts["answers"]] == [("cloud", True, True)] * 2
    seq = facts["answers"][0]["entry"]
    _, facts, _ = command(
        "client", "history", folder / "l", "--entry", seq, "--out", folder / "out", "--json"
    )
    assert bytes.fromhex(facts["answers"][0]["hex"]) == literal
    assert facts["answers"][0]["counts"] == Release.from_bytes(literal).counts.tolist()
    assert (folder / "out" / f"{seq:08d}.safetensors").read_bytes() == literal
    assert command("client", "history", folder / "l", "--entry", seq)[0] == 0
    words = capsys.readouterr().out
    assert "5 noisy counts" in words and literal[:16].hex(" ") in words
    assert command("client", "history", folder / "l", "--entry", 1)[0] == 1
    assert command("client", "history", folder / "l", "--server", "nobody")[0] == 0


def test_status_burns_down(owner, command, capsys):
    folder, _, ask = owner
    _, before, _ = command("client", "status", folder / "l", "--json")
    ask()
    assert command("ledger", "cap", folder / "l", "--epsilon", "1", "--server", "cloud")[0] == 0
    _, after, _ = command("client", "status", folder / "l", "--epsilon", "0.5", "--json")
    total, cloud = after["accounts"]
    assert before["accounts"][0]["remaining_rho"] > total["remaining_rho"] > cloud["remaining_rho"] > 0
    assert cloud["answers_left"] == int(cloud["remaining_rho"] / after["accounts"][0]["spent_rho"])
    assert (after["receipts"], after["policy"]) == (1, "")
    assert command("client", "status", folder / "l")[0] == 0
    assert "% of the budget" in capsys.readouterr().out
    assert command("client", "status", folder / "none")[0] == 1
