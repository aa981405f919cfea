"""A hostile server: bounds in bytes, in memory and in time. The sockets are real, and the memory is a process's own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from proxyset.errors import InvalidInput, Rejected, TransportError
from proxyset.transport.http import Http
from proxyset.transport.request import request
from proxyset.transport.service import Service
from tests.transport.hostile import bomb, floods, hostile, says, trickles

ZIPPED = "content-encoding: gzip"
OK = b"HTTP/1.1 200 OK\r\n"
# one call in a process of its own; what was raised, how long it took, and how far its memory grew (MiB)
ALONE = """
import json, resource, sys, time
from nacl.signing import SigningKey
from proxyset.errors import ProxysetError
from proxyset.transport.http import Http
from proxyset.transport.service import Service
url, call = sys.argv[1:]
http, service = Http(url, 2.0), Service(url, SigningKey.generate(), timeout=2.0)
try:
    Http("http://127.0.0.1:9", 0.1, 1).pull()  # whatever is imported late
except ProxysetError:
    pass
before, begun, raised = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic(), ""
try:
    {"pull": http.pull, "push": lambda: http.push(b"x" * 100), "offers": service.offers,
     "enroll": lambda: service.enroll("x" * 43)}[call]()
except ProxysetError as error:
    raised = f"{type(error).__name__}: {error}"
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([raised, time.monotonic() - begun, (after - before) / 1024]))
"""


def alone(url: str, call: str) -> tuple[str, float, float]:
    told = subprocess.run(
        [sys.executable, "-c", ALONE, url, call], capture_output=True, text=True, timeout=60, check=True
    )
    raised, seconds, grown = json.loads(told.stdout)
    assert raised, "nothing was raised"
    return raised, seconds, grown


@pytest.mark.parametrize("call", ["pull", "push", "offers", "enroll"])
@pytest.mark.parametrize("status", ["500 No", "200 OK"])
def test_a_gzip_bomb_is_not_opened(status: str, call: str) -> None:
    with hostile(says(status, bomb(), ZIPPED)) as url:
        raised, seconds, grown = alone(url, call)
    assert grown < 32, f"{grown:.0f} MiB for {raised[:200]}"
    assert seconds < 60  # it would never end
    assert len(raised) < 1000


@pytest.mark.parametrize(
    "start, part",
    [
        (OK + b"content-length: 1000000\r\n\r\n", b"x"),
        (b"HTTP/1.1 500 No\r\ncontent-length: 1000000\r\n\r\n", b"x"),
        (OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (OK + b"x: ", b"y"),
        (b"", b"H"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "error", "chunks", "header", "nothing", "continue"],
)
def test_what_trickles_ends(start: bytes, part: bytes) -> None:
    """0.2 s from byte to byte is below any time-out of a single step; the whole has a second."""
    with hostile(trickles(start, part)) as url:
        begun = time.monotonic()
        with pytest.raises(TransportError):
            Http(url, 1.0, 1).pull()
        assert time.monotonic() - begun < 60  # it would go on for ever


@pytest.mark.parametrize(
    "start, part",
    [
        (OK, b"x: y\r\n" * 1000),
        (OK + b"x: ", b"y" * 10_000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (OK + b"transfer-encoding: chunked\r\n\r\n", b"1;" + b"z" * 10_000 + b"\r\nx\r\n"),
        (b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n", b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
        (OK + b"transfer-encoding: chunked\r\n\r\n", b"2710\r\n" + b"[" * 10_000 + b"\r\n"),
        (OK + b"content-length: 99999999999\r\n\r\n", b"[" * 10_000),
    ],
    ids=["headers", "header", "continue", "extensions", "error", "json", "long"],
)
def test_what_never_ends_is_left(start: bytes, part: bytes) -> None:
    with hostile(floods(start, part)) as url:
        raised, seconds, grown = alone(url, "offers")
    assert grown < 32, f"{grown:.0f} MiB for {raised[:200]}"
    assert seconds < 60  # it would never end


def test_the_slow_reader_of_a_release() -> None:
    def never_reads(sock: object) -> None:
        time.sleep(20)

    with hostile(never_reads) as url:
        begun = time.monotonic()
        with pytest.raises(TransportError):
            request("POST", url + "/v1/releases", most=1000, body=bytes(32 << 10), timeout=1.0)
        assert time.monotonic() - begun < 15


@pytest.mark.parametrize("length", [5, 15])
def test_a_length_that_is_not_true(length: int) -> None:
    with hostile(says("200 OK", b"0123456789", f"content-length: {length}")) as url:
        if length == 5:
            assert request("GET", url, most=100).body == b"01234"
        else:
            with pytest.raises(TransportError, match="cannot reach"):
                request("GET", url, most=100)


def test_redirects_are_not_followed() -> None:
    with (
        hostile(says("200 OK", b"reached")) as other,
        hostile(says("307 Go", b"", f"location: {other}")) as url,
    ):
        with pytest.raises(Rejected, match="HTTP 307"):
            Http(url).pull()
        with pytest.raises(Rejected, match="HTTP 307"):
            Http(url).push(b"x")


def test_how_long_to_wait_is_bounded() -> None:
    for told, waits in (("120", 120.0), ("999999", 3600.0), ("-1", 0.0), ("1e9", 0.0), ("²", 0.0)):
        with (
            hostile(says("503 Later", b"", f"retry-after: {told}")) as url,
            pytest.raises(TransportError) as raised,
        ):
            Http(url, attempts=1).pull()
        assert raised.value.retry_after == waits and not isinstance(raised.value, Rejected)


HOSTILE_TEXT = "\x1b[2J\x1b]0;you\x07\x9b31m\u202e\u2066\u200f\u061c\u2028\u200b\ufeff\x00\r\nerror: all is well\U000e0041"


def test_a_servers_words_are_printable_in_errors() -> None:
    with hostile(says("422 No", HOSTILE_TEXT.encode())) as url:
        for call in (Http(url).pull, Service(url, SigningKey.generate()).offers):
            with pytest.raises(TransportError) as raised:
                call()
            assert str(raised.value).isprintable() and "\\u001b[2J" in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["", "cloud.example", "ftp://cloud.example", "https://", "https://a:b", "https://a:99999", "http://a/\x00", "http://u:p@a",
     "http://a/ b", "https://[::1"],
)  # fmt: skip
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not a URL of a server"):
        request("GET", url, most=1)


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with hostile(says("200 OK", b"by proxy")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", proxy)
        assert request("GET", "http://cloud.invalid/v1/probe", most=100).body == b"by proxy"
        monkeypatch.setenv("no_proxy", "cloud.invalid")
        with pytest.raises(TransportError, match="cannot reach"):
            request("GET", "http://cloud.invalid/v1/probe", most=100)
