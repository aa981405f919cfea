"""Three organisations over TLS: a leader and a helper in processes of their own, and agents. PROXYSET_AGENTS sets how many."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proxyset.agent.agent import Agent, Fate
from proxyset.client.ledger import Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key, signing_key
from proxyset.client.terms import Terms
from proxyset.errors import TransportError
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of
from proxyset.transport.service import Service
from proxyset.wire.probe import Probe
from proxyset.wire.signing import public_half
from proxyset_lab.service.certificate import certificate
from tests.e2e.serving import PROGRAM, blobs, kill, proxyset

AGENTS = int(os.environ.get("PROXYSET_AGENTS", "10"))
POLICY = 'unit = "person"\nmax_records = 3\nencoders = "any"\naggregation = "two-party"\nhelpers = ["{}"]\nsmallest_sum = 10\n'
SIGMAS = 6.0  # of the noise of any count; a false alarm below 1e-7


class Server:
    """A command that serves, on one port for all its lives."""

    def __init__(self, *command: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.command = [*PROGRAM, *map(str, command), "--port", str(self.port), "--json"]
        self.told: dict[str, Any] = {}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.told = json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        kill(self.process)
        self.process.stdout.close()  # type: ignore[union-attr]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        self.process.stdout.close()  # type: ignore[union-attr]


def answered(agent: Agent) -> dict[str, Fate]:
    """A round that reached the server, as `Agent.run` has one: a connection that fails is tried again, and draws nothing anew."""
    for _ in range(5):
        try:
            return agent.round()
        except TransportError:
            time.sleep(0.2)
    return agent.round()


@pytest.fixture
def ending() -> Iterator[list[Server]]:
    """Servers that end with the test, however it ends."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.stop()


@pytest.mark.slow
def test_a_fleet_over_tls_with_kills(tmp_path: Path, ending: list[Server]) -> None:
    index, folder = blobs(tmp_path), tmp_path / "state"
    cert, key = certificate(tmp_path)
    tls = ("--tls-cert", cert, "--tls-key", key)
    leader = proxyset("campaign", "leader-key", "--state", folder)["key"]
    helper = Server(
        "helper", "serve", "--state", tmp_path / "helper", "--leader", leader, "--minimum", 10, *tls
    )
    ending.append(helper)
    made = proxyset(
        "campaign", "create", "phones", "--index", index, "--budget", 100, "--state", folder, "--epsilon-high", 1,
        "--unit", "person", "--max-records", 3, "--aggregate", "two-party", "--helper", helper.told["url"],
        "--helper-ca", cert, "--helper-key", helper.told["key"], "--minimum", 10,
    )  # fmt: skip
    assert made["two_party"]["task"]["helper"] == helper.told["key"]
    server = Server("serve", "--state", folder, *tls, "--client-rate", 0, "--address-rate", 0)
    ending.append(server)
    book = State.open(folder)
    probe = Probe.from_bytes(book.probe(book.campaign("phones").probe))
    rng, exact = np.random.default_rng(0), np.zeros(probe.clusters, int)
    private = np.load(tmp_path / "private.npy")
    for number in range(AGENTS):
        ledger = Ledger.open(tmp_path / f"{number}.sqlite")
        adopt(ledger, POLICY.format(helper.told["key"]).encode())
        make_key(ledger)
        book.add_client(public_half(signing_key(ledger)), f"phone {number}")
        X = private[rng.choice(len(private), 2, replace=False)]
        exact += np.bincount(
            ((probe.project(X)[:, None] - probe.centroids) ** 2).sum(axis=2).argmin(axis=1),
            minlength=probe.clusters,
        )
        terms = Terms(1.0, unit="person", max_records=3, person="me")
        service = Service(server.told["url"], signing_key(ledger), ca=cert)
        agent = Agent(service, ledger, terms, X, lambda *_: None, "records", hold=0.01)
        if number % 20 == 2:  # the server dies, and comes back, before an answer is sent
            server.kill()
            with pytest.raises(TransportError):
                agent.round()
            server.start()
        assert answered(agent) == {"phones": Fate.answered}
        assert [e.kind for e in ledger.entries()].count("debit") == 1
    proxyset("campaign", "close", "phones", "--state", folder)
    for _ in range(int(os.environ.get("PROXYSET_KILLS", "1"))):
        running = subprocess.Popen(
            [*PROGRAM, "campaign", "aggregate", "phones", "--state", str(folder)], stderr=subprocess.DEVNULL
        )
        time.sleep(random.uniform(0.5, 3))
        helper.kill()
        kill(running)
        helper.start()
    told = proxyset("campaign", "aggregate", "phones", "--state", folder)
    assert told["verdicts"] == {"accepted": AGENTS} and told["opened"]
    total = sums_of(book).total("phones")
    assert total is not None and np.abs(total.counts - exact).max() < SIGMAS * total.noise
    assert proxyset("helper", "show", "--state", tmp_path / "helper")["opened"][0]["reports"] == AGENTS
    drawn = proxyset("campaign", "select", "phones", "--state", folder, "--out", tmp_path / "proxy")
    assert drawn["rows"] == 100
    book.close()
