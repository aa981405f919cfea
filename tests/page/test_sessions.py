"""Logins that end, and a token that works once."""

from __future__ import annotations

from proxyset.page import sessions
from proxyset.page.sessions import OneTimeToken, Sessions


def test_a_session_is_found_by_its_cookie_alone_and_ends():
    opened = Sessions()
    cookie = opened.begin("ada")
    session = opened.find(cookie)
    assert session is not None and session.name == "ada"
    assert opened.find(cookie + "x") is None and opened.find("") is None
    opened.end(cookie)
    assert opened.find(cookie) is None


def test_idle_sessions_end_and_used_ones_do_not():
    now = [0.0]
    opened = Sessions(lambda: now[0])
    idle, used = opened.begin("idle"), opened.begin("used")
    for _ in range(3):
        now[0] += sessions.IDLE_SECONDS * 0.6
        assert opened.find(used) is not None
    assert opened.find(idle) is None


def test_there_are_only_so_many(monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 2)
    now = [0.0]
    opened = Sessions(lambda: now[0])
    cookies = []
    for number in range(3):
        now[0] = number
        cookies.append(opened.begin(str(number)))
    assert [opened.find(cookie) is not None for cookie in cookies] == [False, True, True]


def test_messages_are_told_once():
    session = sessions.Session("ada")
    session.say("done")
    assert session.take_messages() == ["done"]
    assert session.take_messages() == []


def test_a_one_time_token():
    token = OneTimeToken()
    value = token.value
    assert not token.take("wrong") and not token.take("é")
    assert token.take(value)
    assert not token.take(value)
    assert token.value != value
