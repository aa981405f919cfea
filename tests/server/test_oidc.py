"""Operators by an OpenID Connect provider, a process of its own: logins on the page, ID tokens as bearers."""

import base64
import contextlib
import json
import threading
import time

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from proxyset.errors import InvalidInput, TransportError
from proxyset.server.app import create_app
from proxyset.server.oidc import Provider, Settings
from proxyset.server.page.app import mount_page
from proxyset.server.sockets import listen, server_of, url_of
from proxyset.server.state import State
from tests.server.identity import CLIENT, consent, id_token, provider
from tests.server.running import GENEROUS, begin, tiny_index

PEOPLE = {"ann": ["admins"], "bob": ["lung"], "eve": ["visitors"], "old": ["admins"]}
RIGHTS = {"admins": ["read", "campaigns", "clients"], "lung": ["read:one", "campaigns:one"]}


@pytest.fixture(scope="module")
def issuer():
    with provider(PEOPLE) as url:
        yield url


@pytest.fixture
def state(tmp_path):
    book = State.open(tmp_path / "state")
    begin(book, tiny_index(tmp_path), "one", "two")
    yield book
    book.close()


def known(issuer, page="https://cloud.example/page", **changes):
    return Provider(
        Settings(**{"issuer": issuer, "client": CLIENT, "rights": RIGHTS} | changes), "secret", page
    )


@contextlib.contextmanager
def serving(state, issuer):
    """The URL of a server with its page, and its provider."""
    with listen("127.0.0.1", 0) as listener:
        url = url_of(listener, "127.0.0.1", None)
        vouching = known(issuer, f"{url}/page")
        app = create_app(state, provider=vouching, limits=GENEROUS)
        desk = mount_page(app, state, provider=vouching)
        server = server_of(app, GENEROUS)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            desk.work.close()


@pytest.fixture
def browser():
    """Somebody's browser, back from the provider, and the answer that it got."""
    with contextlib.ExitStack() as stack:

        def come(url, name):
            client = stack.enter_context(httpx2.Client(base_url=url, headers={"origin": url}))
            away = client.get("/page/oidc")
            assert away.status_code == 303 and "httponly" in away.headers["set-cookie"].lower()
            return client, client.get(consent(away.headers["location"], name))

        yield come


def test_people_log_in_with_the_rights_of_their_groups(state, issuer, browser):
    with serving(state, issuer) as url:
        assert "your organisation" in httpx2.get(f"{url}/page/login").text
        ann, answer = browser(url, "ann")
        assert (
            answer.status_code == 200
            and answer.headers["refresh"] == "0; url=/page/"
            and "oidc:ann" in answer.text
        )
        assert ann.get("/page/clients").status_code == 200 and "two" in ann.get("/page/").text
        bob, _ = browser(url, "bob")
        home = bob.get("/page/")
        assert "/campaigns/one" in home.text and "/campaigns/two" not in home.text
        assert bob.get("/page/campaigns/one").status_code == 200
        for path in ("/page/campaigns/two", "/page/campaigns/none", "/page/clients", "/page/progress"):
            assert bob.get(path).status_code == 403, path
        _, answer = browser(url, "eve")
        assert answer.status_code == 409 and "rights" in answer.text
    told = [(act.who, act.act, act.object) for act in state.acts() if act.way == "page"]
    assert ("oidc:ann", "log in", "oidc:ann") in told and ("oidc:bob", "log in", "oidc:bob") in told
    assert not [each for each in told if "eve" in str(each)]


def test_who_is_revoked_here_stays_out_until_he_is_readmitted(state, issuer, browser):
    with serving(state, issuer) as url:
        old, _ = browser(url, "old")
        bearer = {"authorization": f"Bearer {id_token(issuer, 'old')}"}
        assert (
            old.get("/page/").status_code
            == httpx2.get(f"{url}/v1/operator/clients", headers=bearer).status_code
            == 200
        )
        state.accounts.revoke("oidc:old")
        assert old.get("/page/").status_code == 303  # to the login
        assert httpx2.get(f"{url}/v1/operator/clients", headers=bearer).status_code == 401
        assert "revoked here" in browser(url, "old")[1].text
        state.accounts.readmit("oidc:old")
        assert browser(url, "old")[1].status_code == 200


def test_a_session_ends_when_the_provider_must_vouch_again(state, issuer, browser):
    with serving(state, issuer) as url:
        ann, _ = browser(url, "ann")
        assert ann.get("/page/").status_code == 200
        with state._database.writing() as db:
            db.execute("UPDATE operators SET until = '2020-01-01T00:00:00.000+00:00'")
        assert ann.get("/page/").headers["location"] == "/page/login"


def test_logins_that_were_not_begun_in_this_browser(state, issuer):
    with serving(state, issuer) as url, httpx2.Client(base_url=url) as client:
        back = consent(client.get("/page/oidc").headers["location"], "ann")
        assert httpx2.get(back).status_code == 409  # another browser, without the cookie
        assert client.get(back.replace("state=", "state=x")).status_code == 409
        assert client.get("/page/oidc/back?error=access_denied").status_code == 409
        assert (
            client.get(
                back.partition("code=")[0] + "code=made-up&state=" + back.partition("state=")[2]
            ).status_code
            == 502
        )
        assert client.get(back).status_code == 200
        assert client.get(back).status_code == 502  # the provider takes a code once
        for path in ("/page/oidc/back", "/page/oidc/back?code=%00&state=%ff", "/page/oidc/back?state=&code="):
            assert 400 <= client.get(path).status_code <= 502, path


def forged(claims, key, header=None):
    return jwt.encode({"alg": "RS256"} | (header or {}), claims, key)


def test_tokens_that_are_not_the_provider_s_for_this_server_now(issuer):
    here, mine = known(issuer), RSAKey.generate_key(2048)
    good = id_token(issuer, "ann")
    assert here.operator(good).scopes == frozenset(RIGHTS["admins"])
    now = int(time.time())
    claims = {"iss": issuer, "aud": CLIENT, "sub": "ann", "iat": now, "exp": now + 600, "groups": ["admins"]}
    public = httpx2.get(f"{issuer}/jwks").json()["keys"][0]
    head, body, _ = good.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for name, token in {
        "another's key": forged(claims, mine),
        "another's key by the right name": forged(claims, mine, {"kid": public.get("kid", "x")}),
        "the public key as a shared secret": jwt.encode(
            {"alg": "HS256"}, claims, OctKey.import_key(json.dumps(public)), algorithms=["HS256"]
        ),
        "no signature": f"{head}.{body}.",
        "algorithm none": f"{unsigned}.{body}.",
        "another program's": id_token(issuer, "ann", "another"),
        "no rights": id_token(issuer, "eve"),
        "cut off": good[:-4],
        "garbage": "a.b.c",
        "bytes": "\0.\ud7ff.\0",
        "long": good + "A" * 20_000,
    }.items():
        assert here.operator(token) is None, name
    assert here.operator(good, nonce="another") is None
    assert known(issuer, name="email").operator(good).name == "oidc:ann@x.example"
    assert known(issuer, name="nothing").operator(good) is None


def test_times_and_parties_of_tokens(issuer, monkeypatch):
    """Signed with a key that the provider is made to have."""
    here, key = known(issuer), RSAKey.generate_key(2048, {"kid": "ours"})
    here._fetched(0)
    monkeypatch.setattr(here._known.keys, "keys", [key])
    now = int(time.time())
    right = {"iss": issuer, "aud": CLIENT, "sub": "ann", "iat": now, "exp": now + 600, "groups": "admins"}
    assert here.operator(forged(right, key, {"kid": "ours"}))
    for name, change in {
        "expired": {"exp": now - 100},
        "for another": {"aud": "another"},
        "of another": {"iss": "https://other.example"},
        "for many, by another": {"aud": [CLIENT, "x"], "azp": "x"},
        "without a name": {"sub": None},
        "a name that moves what stands around it": {"sub": "\u202eann"},
        "a long name": {"sub": "a" * 300},
        "no time": {"iat": "soon"},
        "an endless time": {"iat": 1e30},
        "groups": {"groups": {"admins": 1}},
        "numbers": {"groups": [1, None]},
    }.items():
        assert here.operator(forged(right | change, key, {"kid": "ours"})) is None, name


def test_a_provider_that_is_away_is_503_and_another_name_is_told(state, issuer):
    away = known("http://127.0.0.1:9")
    token = forged({"iss": "http://127.0.0.1:9"}, RSAKey.generate_key(2048))
    with pytest.raises(TransportError):
        away.operator(token)
    with pytest.raises(TransportError, match="calls itself"):
        known(issuer + "/").begin()
    with serving(state, "http://127.0.0.1:9") as url:
        headers = {"authorization": f"Bearer {token}"}
        assert httpx2.get(f"{url}/v1/operator/clients", headers=headers).status_code == 503
        assert httpx2.get(f"{url}/page/oidc").status_code == 502


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "issuer"),
        ("x =", "cannot be read"),
        ('issuer = "http://id.example"\nclient = "x"\nrights = {a = ["read"]}', "https"),
        ('issuer = "https://id.example"\nclient = "x"\nrights = {a = ["write"]}', "a scope is"),
        ('issuer = "https://id.example"\nclient = "x"\nrights = {a = ["clients:one"]}', "for all campaigns"),
        ('issuer = "https://id.example"\nclient = "x"\nrights = {}', "rights"),
        (
            'issuer = "https://id.example"\nclient = "x"\nsecret_file = "none"\nrights = {a = ["read"]}',
            "secret",
        ),
    ],
)
def test_files_that_say_something_else(tmp_path, text, why):
    (tmp_path / "oidc.toml").write_text(text)
    with pytest.raises(InvalidInput, match=why):
        Provider.open(tmp_path / "oidc.toml", "https://cloud.example")


def test_scopes_of_a_campaign(state):
    for scope in ("write", "read:", "read:../x", "clients:one", "read:ONE", ""):
        with pytest.raises(InvalidInput):
            state.accounts.create("x", [scope])
    with pytest.raises(InvalidInput, match="oidc"):
        state.accounts.create("oidc:ann", ["read"])
