"""A campaign over TLS: a server and three agents, each a process of its own."""

import json
import signal
import ssl
import subprocess

import httpx2
import pytest

from proxyset.client.ledger import Ledger
from proxyset.client.receipts import signing_key
from proxyset.cloud.index import Index
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.server.state import State
from proxyset.wire.model import Model
from proxyset.wire.release import Release
from proxyset.wire.signed_request import authorization
from proxyset.wire.signing import public_half
from proxyset_lab.service.certificate import certificate
from tests.e2e.serving import POLICY, PROGRAM, blobs, enrolled, kill, proxyset, serving, until
from tests.wire.models import PUBLIC, model

STRICT = POLICY.replace("most_epsilon = 1.0", "most_epsilon = 0.1")


def agent(ledger, data, *arguments):
    command = [
        *PROGRAM,
        "client",
        "run",
        "--data",
        data,
        "--epsilon",
        "0.9",
        "--ledger",
        ledger,
        "--hold",
        "0.2",
        *arguments,
    ]
    return subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)


def kinds(ledger):
    return [entry.kind for entry in Ledger.open(ledger).entries()]


def stop(process):
    """End an agent as systemd does; what it told on the way."""
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    lines = [json.loads(line) for line in told.splitlines()]
    assert lines[-1]["event"] == "stopped"
    return lines


def test_a_campaign_with_three_agents(tmp_path):
    index, state = blobs(tmp_path), tmp_path / "state"
    cert, key = certificate(tmp_path)
    private = tmp_path / "private.npy"
    created = proxyset(
        "campaign",
        "create",
        "blobs",
        "--index",
        index,
        "--budget",
        200,
        "--state",
        state,
        "--purpose",
        "test",
    )
    with serving("--state", state, "--tls-cert", cert, "--tls-key", key) as (server, process):
        url = server["url"]
        assert url.startswith("https://")
        north, south, west = (
            enrolled(tmp_path, name, state, url, cert, policy)
            for name, policy in (("north", POLICY), ("south", STRICT), ("west", POLICY))
        )
        first = agent(north, private, "--every", 0.3)
        killed = agent(west, private, "--every", 0.3)

        # west dies after its answer was drawn, at whatever step of sending it is then
        until(lambda: "release" in kinds(west))
        kill(killed)
        killed.stderr.close()
        again = agent(west, private, "--every", 0.3)

        refusing = agent(south, private, "--once")
        _, told = refusing.communicate(timeout=60)
        assert refusing.returncode == 3
        assert json.loads(told.splitlines()[-1])["event"] == "refused"

        book = State.open(state)
        until(lambda: len(book.releases("blobs")) == 2)
        assert [line["event"] for line in stop(first) if line["event"] not in ("holding", "late")][:2] == [
            "started",
            "answered",
        ]
        stop(again)

        # north comes again: nothing is open for it; and a recorded request of it is refused
        assert proxyset(
            "client", "run", "--data", private, "--epsilon", 0.9, "--ledger", north, "--once", "--hold", 0.2
        ) == {
            "server": url,
            "campaigns": {},
        }
        replay_is_refused(north, url, cert, book)
        assert proxyset("client", "list", "--ledger", north)["campaigns"][0]["answered"]
        assert not proxyset("client", "list", "--ledger", south)["campaigns"][0]["answered"]
        proxyset("campaign", "close", "blobs", "--state", state)
        assert proxyset("client", "list", "--ledger", south) == {"campaigns": []}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)

    check_ledgers(tmp_path, state, north, south, west, created["probe"])
    check_proxy_set(tmp_path, index, state)


def replay_is_refused(ledger, url, cert, book):
    """The very bytes of a request, sent twice; then a new request for the same release, which is welcome."""
    signer = signing_key(Ledger.open(ledger))
    (mine,) = (r for r in book.releases("blobs") if r.client == public_half(signer))
    data, target = book.release("blobs", mine.fingerprint), f"{url}/v1/campaigns/blobs/releases"
    with httpx2.Client(verify=ssl.create_default_context(cafile=cert)) as http:
        headers = {"authorization": authorization(signer, "POST", target, data)}
        answers = [http.post(target, content=data, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 425]
        assert "came before" in answers[1].text
        headers = {"authorization": authorization(signer, "POST", target, data)}
        assert http.post(target, content=data, headers=headers).status_code == 200
    assert len(book.releases("blobs")) == 2


def check_ledgers(folder, state, north, south, west, probe):
    out = folder / "releases"
    assert proxyset("campaign", "export", "blobs", "--out", out, "--state", state)["releases"] == 2
    sent = {path.stem: path for path in out.iterdir()}
    for ledger in (north, west):
        proxyset("ledger", "verify", ledger)
        assert kinds(ledger).count("debit") == kinds(ledger).count("release") == 1
        ((entry, release),) = Ledger.open(ledger).releases()
        assert entry.probe == probe
        key = public_half(signing_key(Ledger.open(ledger)))
        proxyset("client", "verify", sent[release.fingerprint], "--key", key, "--ledger", ledger)
    proxyset("ledger", "verify", south)
    assert "debit" not in kinds(south)


def check_proxy_set(folder, index, state):
    drawn = proxyset("campaign", "select", "blobs", "--state", state)
    ids = ProxySet.open(drawn["proxy"]).selection().column("id").to_pylist()
    releases = [Release.from_bytes(path.read_bytes()) for path in sorted((folder / "releases").iterdir())]
    order = [r.fingerprint for r in State.open(state).releases("blobs")]
    releases.sort(key=lambda release: order.index(release.fingerprint))
    again = select(Index.open(index), releases, folder / "again", budget=200).selection()
    assert ids == again.column("id").to_pylist()
    # a third by chance; 0.89 to 0.95 in 150 draws of the noise, so 0.8 is ten standard deviations away
    assert sum(int(item) % 6 < 2 for item in ids) > 0.8 * len(ids)
    shown = proxyset("campaign", "show", "blobs", "--state", state)
    assert {answer["client"] for answer in shown["answers"]} == {"north", "west"}
    assert shown["selections"][0]["releases"] == 2 and not shown["accepting"]


@pytest.fixture
def cloud(tmp_path):
    index, state = blobs(tmp_path), tmp_path / "state"
    proxyset("campaign", "create", "one", "--index", index, "--budget", 50, "--state", state)
    with serving("--state", state) as (server, process):
        yield tmp_path, state, server["url"], process


def test_an_owner_approves(cloud):
    folder, state, url, _ = cloud
    ledger = enrolled(folder, "careful", state, url, policy="approve_above = 0.5\n" + POLICY)
    run = [
        "client",
        "run",
        "--data",
        folder / "private.npy",
        "--epsilon",
        0.9,
        "--ledger",
        ledger,
        "--once",
        "--hold",
        0.2,
    ]
    assert proxyset(*run, check=3)["campaigns"] == {"one": "waiting"}
    proxyset("client", "approve", "one", "--epsilon", 0.6, "--ledger", ledger)  # less than is asked for
    assert proxyset(*run, check=3)["campaigns"] == {"one": "waiting"}
    proxyset("client", "approve", "one", "--epsilon", 0.9, "--ledger", ledger)
    assert proxyset(*run)["campaigns"] == {"one": "answered"}
    assert kinds(ledger).count("debit") == 1


def test_what_was_refused_stays_refused(cloud):
    folder, state, url, _ = cloud
    ledger = enrolled(folder, "firm", state, url)
    proxyset("client", "approve", "one", "--refuse", "--epsilon", 1, "--ledger", ledger)
    run = [
        "client",
        "run",
        "--data",
        folder / "private.npy",
        "--epsilon",
        0.9,
        "--ledger",
        ledger,
        "--once",
        "--hold",
        0.2,
    ]
    assert proxyset(*run, check=3)["campaigns"] == {"one": "refused"}
    assert "debit" not in kinds(ledger)


def test_an_agent_outlives_its_server(cloud):
    folder, state, url, process = cloud
    ledger = enrolled(folder, "patient", state, url)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)
    waiting = agent(ledger, folder / "private.npy", "--every", 0.2)
    assert json.loads(waiting.stderr.readline())["event"] == "started"
    assert json.loads(waiting.stderr.readline())["event"] == "unreachable"
    port = url.rpartition(":")[2]
    command = [*PROGRAM, "serve", "--state", str(state), "--port", port, "--log-level", "warning"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        book = State.open(state)
        until(lambda: book.releases("one"))
        assert "answered" in [line["event"] for line in stop(waiting)]
    finally:
        server.terminate()
        server.wait(timeout=30)
        server.stdout.close()


def test_a_server_that_answers_no_more(cloud):
    folder, state, url, _ = cloud
    ledger = enrolled(folder, "gone", state, url)
    key = public_half(signing_key(Ledger.open(ledger)))
    proxyset("clients", "revoke", key, "--state", state)
    run = [
        "client",
        "run",
        "--data",
        folder / "private.npy",
        "--epsilon",
        0.9,
        "--ledger",
        ledger,
        "--once",
        "--hold",
        0.2,
    ]
    proxyset(*run, check=1)
    assert "debit" not in kinds(ledger)


def test_messages_carried_by_hand(cloud):
    folder, state, _, _ = cloud
    home = folder / "island"
    home.mkdir()
    key = proxyset("client", "init", home / "ledger", "--policy", home / "policy.toml")["key"]
    proxyset("campaign", "probe", "one", "--out", home / "probe", "--state", state)
    answer = ["answer", home / "probe", "--data", folder / "private.npy", "--epsilon", 0.7]
    proxyset(*answer, "--ledger", home / "ledger", "--out", home / "release")
    take = ["campaign", "import", "one", home / "release", "--state", state]
    proxyset(*take, check=1)  # the key is a stranger's
    proxyset("clients", "add", key, "island", "--state", state)
    assert set(proxyset(*take)["releases"].values()) == {"stored"}
    assert set(proxyset(*take)["releases"].values()) == {"known"}
    assert [r.client for r in State.open(state).releases("one")] == [key]


def test_a_service_needs_a_policy(cloud):
    folder, state, url, _ = cloud
    home = folder / "hasty"
    home.mkdir()
    proxyset("client", "init", home / "ledger", "--policy", home / "policy.toml")
    (home / "token").write_text(proxyset("enroll-token", "create", "hasty", "--state", state)["token"])
    proxyset("client", "enroll", url, "--token-file", home / "token", "--ledger", home / "ledger")
    run = ["client", "run", "--data", folder / "private.npy", "--epsilon", 0.9, "--ledger", home / "ledger"]
    proxyset(*run, "--once", check=1)


def test_a_model_comes_back(cloud):
    """To the enrolled clients of its campaign, and, from the open server, to anybody."""
    folder, state, url, _ = cloud
    ledger = enrolled(folder, "home", state, url)
    fetch = ["client", "fetch-model", url, "--campaign", "one", "--ledger", ledger]
    proxyset(*fetch, "--out", folder / "early", check=1)
    (folder / "student.model").write_bytes(model().to_bytes())
    proxyset("campaign", "publish-model", "one", folder / "student.model", "--state", state)
    assert proxyset(*fetch, "--out", folder / "model")["key"] == PUBLIC
    assert Model.open(folder / "model") == model()
    (folder / "none").write_bytes(b"not a model")
    proxyset("campaign", "publish-model", "one", folder / "none", "--state", state, check=1)
    with serving(folder / "index", "--model", folder / "student.model") as (server, _):
        fetch = ["client", "fetch-model", server["url"], "--ledger", folder / "ledger"]
        assert proxyset(*fetch, "--out", folder / "again")["key"] == PUBLIC
