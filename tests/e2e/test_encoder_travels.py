"""A client that has nothing: enrolled, it fetches the encoder of a campaign over TLS, looks at it, and answers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxyset.agent import enrolment
from proxyset.agent.agent import Agent, Fate
from proxyset.client.ledger import Ledger
from proxyset.client.terms import Terms
from proxyset.cloud.build import build_index
from proxyset.encoders import kept
from proxyset.server.state import State
from proxyset.wire.encoder_package import EncoderPackage
from proxyset_lab.service.certificate import certificate
from tests.e2e.serving import POLICY, enrolled, proxyset, serving
from tests.encoders.hub_folders import WORDS, text_folder
from tests.wire.models import OTHER

NOTES = ["the cat", "tax report of the dog", "heart ward of Köln", "lung and heart", "the dog without 12"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """An index of texts, and the signed package of its encoder: a hub folder that only the cloud has."""
    folder, chance = tmp_path_factory.mktemp("cloud"), random.Random(0)
    pool = [" ".join(chance.choices(WORDS[6:], k=5)) for _ in range(80)]
    encoder, index, file = f"hf:{text_folder(folder / 'minilm')}", folder / "index", folder / "minilm.encoder"
    build_index(pool, index, encoder=encoder, clusters=6)
    key = proxyset("model", "key", folder / "cloud.key")["key"]
    made = proxyset(
        "encoder", "pack", encoder, "--index", index, "--key", folder / "cloud.key", "--licence", "Apache-2.0", "--out", file,
    )  # fmt: skip
    assert made["key"] == key
    return SimpleNamespace(index=index, package=file, key=key, certificate=certificate(folder))


@pytest.fixture
def cloud(packed: SimpleNamespace, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A server over TLS with the campaign "notes"."""
    state, (cert, private) = tmp_path / "state", packed.certificate
    proxyset("campaign", "create", "notes", "--index", packed.index, "--budget", 10, "--state", state)
    with serving("--state", state, "--tls-cert", cert, "--tls-key", private) as (told, _):
        more = {"url": told["url"], "state": state, "ca": cert, "folder": tmp_path}
        yield SimpleNamespace(**vars(packed), **more)


def client(cloud: SimpleNamespace, name: str, monkeypatch: pytest.MonkeyPatch, policy: str = POLICY) -> Agent:
    """One who has nothing but a ledger, and is enrolled; its encoders lie in a folder of its own."""
    monkeypatch.setenv("PROXYSET_ENCODERS", str(cloud.folder / name / "encoders"))
    ledger = Ledger.open(enrolled(cloud.folder, name, cloud.state, cloud.url, cloud.ca, policy))
    told: list[tuple[str, dict[str, object]]] = []
    service = enrolment.service(ledger, cloud.url)
    agent = Agent(service, ledger, Terms(0.9), NOTES, lambda *each: told.append(each), "notes", hold=0.01)
    agent.told = told  # type: ignore[attr-defined]
    return agent


def fetched(cloud: SimpleNamespace, agent: Agent, *options: object, check: int = 0) -> dict[str, object]:
    return proxyset(
        "client", "fetch-encoder", cloud.url, "--campaign", "notes", "--ledger", agent.ledger.path, *options,
        check=check,
    )  # fmt: skip


def test_a_client_that_has_nothing(cloud, monkeypatch, capfd):
    agent = client(cloud, "ward", monkeypatch)
    assert agent.round() == {"notes": Fate.failed}  # it has no encoder, and is told what to do
    assert f"proxyset client fetch-encoder {cloud.url} --campaign notes" in str(agent.told[-1])
    assert not agent.ledger.spent()
    fetched(cloud, agent, check=1)  # not offered yet
    assert "not offered here" in capfd.readouterr().err
    offered = proxyset("campaign", "publish-encoder", "notes", cloud.package, "--state", cloud.state)
    fetched(cloud, agent, check=3)  # nobody has agreed
    said = capfd.readouterr().err
    for word in (
        offered["fingerprint"], "Apache-2.0", cloud.key, "minilm", "onnx/model.onnx", "tokenizer.json", "Gather, Identity",
        "you did not agree",
    ):  # fmt: skip
        assert word in said
    assert not kept.home().exists()
    found = fetched(cloud, agent, "--yes")
    assert Path(found["folder"]) == kept.home() / offered["fingerprint"] and found["new_key"]
    files = [path for path in kept.home().rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in kept.home().rglob("*") if path.is_dir()} == {0o700}
    assert agent.round() == {"notes": Fate.answered}
    assert [entry.kind for entry in agent.ledger.entries()].count("debit") == 1
    assert not fetched(cloud, agent, "--yes")["new_key"]  # again: it is there
    # what lies there is looked at before it is used
    network = next(path for path in files if path.suffix == ".onnx")
    network.write_bytes(network.read_bytes().replace(b"input_ids", b"input_idz"))
    book = State.open(cloud.state)
    probe = cloud.folder / "notes.probe"
    probe.write_bytes(book.probe(book.campaign("notes").probe))
    (cloud.folder / "notes.csv").write_text("text\n" + "\n".join(NOTES))
    proxyset(
        "answer", probe, "--data", cloud.folder / "notes.csv", "--epsilon", 0.5, "--ledger", agent.ledger.path,
        "--out", cloud.folder / "r", check=1,
    )  # fmt: skip
    assert not (cloud.folder / "r").exists()
    fetched(cloud, agent, "--yes")  # repaired
    assert b"input_ids" in network.read_bytes()


def test_what_was_tampered_with_or_signed_by_another_is_refused(cloud, monkeypatch, capfd):
    agent = client(cloud, "ward", monkeypatch)
    proxyset("campaign", "publish-encoder", "notes", cloud.package, "--state", cloud.state)
    (file,) = (cloud.state / "encoders").iterdir()
    good = file.read_bytes()
    for data, why in (
        (good[:-1] + bytes([good[-1] ^ 1]), "was changed after it was made"),
        (good[:-1], "was cut off"),
        (good + b"x", "was added to"),
        (good.replace(b'"licence":"Apache-2.0"', b'"licence":"Apache-3.0"'), "signature"),
        (good.replace(b'"tokenizer.json"', b'"../../xxx.json"'), "none that an encoder"),
        (b"", "not an encoder"),
    ):
        file.write_bytes(data)
        fetched(cloud, agent, "--yes", check=1)
        assert why in capfd.readouterr().err, why
        assert not kept.home().exists() and not agent.ledger.texts("key")
    made = EncoderPackage.from_bytes(good)
    file.write_bytes(EncoderPackage.sign(made.card, made.files, OTHER).to_bytes())
    fetched(cloud, agent, "--yes", "--key", cloud.key, check=3)
    assert "you expect" in capfd.readouterr().err
    file.write_bytes(good)
    fetched(cloud, agent, "--yes")
    file.write_bytes(EncoderPackage.sign(made.card, made.files, OTHER).to_bytes())
    fetched(cloud, agent, "--yes", check=3)
    assert "pinned to" in capfd.readouterr().err
    assert proxyset("campaign", "publish-encoder", "notes", file, "--state", cloud.state)["key"] != cloud.key


def test_the_agent_fetches_where_the_policy_says_so(cloud, monkeypatch):
    proxyset("campaign", "publish-encoder", "notes", cloud.package, "--state", cloud.state)
    may = POLICY.replace('encoders = "any"', 'encoders = ["hf"]\nfetch_encoders = true\n{}')
    agent = client(cloud, "unknown-key", monkeypatch, may.format(""))
    assert agent.round() == {"notes": Fate.failed}
    assert "neither pinned" in str(agent.told) and not kept.home().exists()
    agent = client(cloud, "other-key", monkeypatch, may.format(f'model_keys = ["{"0" * 64}"]'))
    assert agent.round() == {"notes": Fate.failed} and "does not allow models or encoders" in str(agent.told)
    agent = client(cloud, "named-key", monkeypatch, may.format(f'model_keys = ["{cloud.key}"]'))
    assert agent.round() == {"notes": Fate.answered}
    assert [event for event, _ in agent.told if event == "encoder"] == ["encoder"]
    assert len(list(kept.home().iterdir())) == 1


def test_from_an_open_server_and_from_a_stick(packed, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PROXYSET_ENCODERS", str(tmp_path / "stick" / "encoders"))
    ledger = tmp_path / "stick" / "ledger"
    (tmp_path / "notes.csv").write_text("text\n" + "\n".join(NOTES))
    with serving(packed.index, "--releases", tmp_path / "releases", "--encoder", packed.package) as (told, _):
        pull = (
            "client",
            "pull",
            told["url"],
            "--data",
            tmp_path / "notes.csv",
            "--epsilon",
            0.5,
            "--ledger",
            ledger,
            "--hold",
            0.1,
        )
        proxyset(*pull, check=1)
        assert f"proxyset client fetch-encoder {told['url']}" in capfd.readouterr().err
        proxyset("client", "fetch-encoder", told["url"], "--ledger", ledger, "--yes")
        assert proxyset(*pull)["debited_rho"] > 0
    monkeypatch.setenv("PROXYSET_ENCODERS", str(tmp_path / "carried"))
    assert (
        proxyset("client", "fetch-encoder", packed.package, "--ledger", ledger, "--yes")["key"] == packed.key
    )
