"""Rounds against a server on a real socket: what the agent gives, what it asks for, and when."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proxyset.agent import agent as agents
from proxyset.agent import errands, moments
from proxyset.agent.agent import Agent, Fate
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key, signing_key
from proxyset.client.terms import Terms
from proxyset.errors import TransportError
from proxyset.transport.service import Service
from proxyset.wire.campaign import Acknowledgement, Ask, Offer, Offers
from proxyset.wire.probe import Probe
from proxyset.wire.release import Release
from tests.client.conftest import make_probe

HOLD = 0.4
X = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)


@dataclass
class Clock:
    """Time that passes only while somebody works or waits: a busy machine changes no moment. Also a `stop`, set at `ends`."""

    now: float = 1e6
    ends: float = math.inf

    def time(self) -> float:
        return self.now

    monotonic = time

    def is_set(self) -> bool:
        return self.now >= self.ends

    def wait(self, seconds: float) -> bool:
        self.now = min(self.now + seconds, self.ends)
        return self.is_set()


@pytest.fixture
def clock(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The agent's time and the server's."""
    cloud.clock = clock = Clock()
    for module in (agents, moments):
        monkeypatch.setattr(module, "time", clock)
    return clock


def works(seconds: float, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each answer take so long."""
    answer = Agent._answer

    def slowly(agent: Agent, errand: errands.Errand) -> Any:
        clock.now += seconds
        return answer(agent, errand)

    monkeypatch.setattr(Agent, "_answer", slowly)


@dataclass
class Cloud:
    """A server that offers what a test says, and remembers every request: when, what, and how large."""

    url: str = ""
    offers: list[Offer] = field(default_factory=list)
    probes: dict[str, Probe] = field(default_factory=dict)
    got: list[tuple[str, Release]] = field(default_factory=list)
    seen: list[tuple[float, str, str, int]] = field(default_factory=list)
    refuses: int = 0
    clock: Any = time

    def offer(self, campaign: str, probe: Probe | None = None, **ask: Any) -> None:
        probe = probe or make_probe()
        self.probes[campaign] = probe
        self.offers.append(
            Offer(
                campaign=campaign,
                purpose="",
                probe=probe.fingerprint,
                probe_bytes=len(probe.data),
                clusters=probe.clusters,
                ask=Ask.model_validate(ask),
            )
        )

    def said(self) -> list[tuple[str, str, int]]:
        return [(method, path, size) for _, method, path, size in self.seen]

    def paths(self) -> list[str]:
        return [f"{method} {path.rpartition('/')[2]}" for _, method, path, _ in self.seen]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            cloud.seen.append((cloud.clock.time(), self.command, self.path, len(body)))
            parts, status, told = self.path.split("/"), 200, b""
            if self.path == "/v1/campaigns":
                sent = {name for name, _ in cloud.got}
                shown = [o.model_copy(update={"answered": o.campaign in sent}) for o in cloud.offers]
                told = Offers(campaigns=shown).model_dump_json().encode()
            elif self.command == "GET":
                told = cloud.probes[parts[3]].data
            elif cloud.refuses:
                status, told = cloud.refuses, b"not now\x1b[2J"
            else:
                cloud.got.append((parts[3], Release.from_bytes(body)))
                told = Acknowledgement(release=cloud.got[-1][1].fingerprint).model_dump_json().encode()
            self.send_response(status)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = _answer  # noqa: N815 - what http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    cloud.url = f"http://127.0.0.1:{server.server_port}"
    yield cloud
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Home:
    cloud: Cloud
    ledger: Ledger
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def agent(self, data: Any = X, hold: float = HOLD, epsilon: float = 0.9, **terms: Any) -> Agent:
        service = Service(self.cloud.url, signing_key(self.ledger))
        return Agent(
            service,
            self.ledger,
            Terms(epsilon, **terms),
            data,
            lambda *fact: self.told.append(fact),
            "mine",
            hold,
        )

    def debits(self) -> int:
        return [entry.kind for entry in self.ledger.entries()].count("debit")


@pytest.fixture
def home(cloud: Cloud, tmp_path: Path) -> Home:
    return make_home(cloud, tmp_path / "ledger")


def make_home(
    cloud: Cloud,
    path: Path,
    policy: bytes = b'unit = "record"\nencoders = "any"\n[cap]\nepsilon = 90.0\ndelta = 1e-5\n',
) -> Home:
    ledger = Ledger.open(path, cap=Cap(90))
    make_key(ledger)
    adopt(ledger, policy)
    return Home(cloud, ledger)


def test_forty_offers_of_one_probe_buy_one_answer(home: Home, cloud: Cloud) -> None:
    """Each names another ε. The owner's goes where it is asked for, and that is one draw."""
    for number in range(40):
        cloud.offer(f"c{number}", epsilon_low=0.001, epsilon_high=0.9 - number / 1000)
    fates = home.agent().round()
    assert list(fates.values()).count(Fate.answered) == 1 and list(fates.values()).count(Fate.refused) == 39
    assert home.debits() == 1 and len(cloud.got) == 1 and cloud.got[0][1].privacy.epsilon == 0.9
    assert cloud.paths().count("GET probe") == 1


def test_many_offers_of_one_probe_at_the_owners_epsilon_are_one_draw(home: Home, cloud: Cloud) -> None:
    for number in range(5):
        cloud.offer(f"c{number}", epsilon_high=0.9 + number)
    assert set(home.agent().round().values()) == {Fate.answered}
    assert home.debits() == 1 and len({release.fingerprint for _, release in cloud.got}) == 1


@pytest.mark.parametrize(
    "ask",
    [
        {"epsilon_high": 0.89},
        {"epsilon_low": 0.91, "epsilon_high": 2.0},
        {"delta": 1e-7},
        {"unit": "person", "max_records": 3},
        {"max_records": 2},
        {"adjacency": "replace-one"},
    ],
)
def test_another_wish_is_a_refusal(home: Home, cloud: Cloud, ask: dict[str, object]) -> None:
    cloud.offer("one", **ask)
    assert home.agent().round() == {"one": Fate.refused}
    event, facts = home.told[0]
    assert event == "refused" and "nothing but the owner's own terms is given" in facts["why"]
    assert cloud.paths() == ["GET campaigns"] and home.debits() == 0


def test_the_same_requests_whatever_the_data(cloud: Cloud, clock: Clock, tmp_path: Path) -> None:
    """Method, path, size and order of all requests, for data of any size and speed."""
    said = []
    rng = np.random.default_rng(0)
    for number, records in enumerate((1, 50, 400_000)):
        cloud.offers, cloud.got, cloud.seen = [], [], []
        cloud.offer("one", make_probe(200, 3))
        cloud.offer("two", make_probe(seed=2))
        cloud.offer("three", epsilon_high=0.5)
        data = rng.normal(size=(records, 3)).astype(np.float32)
        make_home(cloud, tmp_path / str(number)).agent(data).round(clock)
        said.append(cloud.said())
    assert said[0] == said[1] == said[2] and len(said[0]) == 5


@pytest.mark.parametrize(("work", "holds"), [(0.0, 1), (0.1, 1), (7.9, 1), (8.1, 2), (30.0, 4)])
def test_an_answer_goes_at_a_multiple_of_the_hold_and_late_is_told(
    home: Home, cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch, work: float, holds: int
) -> None:
    cloud.offer("one")
    works(work, clock, monkeypatch)
    begun = clock.now
    assert home.agent(hold=8.0).round(clock) == {"one": Fate.answered}
    (pushed,) = (at for at, method, _, _ in cloud.seen if method == "POST")
    assert pushed - begun == pytest.approx(8 * holds)
    event, facts = next(fact for fact in home.told if fact[0] in ("holding", "late"))
    assert event == ("holding" if holds == 1 else "late")
    assert ("--hold" in facts.get("warning", "")) == (holds > 1)


def test_an_agent_that_was_killed_speaks_first_when_its_hold_is_over(
    home: Home, cloud: Cloud, clock: Clock
) -> None:
    """Killed while it worked, which may be because of the data: until the moment it asks for nothing."""
    cloud.offer("one")
    stop = threading.Event()
    stop.set()
    first = home.agent(hold=1.5)
    begun = clock.now
    assert first.round(stop) == {}  # it asked and drew, and ended before the hold was over
    assert cloud.paths() == ["GET campaigns", "GET probe"] and home.debits() == 1
    assert len(errands.kept(home.ledger, cloud.url)) == 1
    clock.now += 2.0  # whenever something starts it again
    assert home.agent(hold=1.5).round(clock) == {"one": Fate.answered}
    assert cloud.paths() == ["GET campaigns", "GET probe", "POST releases"] and home.debits() == 1
    assert cloud.seen[-1][0] - begun == pytest.approx(2 * 1.5)
    assert errands.kept(home.ledger, cloud.url) == []


def test_a_server_that_is_away_gets_the_same_answer_later(home: Home, cloud: Cloud) -> None:
    cloud.offer("one")
    cloud.refuses = 503
    agent = home.agent()
    with pytest.raises(TransportError, match=r"not now\\u001b"):
        agent.round()
    cloud.refuses = 0
    assert agent.round() == {"one": Fate.answered}
    assert home.debits() == 1 and cloud.paths() == [
        "GET campaigns",
        "GET probe",
        "POST releases",
        "POST releases",
    ]


def test_what_a_server_rejects_is_not_sent_again(home: Home, cloud: Cloud) -> None:
    cloud.offer("one")
    cloud.refuses = 409
    agent = home.agent()
    assert agent.round() == {"one": Fate.rejected}
    assert agent.round() == {"one": Fate.rejected}
    assert cloud.paths().count("POST releases") == 1 and errands.kept(home.ledger, cloud.url) == []


def test_a_probe_that_is_not_the_one_offered(home: Home, cloud: Cloud) -> None:
    cloud.offer("one")
    cloud.probes["one"] = make_probe(seed=9)
    assert home.agent().round() == {"one": Fate.failed}
    assert home.debits() == 0 and not cloud.got


def test_a_failure_of_the_data_leaves_only_silence(home: Home, cloud: Cloud, tmp_path: Path) -> None:
    """No request says why; the round ends when it would have ended, and the next looks the same."""
    cloud.offer("one")
    begun = time.time()
    fates = home.agent(tmp_path / "nothing" / "secret.npy").round(threading.Event())
    assert fates == {"one": Fate.failed} and time.time() - begun >= HOLD
    assert cloud.paths() == ["GET campaigns", "GET probe"]
    assert "secret" in str(home.told) and "secret" not in str(cloud.seen)


@pytest.mark.parametrize("work", [0.0, 0.4])
def test_rounds_keep_to_the_schedule_whatever_the_work(
    home: Home, cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch, work: float
) -> None:
    """The requests after an answer come at moments of the schedule, not when the work was done."""
    cloud.offer("one")
    works(work, clock, monkeypatch)
    begun = clock.now
    clock.ends = begun + 3.6
    home.agent(hold=0.5).run(1.0, clock)  # type: ignore[arg-type]
    asked = [at - begun for at, _, path, _ in cloud.seen if path.endswith("campaigns")]
    assert cloud.paths()[:3] == ["GET campaigns", "GET probe", "POST releases"]
    assert [round(at) for at in asked] == [0, 1, 2, 3]
    assert all(abs(at - round(at)) < 0.201 for at in asked), asked
