"""What no request and no response gets past."""

from __future__ import annotations

import asyncio

import pytest

from proxyset.page.guard import HEADERS, Guard, same_origin


def ask(headers, is_ours=lambda host: host == "here:1", most=100):
    """Send one request through a guard; the status, the headers, and whether the application saw it."""
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append(scope)
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=1")]}
        )
        await send({"type": "http.response.body", "body": b""})

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    asyncio.run(Guard(app, is_ours, most)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), bool(seen)


def test_what_is_fine_passes_with_headers_added_and_none_replaced():
    status, headers, seen = ask({"host": "here:1", "content-length": "100"})
    assert (status, seen) == (200, True)
    assert headers[b"cache-control"] == b"max-age=1"
    assert {name for name in HEADERS if name.encode() not in headers} == set()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"host": "there:1"}, 400),
        ({"host": "here:1", "content-length": "101"}, 413),
        ({"host": "here:1", "content-length": "-1"}, 413),
        ({"host": "here:1", "content-length": "1" * 400}, 413),
        ({"host": "here:1", "content-length": "١"}, 413),
        ({"host": "here:1", "transfer-encoding": "chunked"}, 411),
    ],
)
def test_what_is_not_is_sent_away_unseen(headers, status):
    found, sent, seen = ask(headers)
    assert (found, seen) == (status, False)
    assert b"content-security-policy" in sent


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://here:1", "here:1", True),
        ("https://HERE", "here", True),
        ("http://here:1", "here:2", False),
        ("http://evil.example", "here", False),
        ("http://here.evil.example", "here", False),
        ("ftp://here", "here", False),
        ("null", "null", False),
        ("", "here", False),
        ("http://", "", False),
    ],
)
def test_same_origin(origin, host, same):
    assert same_origin(origin, host) is same


def test_a_page_without_tls_is_no_part_of_a_site_with_it():
    assert same_origin("https://here", "here", secure=True)
    assert not same_origin("http://here", "here", secure=True)
