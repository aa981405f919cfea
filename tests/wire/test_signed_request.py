import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.signed_request import Credential, audience_of, authorization
from proxyset.wire.signing import public_half, sign

KEY = SigningKey(b"\1" * 32)
URL = "https://cloud.example:8443/v1/campaigns?x=1"
HERE = ("POST", "cloud.example:8443", "/v1/campaigns?x=1")


def test_a_signed_request_is_verified():
    credential = Credential.parse(authorization(KEY, "POST", URL, b"body"))
    credential.check(*HERE)
    assert credential.key == public_half(KEY)
    assert abs(credential.time - 1000 * time.time()) < 60_000
    assert Credential.parse(authorization(KEY, "POST", URL, b"body")).nonce != credential.nonce


def test_the_form_is_fixed(monkeypatch):
    """Written out, so that another implementation can be checked against it."""
    monkeypatch.setattr("os.urandom", lambda size: b"\2" * size)
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000 * 1_000_000)
    header = authorization(KEY, "GET", "https://cloud.example/v1/campaigns")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    text = "\n".join(
        ("proxyset request", "GET", "cloud.example", "/v1/campaigns", empty, "1700000000000", "02" * 16)
    )
    public = public_half(KEY)
    assert header == f"Proxyset-Ed25519 {public}.1700000000000.{'02' * 16}.{empty}.{sign(KEY, text.encode())}"


@pytest.mark.parametrize("part", range(3))
def test_another_request_is_not(part):
    credential = Credential.parse(authorization(KEY, "POST", URL, b"body"))
    other = list(HERE)
    other[part] = ("GET", "evil.example", "/v1/campaigns?x=2")[part]
    with pytest.raises(ArtifactError, match="signature"):
        credential.check(*other)


@given(st.data())
def test_no_digit_of_a_header_can_be_changed(data):
    header = authorization(KEY, "POST", URL, b"body")
    at = data.draw(st.integers(len("Proxyset-Ed25519 "), len(header) - 1))
    digit = data.draw(st.sampled_from("0123456789abcdef."))
    changed = header[:at] + digit + header[at + 1 :]
    if changed != header:
        with pytest.raises(ArtifactError):
            Credential.parse(changed).check(*HERE)


@given(st.text(max_size=500))
def test_any_text_is_refused(text):
    with pytest.raises(ArtifactError):
        Credential.parse(text)


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://Cloud.Example", "cloud.example"),
        ("https://cloud.example:443/x", "cloud.example"),
        ("http://cloud.example:443/x", "cloud.example:443"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
def test_audiences(url, audience):
    assert audience_of(url) == audience


@pytest.mark.parametrize("url", ["", "cloud.example", "https://", "https://x:port", "https://x:99999"])
def test_what_is_no_url(url):
    with pytest.raises(InvalidInput, match="is not a URL"):
        audience_of(url)
