"""Strangers who want the server's memory, its connections or its time, and a healthy caller who is served all the while."""

import contextlib
import gc
import json
import re
import socket
import ssl
import threading
import time
from dataclasses import replace
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.routing import Mount

from proxyset.errors import InvalidInput
from proxyset.server.app import create_app
from proxyset.server.page.app import mount_page
from proxyset.server.records import Scope
from proxyset.server.sockets import Tls, listen, server_of, url_of
from proxyset_lab.service.certificate import certificate
from tests.server.running import GENEROUS, begin

HASTY = replace(GENEROUS, body_seconds=0.5, head_seconds=0.5)


@pytest.fixture
def place(tmp_path):
    """One kind of database: what strangers do to a connection ends before any."""
    return tmp_path / "state"


@contextlib.contextmanager
def running(state, limits=HASTY, host="127.0.0.1", tls=None, proxies=""):
    """URL and server of a state with its page."""
    app = create_app(state, limits=limits)
    desk = mount_page(app, state)
    server = server_of(app, limits, tls=tls, proxies=proxies)
    with listen(host, 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield url_of(listener, "127.0.0.1", tls), server
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            desk.close()
            assert not thread.is_alive()


@contextlib.contextmanager
def line(url, source="127.0.0.1"):
    parts = urlsplit(url)
    address = (parts.hostname, parts.port)
    with socket.create_connection(address, timeout=10, source_address=(source, 0)) as connection:
        yield connection


def answer_of(connection):
    """All that comes until the other end closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


def every_route(state):
    """(method, path) of the application and of the page, with something in the place of each parameter."""
    app = create_app(state)
    mount_page(app, state).close()
    (page,) = (route for route in app.routes if isinstance(route, Mount))
    paths = [("GET", "/"), ("GET", "/openapi.json"), ("HEAD", "/healthz")]
    paths += [(method, page.path + each.path) for each in page.app.app.routes for method in each.methods]
    paths += [(method.upper(), path) for path, them in app.openapi()["paths"].items() for method in them]
    assert len(paths) > 40
    return sorted((method, re.sub(r"{(\w+)(:int)?}", "1", path)) for method, path in paths)


def test_no_route_reads_the_body_of_a_stranger(state):
    """A body of a gigabyte that never comes: every route answers before a byte of it, and closes."""
    with running(state) as (url, _):
        for method, path in every_route(state):
            with line(url) as connection:
                head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {10**9}\r\n\r\n"
                begin = time.monotonic()
                connection.sendall(head.encode())
                answer = answer_of(connection)
                assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 2", b"HTTP/1.1 3")), (
                    method,
                    path,
                    answer,
                )
                assert b"connection: close" in answer and time.monotonic() - begin < 60


def test_no_route_waits_for_ever_for_the_body_of_somebody_known(state):
    bearer = state.accounts.create("all", Scope)
    with running(state) as (url, _):
        for method, path in every_route(state):
            if method in ("GET", "HEAD") or path.startswith("/v1/campaigns") or path == "/v1/enroll":
                continue  # those of agents: test_requests
            with line(url) as connection:
                head = f"{method} {path} HTTP/1.1\r\nhost: x\r\norigin: http://x\r\nauthorization: Bearer {bearer}\r\n"
                connection.sendall(
                    f"{head}content-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\nab".encode()
                )
                answer = answer_of(connection)
                assert answer[9:10] == b"4" or b"/close" in path.encode() or "revoke" in path, (path, answer)
                if path in ("/page/login", "/v1/operator/campaigns", "/v1/operator/enroll-tokens"):
                    assert answer.startswith(b"HTTP/1.1 408"), answer


def test_a_large_body_that_keeps_coming_has_the_time_for_it(state, index):
    """A megabyte at 200 KB/s takes longer than the half second that a small body has."""
    begin(state, index, "one")
    bearer = state.accounts.create("all", Scope)
    with running(state) as (url, _), line(url) as connection:
        head = (
            f"PUT /v1/operator/campaigns/one/model HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {bearer}\r\n"
        )
        connection.sendall(f"{head}content-length: {1 << 20}\r\n\r\n".encode())
        for _ in range(16):
            connection.sendall(b"x" * (1 << 16))
            time.sleep(0.1)
        assert connection.recv(1000)[9:12] == b"422"  # it is no model


def test_one_address_cannot_have_all_connections(state, caplog):
    limits = replace(GENEROUS, address_connections=5, connections=8)
    with running(state, limits) as (url, _), contextlib.ExitStack() as stack:
        greedy = [stack.enter_context(line(url, "127.0.0.2")) for _ in range(20)]
        for connection in greedy[5:]:
            assert answer_of(connection) == b""
        assert httpx2.get(f"{url}/healthz").status_code == 200
        assert "one address has too many" in str([getattr(each, "facts", "") for each in caplog.records])
        for connection in greedy:
            connection.close()
        time.sleep(0.2)
        with line(url, "127.0.0.2") as connection:  # those who left make room
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert answer_of(connection).startswith(b"HTTP/1.1 200")


def test_handshakes_that_never_begin_are_ended_and_counted(state, tmp_path, caplog):
    trust, key = certificate(tmp_path)
    limits = replace(HASTY, address_connections=5, head_seconds=2)
    with running(state, limits, tls=Tls(trust, key)) as (url, server), contextlib.ExitStack() as stack:
        silent = [stack.enter_context(line(url, "127.0.0.2")) for _ in range(10)]
        begin = time.monotonic()
        believed = ssl.create_default_context(cafile=trust)
        assert httpx2.get(f"{url}/healthz", verify=believed).json() == {"status": "ok"}
        for connection in silent:
            assert answer_of(connection) == b""
        assert time.monotonic() - begin < 60
        with line(url) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no TLS at all
            answer_of(connection)
        time.sleep(0.1)
        assert server.house.inside.total() <= 1
        assert "turned away" in caplog.text


def held():
    """TLS connections of this process that are still in memory; each has a quarter of a MiB."""
    return sum(1 for each in gc.get_objects() if type(each).__name__ == "SSLProtocol")


def test_what_a_connection_held_is_let_go_at_once(state, tmp_path):
    """A server collects cycles seldom: what waits for the collector would be memory that anybody fills."""
    trust, key = certificate(tmp_path)
    with running(state, replace(GENEROUS, head_seconds=0.5), tls=Tls(trust, key)) as (url, _):
        believed = ssl.create_default_context(cafile=trust)
        parts = urlsplit(url)
        gc.collect()
        gc.disable()
        try:
            before = held()
            for _ in range(3):
                with line(url) as silent:
                    answer_of(silent)
                with line(url) as nonsense:
                    nonsense.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    answer_of(nonsense)
                with believed.wrap_socket(
                    socket.create_connection((parts.hostname, parts.port)), server_hostname="127.0.0.1"
                ) as idle:
                    answer_of(idle)
                for path in ("/healthz", "/v1/campaigns", "/page/login"):
                    assert httpx2.get(url + path, verify=believed).status_code in (200, 401)
                with believed.wrap_socket(
                    socket.create_connection((parts.hostname, parts.port)), server_hostname="127.0.0.1"
                ) as large:
                    large.sendall(
                        b"POST /v1/operator/campaigns HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n"
                    )
                    with contextlib.suppress(OSError):  # the server ends it
                        for _ in range(1500):
                            large.sendall(b"x" * (1 << 16))
            deadline = time.monotonic() + 10
            while held() > before + 1 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert held() <= before + 1
        finally:
            gc.enable()


def test_a_certificate_is_replaced_while_the_server_runs(state, tmp_path):
    (tmp_path / "new").mkdir()
    trust, key = certificate(tmp_path)
    with running(state, tls=Tls(trust, key)) as (url, server):
        new, new_key = certificate(tmp_path / "new")
        old = ssl.create_default_context(cafile=trust.rename(tmp_path / "old.pem"))
        trust.write_bytes(b"half a certif")
        with pytest.raises(InvalidInput, match="certificate"):
            server.house.reload()
        assert httpx2.get(f"{url}/healthz", verify=old).status_code == 200
        trust.write_bytes(new.read_bytes())
        key.write_bytes(new_key.read_bytes())
        server.house.reload()
        believed = ssl.create_default_context(cafile=new)
        assert httpx2.get(f"{url}/healthz", verify=believed).status_code == 200


def test_ipv4_callers_of_an_ipv6_socket_are_told_apart(state):
    limits = replace(GENEROUS, address=0.001, address_burst=2)
    with running(state, limits, host="::") as (url, _):
        for source in ("127.0.0.1", "127.0.0.2"):
            with line(url, source) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 3)
                time.sleep(0.5)
                told = connection.recv(65536)
                assert (told.count(b"HTTP/1.1 200"), told.count(b"HTTP/1.1 429")) == (2, 1)
    with running(state, limits, host="::", proxies="127.0.0.1, 10.0.0.0/8") as (url, _):
        for number in range(4):  # each caller behind the proxy counts for itself
            headers = {"x-forwarded-for": f"192.0.2.{number}"}
            assert httpx2.get(f"{url}/healthz", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "proxies", ["localhost", "*", "10.0.0.0/33", "10.0.0.1/8", "127.0.0.1,proxy.example"]
)
def test_proxies_are_addresses(proxies, state):
    with pytest.raises(InvalidInput, match="proxies are addresses"):
        server_of(create_app(state), GENEROUS, proxies=proxies)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " + b"x" * (1 << 20),
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"x-many: 1234567\r\n" * 60_000 + b"\r\n",
        b"GET /" + b"x" * (1 << 20),
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"x-many: 1234567\r\n" * 5_000 + b"\r\n",
        b"POST /page/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
        + b"x-trailer: 12345\r\n" * 60_000,
        b"POST /page/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"x" * (1 << 20),
    ],
    ids=[
        "one header",
        "many headers",
        "a path",
        "headers in one piece",
        "trailers",
        "an extension of a chunk",
    ],
)
def test_heads_have_a_limit(state, sent):
    with running(state, GENEROUS) as (url, _):
        with line(url) as connection:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(sent)
            assert (
                b"HTTP/1.1 431" in (told := answer_of(connection)) or told == b"" or b"HTTP/1.1 411" in told
            )
        assert httpx2.get(f"{url}/healthz").status_code == 200


def test_head_of_health(state):
    with running(state) as (url, _):
        assert httpx2.head(f"{url}/healthz").status_code == 200
        assert json.loads(httpx2.get(f"{url}/healthz").content) == {"status": "ok"}
