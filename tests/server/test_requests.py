"""Signatures, replays, limits and hostile bodies, asked of a real server."""

import contextlib
import json
import socket
import time
from dataclasses import replace
from urllib.parse import urlsplit

import httpx2
import pytest
from nacl.signing import SigningKey

from proxyset.server.limits import Buckets, Limits, address_of
from proxyset.server.records import Scope
from proxyset.server.state import State
from proxyset.wire.signed_request import WINDOW_SECONDS, authorization
from tests.server.running import GENEROUS, begin, new_client, public, running, signed, tiny_index

HASTY = Limits(address=0, client=0, enrol=0, body_seconds=0.5, head_seconds=0.5)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return tiny_index(tmp_path_factory.mktemp("index"))


@pytest.fixture
def state(tmp_path, index):
    book = State.open(tmp_path / "state")
    begin(book, index, "one")
    yield book
    book.close()


def test_signatures(state):
    other = SigningKey.generate()
    with running(state) as url:
        key, target = new_client(state), f"{url}/v1/campaigns"
        header = authorization(key, "GET", target)
        assert httpx2.get(target, headers={"authorization": header}).status_code == 200
        for name, wrong in {
            "again": header,
            "stranger": authorization(other, "GET", target),
            "another method": authorization(key, "POST", target),
            "another path": authorization(key, "GET", target + "?x=1"),
            "another server": authorization(key, "GET", "http://cloud.example/v1/campaigns"),
            "another nonce": header.replace(header.split(".")[2], "0" * 32),
            "another scheme": header.replace("Ed25519", "HMAC"),
            "cut off": header[:-1],
            "none": "",
        }.items():
            answer = httpx2.get(target, headers={"authorization": wrong})
            assert answer.status_code == (425 if name == "again" else 401), name


@pytest.mark.parametrize("ahead", [0, 50])
def test_a_request_is_accepted_once_by_all_servers_of_a_state_and_after_a_restart(state, monkeypatch, ahead):
    key, path, now = new_client(state), "/v1/campaigns", time.time_ns()
    with monkeypatch.context() as patched:
        patched.setattr("proxyset.wire.signed_request.time.time_ns", lambda: now + ahead * 10**9)
        headers = {"authorization": authorization(key, "GET", f"https://cloud.example{path}")}
    name = "https://cloud.example"
    with running(state, public_url=name) as one, running(state, public_url=name) as two:
        assert httpx2.get(one + path, headers=headers).status_code == 200
        assert httpx2.get(two + path, headers=headers).status_code == 425
    with running(state, public_url=name) as again:
        assert httpx2.get(again + path, headers=headers).status_code == 425


def test_a_client_that_was_served_is_refused_once_it_is_revoked(state):
    key, other = new_client(state), new_client(state, "other")
    with running(state) as url:
        assert signed(key, "GET", f"{url}/v1/campaigns/one/probe").status_code == 200
        state.revoke_client(public(key))
        assert signed(key, "GET", f"{url}/v1/campaigns/one/probe").status_code == 403
        assert signed(other, "GET", f"{url}/v1/campaigns/one/probe").status_code == 200
        assert httpx2.put(f"{url}/v1/campaigns/one/probe").status_code == 405


def test_a_pinned_key_that_is_none(state):
    state.add_client("00" * 32, "nobody has this key")
    with running(state) as url:
        header = authorization(new_client(state), "GET", f"{url}/v1/campaigns")
        header = header.replace(header.split()[1].split(".")[0], "00" * 32)
        assert httpx2.get(f"{url}/v1/campaigns", headers={"authorization": header}).status_code == 401


def test_another_body_than_the_signed_one(state):
    with running(state) as url:
        target = f"{url}/v1/campaigns/one/releases"
        header = authorization(new_client(state), "POST", target, b"signed")
        answer = httpx2.post(target, content=b"posted", headers={"authorization": header})
        assert answer.status_code == 400 and "signed" in answer.text


def test_clocks(state, monkeypatch):
    """The same clock on both sides here, so the client's is moved."""
    with running(state) as url:
        key, target, now = new_client(state), f"{url}/v1/campaigns", time.time_ns()
        for seconds, status in [(WINDOW_SECONDS + 5, 401), (-WINDOW_SECONDS - 5, 401), (-50, 200), (50, 200)]:
            at = now + seconds * 10**9
            with monkeypatch.context() as patched:
                patched.setattr("proxyset.wire.signed_request.time.time_ns", lambda at=at: at)
                header = authorization(key, "GET", target)
            answer = httpx2.get(target, headers={"authorization": header})
            assert answer.status_code == status, answer.text


def test_requests_for_another_server_are_refused(state):
    key = new_client(state)
    with running(state, public_url="https://cloud.example") as url:
        here = authorization(key, "GET", "https://cloud.example/v1/campaigns")
        evil = authorization(key, "GET", "https://evil.example/v1/campaigns")
        for header, host, status in [
            (here, "cloud.example", 200),
            (evil, "evil.example", 401),
            (evil, "cloud.example", 401),
        ]:
            headers = {"authorization": header, "host": host}
            assert httpx2.get(f"{url}/v1/campaigns", headers=headers).status_code == status


def test_enrolling(state):
    with running(state) as url:
        target, token = f"{url}/v1/enroll", state.create_token("north")
        first, second = SigningKey.generate(), SigningKey.generate()
        body = json.dumps({"token": token}).encode()
        assert httpx2.post(target, content=body).status_code == 401  # it must be signed
        for _ in range(2):
            answer = signed(first, "POST", target, body)
            assert (answer.status_code, answer.json()["name"]) == (200, "north")
        assert signed(second, "POST", target, body).status_code == 403
        assert signed(second, "POST", target, b'{"token": "%s"}' % (b"x" * 43)).status_code == 403
        for bad in (b"", b"[]", b'{"token": 1}', b'{"token": "SECRET-that-is-too-long%s"}' % (b"x" * 300)):
            answer = signed(second, "POST", target, bad)
            assert answer.status_code == 400 and "SECRET" not in answer.text
        assert signed(second, "POST", target, b"x" * 5000).status_code == 413


def test_rates(state):
    with running(state, replace(GENEROUS, client=0.001, client_burst=3)) as url:
        key, other, target = new_client(state), new_client(state), f"{url}/v1/campaigns"
        answers = [signed(key, "GET", target) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) > 1
        assert signed(other, "GET", target).status_code == 200
    with running(state, replace(GENEROUS, address=0.001, address_burst=3)) as url:
        answers = [httpx2.get(f"{url}/healthz") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["x-content-type-options"] == "nosniff"
    with running(state, replace(GENEROUS, enrol=0.001, enrol_burst=2)) as url:
        key, target = SigningKey.generate(), f"{url}/v1/enroll"
        body = json.dumps({"token": "x" * 43}).encode()
        assert [signed(key, "POST", target, body).status_code for _ in range(3)] == [403, 403, 429]


def test_buckets_fill_again_and_forget():
    buckets = Buckets(rate=1, burst=2, most=3)
    assert [buckets.wait("a") == 0 for _ in range(3)] == [True, True, False]
    time.sleep(1.01)
    assert buckets.wait("a") == 0
    for name in "bcdefg":
        buckets.wait(name)
    assert len(buckets) == 3


def test_addresses():
    assert address_of("192.0.2.7") == "192.0.2.7"
    assert address_of("2001:db8::1") == address_of("2001:db8::ffff:1") != address_of("2001:db8:0:1::1")
    assert address_of("::ffff:192.0.2.7") == "192.0.2.7" != address_of("::ffff:192.0.2.8")
    assert address_of("fe80::1%eth0") and address_of("not:an:address")


@contextlib.contextmanager
def line(url):
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        yield connection


def post(key, url, body, announced):
    target = f"{url}/v1/campaigns/one/releases"
    header = authorization(key, "POST", target, body)
    return (
        f"POST /v1/campaigns/one/releases HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\nauthorization: {header}\r\n"
        f"content-length: {announced}\r\n\r\n"
    ).encode()


def test_those_who_dawdle(state):
    """Half a head, nothing at all, half a body, an answer that is not read: each is ended after its half second."""
    with running(state, HASTY) as url:
        key = new_client(state)
        for opening in (b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "):
            with line(url) as connection:
                connection.sendall(opening)
                begin = time.monotonic()
                with contextlib.suppress(ConnectionResetError):
                    assert connection.recv(1000) == b""
                assert 0.3 < time.monotonic() - begin < 60
        with line(url) as connection:
            connection.sendall(post(key, url, b"x" * 100, 100) + b"x" * 50)
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")
        with line(url) as connection:  # a second request's head dawdles like a first
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /hea")
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(1000):
                    received += part
            assert received.count(b"HTTP/1.1") == 1
        assert signed(key, "GET", f"{url}/v1/campaigns").status_code == 200


def test_those_who_send_too_much(state):
    with running(state) as url:
        key = new_client(state)
        with line(url) as connection:  # announced: refused before a byte of it is sent
            connection.sendall(post(key, url, b"", 10**12))
            assert connection.recv(1000).startswith(b"HTTP/1.1 413")
        with line(url) as connection:  # a stranger's is not read at all, whatever it says
            connection.sendall(post(SigningKey.generate(), url, b"", 10**12))
            assert connection.recv(1000).startswith(b"HTTP/1.1 401")
        with line(url) as connection:  # in pieces, without an announcement
            head = post(key, url, b"", 0).replace(b"content-length: 0", b"transfer-encoding: chunked")
            connection.sendall(head + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 3)
            assert connection.recv(1000).startswith(b"HTTP/1.1 413")
        for nonsense in (b"\0\1\2\3\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"x" * 100_000):
            with line(url) as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(nonsense)
                connection.settimeout(0.5)
                with contextlib.suppress(TimeoutError):
                    assert connection.recv(1000)[:12] in (
                        b"HTTP/1.1 400",
                        b"HTTP/1.1 404",
                        b"HTTP/1.1 431",
                        b"",
                    )
        assert signed(key, "GET", f"{url}/v1/campaigns").status_code == 200


def test_releases_that_are_none(state):
    with running(state) as url:
        key = new_client(state)
        for body in (b"", b"x" * 100, b"\0" * 8, b"\xff" * 2000):
            answer = signed(key, "POST", f"{url}/v1/campaigns/one/releases", body)
            assert answer.status_code == 422, answer.text
        assert state.releases("one") == []


def test_logs_and_metrics_hold_no_secret(state, caplog):
    with running(state) as url:
        key, bearer = new_client(state), state.accounts.create("ann", [Scope.read])
        token = state.create_token("north")
        with caplog.at_level("INFO"):
            signed(key, "GET", f"{url}/v1/campaigns?secret=1")
            signed(key, "POST", f"{url}/v1/enroll", json.dumps({"token": token}).encode())
            headers = {"authorization": f"Bearer {bearer}"}
            httpx2.get(f"{url}/v1/operator/clients", headers=headers)
            httpx2.get(f"{url}/made-up-by-a-stranger")
            metrics = httpx2.get(f"{url}/metrics", headers=headers).text
        ours = [record for record in caplog.records if record.name == "proxyset.service"]
        lines = [str(record.facts) for record in ours if record.getMessage() == "request"]
        assert len(lines) == 4 and "'who': 'ann'" in lines[2]
        told = "\n".join(lines) + metrics
        for secret in (token, bearer, "secret", "made-up", "127.0.0.1", "Ed25519"):
            assert secret not in told
        assert 'route="/v1/campaigns",status="200"' in metrics and 'route="other",status="404"' in metrics
