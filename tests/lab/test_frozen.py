import pytest

from proxyset.errors import ArtifactError, InvalidInput
from proxyset_lab import frozen


def test_the_first_run_writes_the_rule_down_and_a_page_says_whether_it_was_changed(monkeypatch, tmp_path):
    told = {"status": "", "log": "0123456789abcdef 2026-11-29"}
    monkeypatch.setattr(frozen, "git", lambda *words: told[words[0]])
    path = tmp_path / "many.toml"
    with pytest.raises(ArtifactError, match="which rule"):
        frozen.rule_of(path)
    frozen.freeze(path)
    assert frozen.rule_of(path).endswith(
        "of commit 0123456789ab of 2026-11-29; it has not been changed since."
    )
    told["log"] = "fedcba9876543210 2027-01-01"
    frozen.freeze(path)
    monkeypatch.setattr(frozen, "_code", lambda: "another")
    assert frozen.rule_of(path).endswith("of commit 0123456789ab of 2026-11-29; it HAS BEEN CHANGED SINCE.")


def test_a_rule_that_is_in_no_commit_is_not_frozen(monkeypatch, tmp_path):
    monkeypatch.setattr(frozen, "git", lambda *words: " M src/proxyset/cloud/build.py")
    with pytest.raises(InvalidInput, match="commit them before the first run"):
        frozen.freeze(tmp_path / "many.toml")
    assert not list(tmp_path.iterdir())
