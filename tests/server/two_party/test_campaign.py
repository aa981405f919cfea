"""A campaign of two parties over sockets: agents, leader and helper, each with its own key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
import pytest
from nacl.signing import SigningKey

from proxyset.agent.agent import Agent, Fate
from proxyset.client.calibration import privacy_statement
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key, signing_key
from proxyset.client.terms import Terms
from proxyset.cloud.index import Index
from proxyset.errors import InvalidInput, ProxysetError, Rejected, StateError, TransportError
from proxyset.helper.app import create_app as helper_app
from proxyset.server import campaigns
from proxyset.server.backup import backup
from proxyset.server.limits import Limits
from proxyset.server.sockets import listen, server_of, url_of
from proxyset.server.state import State
from proxyset.server.two_party import create
from proxyset.server.two_party.job import aggregate
from proxyset.server.two_party.sums import sums_of
from proxyset.transport.service import Service
from proxyset.wire.aggregation import Verdict
from proxyset.wire.campaign import Ask
from proxyset.wire.probe import Probe
from proxyset.wire.release import Release
from proxyset.wire.report import Report
from proxyset.wire.signing import public_half
from proxyset.wire.total import Total
from tests.server.running import CLUSTERS, GENEROUS, begin, running, signed

EPSILON = 40.0  # noise of σ < 0.2: sums are exact to one; a false alarm below 1e-5
POLICY = 'unit = "record"\nencoders = "any"\naggregation = "two-party"\nhelpers = ["{}"]\nsmallest_sum = 3'


@contextmanager
def helping(folder: Path, *leaders: str, minimum: int = 3) -> Iterator[str]:
    """The URL of a helper on a socket, in a thread."""
    server = server_of(helper_app(folder, leaders, minimum, limits=Limits(address=0)), GENEROUS)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield url_of(listener, "127.0.0.1", None)
        finally:
            server.should_exit = True
            thread.join(timeout=30)


def begin_sum(state: State, index: Index, url: str, name: str = "wards", minimum: int = 3, **changes: object):
    agreed = create.Agreement(
        url, None, "", minimum, 1023, privacy_statement(EPSILON, unit="record", max_records=1)
    )
    ask = Ask(epsilon_high=EPSILON)
    return create.create(state, name, index, ask, replace(agreed, **changes), budget=10)


def client_of(state: State, url: str, folder: Path, number: int, policy: str) -> Agent:
    ledger = Ledger.open(folder / f"{number}.sqlite", cap=Cap(100))
    adopt(ledger, policy.encode())
    make_key(ledger)
    key = signing_key(ledger)
    state.add_client(public_half(key), f"client {number}")
    X = np.random.default_rng(number).normal(size=(number + 1, 4)).astype(np.float32)
    told: list[object] = []
    return Agent(
        Service(url, key), ledger, Terms(EPSILON), X, lambda *each: told.append(each), "X", hold=0.01
    )


def exact(state: State, agents: list[Agent]) -> np.ndarray:
    probe = Probe.from_bytes(state.probe(state.campaign("wards").probe))
    X = np.concatenate([agent.data for agent in agents])
    Z = probe.project(X)
    return np.bincount(((Z[:, None] - probe.centroids) ** 2).sum(axis=2).argmin(axis=1), minlength=CLUSTERS)


def waiting(state: State) -> list[Report]:
    found = state._database.rows("SELECT data FROM sum_reports WHERE data IS NOT NULL")
    return [Report.from_bytes(bytes(data)) for (data,) in found]


def leader(state: State) -> str:
    return public_half(sums_of(state).key())


def test_from_offers_to_a_proxy_set(place: str | Path, index: Index, tmp_path: Path) -> None:
    with closing(State.open(place)) as state:
        total, key = one_sum(state, index, tmp_path), leader(state)
        backup(state, tmp_path / "copy")
    with closing(State.open(tmp_path / "copy", create=False)) as copied:
        kept = sums_of(copied).total("wards")
        assert kept is not None and kept.counts.tolist() == total.counts.tolist() and leader(copied) == key
        assert campaigns.draw(copied, "wards", out=tmp_path / "again").card.items == 10


def one_sum(state: State, index: Index, tmp_path: Path) -> Total:
    with helping(tmp_path / "helper", leader(state)) as helper, running(state) as url:
        begin_sum(state, index, helper)
        task = sums_of(state).find("wards").task  # type: ignore[union-attr]
        agents = [client_of(state, url, tmp_path, n, POLICY.format(task.helper)) for n in range(4)]
        for agent in agents:
            assert agent.round() == {"wards": Fate.answered}
            assert agent.round() == {}
            assert [e.kind for e in agent.ledger.entries()][-2:] == ["debit", "report"]
        with pytest.raises(StateError, match="still takes reports"):
            aggregate(state, "wards")
        assert campaigns.coverage(state, "wards") is None
        with pytest.raises(StateError, match="no opened sum"):
            campaigns.draw(state, "wards", out=tmp_path / "none")
        state.close_campaign("wards")
        progress = aggregate(state, "wards")
        assert (progress.reports, progress.verdicts, progress.opened) == (4, {Verdict.accepted: 4}, True)
        assert aggregate(state, "wards") == progress  # again: nothing is done
    total = sums_of(state).total("wards")
    assert total is not None
    assert np.abs(total.counts - exact(state, agents)).max() <= 1
    assert total.noise == pytest.approx(np.sqrt(2) * total.privacy.sigma)
    coverage = campaigns.coverage(state, "wards")
    assert coverage is not None and coverage.sigma == pytest.approx(total.noise)
    assert campaigns.draw(state, "wards", out=tmp_path / "proxy").card.items == 10
    return total


def test_the_leader_keeps_no_share_of_what_was_judged(state: State, index: Index, tmp_path: Path) -> None:
    with helping(tmp_path / "helper", leader(state)) as helper, running(state) as url:
        begin_sum(state, index, helper)
        task = sums_of(state).find("wards").task  # type: ignore[union-attr]
        for n in range(3):
            client_of(state, url, tmp_path, n, POLICY.format(task.helper)).round()
        assert len(waiting(state)) == 3
        state.close_campaign("wards")
        aggregate(state, "wards")
    assert waiting(state) == []


def test_a_client_answers_once_and_what_is_no_report_is_refused(
    state: State, index: Index, tmp_path: Path
) -> None:
    with helping(tmp_path / "helper", leader(state)) as helper, running(state) as url:
        begin_sum(state, index, helper)
        begin(state, index, "local")
        task = sums_of(state).find("wards").task  # type: ignore[union-attr]
        agent = client_of(state, url, tmp_path, 0, POLICY.format(task.helper))
        agent.round()
        ((_, report),) = agent.ledger.reports()
        key, path = signing_key(agent.ledger), f"{url}/v1/campaigns/wards/reports"
        data = waiting(state)[0].to_bytes()
        assert signed(key, "POST", path, data).status_code == 200  # known: the acknowledgement was lost
        other = client_of(state, url, tmp_path, 1, POLICY.format(task.helper))
        stranger = signing_key(other.ledger)
        replayed = signed(stranger, "POST", path, data)
        assert replayed.status_code == 422 and "was signed by" in replayed.text
        for wrong, why in (
            (data[:-1], "cut off"),
            (replace(report, receipt=b"").to_bytes(), "no receipt"),
            (b"", "not a report"),
        ):
            answer = signed(stranger, "POST", path, wrong)
            assert answer.status_code == 422 and why in answer.text, answer.text
        local = f"{url}/v1/campaigns/local/reports"
        assert signed(key, "POST", local, data).status_code == 404
        assert signed(key, "POST", f"{url}/v1/campaigns/wards/releases", b"x").status_code == 422
        state.close_campaign("wards")
        assert signed(stranger, "POST", path, data).status_code in (410, 422)


def test_a_sum_of_too_few_is_not_begun_and_can_wait(state: State, index: Index, tmp_path: Path) -> None:
    with helping(tmp_path / "helper", leader(state)) as helper, running(state) as url:
        begin_sum(state, index, helper)
        task = sums_of(state).find("wards").task  # type: ignore[union-attr]
        for n in range(2):
            client_of(state, url, tmp_path, n, POLICY.format(task.helper)).round()
        state.close_campaign("wards")
        with pytest.raises(StateError, match="has 2 reports, and its sum is opened with 3"):
            aggregate(state, "wards")
        assert not sums_of(state).progress("wards").closed


def test_a_helper_that_is_away_or_answers_nonsense(state: State, index: Index, tmp_path: Path) -> None:
    with helping(tmp_path / "helper", leader(state)) as helper, running(state) as url:
        begin_sum(state, index, helper)
        task = sums_of(state).find("wards").task  # type: ignore[union-attr]
        agents = [client_of(state, url, tmp_path, n, POLICY.format(task.helper)) for n in range(3)]
        for agent in agents:
            agent.round()
        state.close_campaign("wards")
    with pytest.raises(TransportError, match="cannot reach"):
        aggregate(state, "wards")
    with running(state) as other:  # a server that is no helper
        _move(state, other)
        with pytest.raises(ProxysetError, match="HTTP 404"):
            aggregate(state, "wards")
    with helping(tmp_path / "helper", "f" * 64) as strange:
        _move(state, strange)
        with pytest.raises(Rejected, match="is no leader here"):
            aggregate(state, "wards")
    with helping(tmp_path / "another helper", leader(state)) as strange:
        _move(state, strange)
        with pytest.raises(Rejected, match="names the helper"):
            aggregate(state, "wards")
    with helping(tmp_path / "helper", leader(state)) as helper:
        _move(state, helper)
        assert aggregate(state, "wards").opened
    total = sums_of(state).total("wards")
    assert total is not None and np.abs(total.counts - exact(state, agents)).max() <= 1


def _move(state: State, url: str) -> None:
    with state._database.writing() as db:
        db.execute("UPDATE sums SET helper_url = ?", (url,))


def test_only_the_tasks_own_leader_asks(state: State, index: Index, tmp_path: Path) -> None:
    stranger = SigningKey.generate()
    with helping(tmp_path / "helper", leader(state), public_half(stranger)) as helper:
        begin_sum(state, index, helper)
        task = sums_of(state).find("wards").task  # type: ignore[union-attr]
        body = f'{{"task":{task.model_dump_json()},"count":3,"checksum":"{"0" * 64}"}}'.encode()
        asked = signed(stranger, "POST", f"{helper}/v1/openings", body)
        assert asked.status_code == 409 and "the request is signed by" in asked.text
        asked = signed(sums_of(state).key(), "POST", f"{helper}/v1/openings", body)
        assert asked.status_code == 409 and "0 reports were counted" in asked.text
        assert httpx2.post(f"{helper}/v1/openings", content=body).status_code == 401
        assert signed(stranger, "POST", f"{helper}/v1/jobs", b"nonsense").status_code == 422
        assert httpx2.get(f"{helper}/v1/helper").json() == {"key": task.helper, "minimum": 3}
        assert httpx2.get(f"{helper}/healthz").json() == {"status": "ok"}


def test_what_cannot_be_agreed_on(state: State, index: Index, tmp_path: Path) -> None:
    with helping(tmp_path / "helper", leader(state)) as helper:
        for change, why in (
            ({"minimum": 2}, "opens sums of 3 reports or more"),
            ({"key": "c" * 64}, "has the key"),
            ({"most": 4}, "allow 80 or more"),
        ):
            with pytest.raises(InvalidInput, match=why):
                begin_sum(state, index, helper, **change)  # type: ignore[arg-type]
        begin_sum(state, index, helper)
        task = sums_of(state).find("wards").task  # type: ignore[union-attr]
        with pytest.raises(StateError, match="there is a campaign 'wards' already"):
            begin_sum(state, index, helper)
        assert sums_of(state).find("wards").task == task  # type: ignore[union-attr]
    with pytest.raises(TransportError):
        begin_sum(state, index, helper, name="other")


def test_an_owner_who_did_not_accept_it_sends_nothing(state: State, index: Index, tmp_path: Path) -> None:
    with helping(tmp_path / "helper", leader(state)) as helper, running(state) as url:
        begin_sum(state, index, helper)
        agent = client_of(state, url, tmp_path, 0, 'unit = "record"\nencoders = "any"')
        assert agent.round() == {"wards": Fate.refused}
        assert not agent.ledger.spent() and sums_of(state).progress("wards").reports == 0
        careful = client_of(state, url, tmp_path, 1, POLICY.format("d" * 64))
        assert careful.round() == {"wards": Fate.refused} and not careful.ledger.spent()


def test_releases_by_hand_do_not_get_into_a_sum(state: State, index: Index, tmp_path: Path) -> None:
    with helping(tmp_path / "helper", leader(state)) as helper:
        begin_sum(state, index, helper)
    probe = Probe.from_bytes(state.probe(state.campaign("wards").probe))
    release = Release(np.zeros(CLUSTERS, np.int64), probe.fingerprint, probe.index, privacy_statement(1.0))
    with pytest.raises(ProxysetError, match="come over the network alone"):
        campaigns.take_in(state, "wards", [release.to_bytes()])
