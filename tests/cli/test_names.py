"""Where commands stand, and that what was written down before goes on working."""

import pytest
from typer.main import get_command

from proxyset.cli import USAGE, app, run
from proxyset.cli.names import MOVED, RENAMED, SECTIONS, current
from proxyset_lab.cli.reference import children, counts

ROOT = get_command(app)
# every command that docs/cli.md named before commands were grouped by who types them
BEFORE = """
demo | probe | plan | answer | select | export | train | distill | serve | audit | index build | index info | label push
label pull | label check | label curve | label export | label import | campaign create | campaign list | campaign show
campaign close | campaign probe | campaign import | campaign select | campaign export | campaign publish-model | enroll-token create
enroll-token list | clients list | clients add | clients revoke | operator create | operator list | operator revoke
encoder export | encoder info | client init | client status | client pull | client enroll | client list | client approve
client run | client show | client check | client history | client verify | client look | client report | client serve
client fetch-model | client predict | client-label ask | client-label plan | client-label answer | client-label collect
ledger show | ledger verify | ledger export | ledger cap | ledger key | ledger receipt | ledger policy | model key | model pack
model sign | model show
"""
NAMES = [name.strip() for line in BEFORE.strip().splitlines() for name in line.split("|")]


def found(words):
    command = ROOT
    for word in words:
        command = command.get_command(None, word)
    return command


def test_every_earlier_name_still_leads_to_a_command():
    assert len(NAMES) == 68
    for name in NAMES:
        assert found(current(name.split())).callback, name


@pytest.mark.parametrize("name", ["clients revoke", "client list", "client-label collect", "ledger"])
def test_help_of_an_earlier_name_is_that_of_the_command(name, command, capsys):
    assert command(*name.split(), "--help")[0] == 0
    assert "Usage: proxyset " + " ".join(current(name.split())) in capsys.readouterr().out


def test_an_earlier_name_does_the_same(tmp_path, command):
    assert command("ledger", "cap", "--epsilon", 2.0, tmp_path / "ledger")[0] == 0
    told = [
        command(*name, tmp_path / "ledger", "--json")[1]
        for name in (["ledger", "show"], ["client", "ledger", "show"])
    ]
    assert told[0] == told[1] and told[0]["cap_epsilon"] == pytest.approx(2.0)


def test_names_from_before_are_in_no_help(command, capsys):
    command("--help")
    shown = capsys.readouterr().out
    for old in ("client-label", "clients", "enroll-token", "operator ", "ledger ", "audit "):
        assert f"\n  {old}" not in shown
    assert all(title in shown for title in SECTIONS)


def test_an_option_that_was_renamed_is_read_under_both_names():
    for name, options in RENAMED.items():
        names = {opt for parameter in found(name.split()).params for opt in parameter.opts}
        for old, new in options.items():
            assert new in names and old not in names
            assert current([*name.split(), old, "x"]) == [*name.split(), new, "x"]
            assert current([*name.split(), f"{old}=x"]) == [*name.split(), f"{new}=x"]
    assert current(["client-label", "plan", "--rule=private-knn"]) == [
        "client",
        "label",
        "plan",
        "--voting=private-knn",
    ]


def test_values_are_left_alone():
    for words in (
        ["demo", "--out", "ledger"],
        ["look", "clients"],
        [],
        ["--version"],
        ["client", "look", "audit"],
    ):
        assert current(words) == words


def test_every_command_of_the_first_page_stands_with_who_types_it():
    names = [name for names in SECTIONS.values() for name in names]
    assert names == ROOT.list_commands(None) and len(set(names)) == len(names)
    assert not {old.split()[0] for old in MOVED} & set(names) - {"client"}


def test_no_two_neighbours_are_one_letter_apart():
    for group in [ROOT, *children(ROOT)]:
        names = {child.name for child in children(group)}
        assert not {name + "s" for name in names} & names


def test_one_option_name_has_one_meaning_of_a_rule():
    """--rule was how records vote in one place, and how releases are added up in another."""
    for child in children(ROOT):
        for command in children(child) or [child]:
            assert "--rule" not in {opt for parameter in command.params for opt in parameter.opts}


def test_there_is_not_much_more_to_learn_than_there_was():
    """Before this grouping: 20 entries on the first page, 68 commands, 487 options and arguments, 255 of them distinct."""
    now = counts()
    assert now["first page"] <= 18 and now["distinct options"] <= 300


@pytest.mark.parametrize(
    "command",
    [
        "answer probe --data pool --epsilon 1 --out release --ledger URL",
        "answer probe --data pool --epsilon 1 --out URL",
        "answer URL --data pool --epsilon 1 --out release",
        "client predict URL --data pool --out predictions.csv",
        "client predict model --data pool --out URL",
        "client fetch-model m.model --out URL",
        "client init --policy URL",
        "model key URL",
        "model sign model --key URL",
        "train proxy --labels URL --out model",
        "campaign create c --index URL --budget 1",
        "server backup URL",
        "label pull --url http://127.0.0.1 --project p --out URL",
    ],
)
def test_what_lies_on_this_machine_is_never_a_url(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(command.replace("URL", "s3://bucket/place").split()) == USAGE
    assert (
        "s3://bucket/place is a URL; this takes a file or folder of this machine" in capsys.readouterr().err
    )
    assert not list(tmp_path.iterdir())
