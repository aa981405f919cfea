import pytest

from proxyset.errors import InvalidInput
from proxyset.flower.settings import VARIABLE, NodeSettings


def test_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "node.toml").write_text('data = "private.npy"\nledger = "l.sqlite"\nepsilon = 0.5\n')
    found = NodeSettings.of_node({"settings": str(tmp_path / "node.toml")})
    assert (found.data, found.ledger) == (tmp_path / "private.npy", tmp_path / "l.sqlite")
    assert (found.epsilon, found.delta, found.unit, found.approved) == (0.5, 1e-5, "record", ())


def test_simulated_nodes_have_a_file_each(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "node-{partition}.toml"))
    for number in range(2):
        (tmp_path / f"node-{number}.toml").write_text(f'data = "{number}.npy"\nepsilon = 1\n')
    assert NodeSettings.of_node({"partition-id": 1, "num-partitions": 2}).data.name == "1.npy"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("epsilon = ", "not TOML"),
        ("epsilon = 1", "data"),
        ('data = "x"\nepsilon = 1\nsigma = 0', "sigma"),
        ('data = "x"\nepsilon = "much"', "epsilon"),
    ],
)
def test_bad_files(tmp_path, text, why):
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(InvalidInput, match=why):
        NodeSettings.read(tmp_path / "node.toml")


def test_a_node_without_settings_says_how_to_give_them(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(InvalidInput, match="node-config"):
        NodeSettings.of_node({"partition-id": 0})
