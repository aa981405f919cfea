"""Operators for whom an OpenID Connect provider vouches, beside those with a token.

    issuer = "https://id.example/realms/hospital"    # what the provider calls itself; its keys and addresses are found there
    client = "proxyset"                              # what this server is called there
    secret_file = "oidc.secret"                      # beside this file; left out for a public client
    name = "email"                                   # the claim that names a person here; "sub" unless told otherwise
    claim = "groups"                                 # the claim that lists what a person belongs to
    [rights]
    proxyset-admins = ["read", "campaigns", "clients"]
    lung-team = ["read:lung-ct", "campaigns:lung-ct"]

The page sends a browser there (code flow, PKCE) and back to URL/page/oidc/back. The API takes the provider's ID tokens as bearers.
Whoever belongs to nothing that has rights here is a stranger. A person is called "oidc:" and his name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset.errors import InvalidInput, MissingExtra, Refused, TransportError, first_problem
from proxyset.printable import shortened
from proxyset.server.records import OIDC, Operator, check_name, check_scope, now
from proxyset.transport.request import request

BACK = "/oidc/back"  # below the page
_ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]  # no shared secret, and never none
_TRUST_SECONDS, _KEYS_SECONDS = 3600.0, 60.0
_SESSION = timedelta(hours=8)
_LEEWAY = 60  # seconds between two clocks
_MOST = 1 << 20  # bytes of an answer of the provider
_TIMEOUT = 10.0
_LONGEST = 16 << 10  # of a token


class Settings(BaseModel):
    """The file, as the module's docstring has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    client: str = Field(min_length=1)
    secret_file: str = ""
    name: str = "sub"
    claim: str = "groups"
    rights: dict[str, list[str]] = Field(min_length=1)

    @classmethod
    def read(cls, file: Path) -> Settings:
        """Raises InvalidInput: it cannot be read, or says something else."""
        try:
            settings = cls.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            raise InvalidInput(f"{file}: {first_problem(error)}") from None
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{file} cannot be read: {error}") from None
        for scope in (scope for held in settings.rights.values() for scope in held):
            check_scope(scope)
        parts = urlsplit(settings.issuer)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
            raise InvalidInput(f"{file}: issuer: {settings.issuer!r} is not an https:// URL")
        return settings


@dataclass(frozen=True)
class _Known:
    """What the provider says of itself, and until when it is believed."""

    facts: Mapping[str, Any]
    keys: Any
    fetched: float


class Provider:
    """One provider.

    Args:
        settings: whom it vouches for.
        secret: of this server there, or "".
        page: what browsers call the page, "https://cloud.example/page".

    Raises:
        MissingExtra: joserfc is not installed.
    """

    def __init__(self, settings: Settings, secret: str, page: str) -> None:
        try:
            import joserfc  # noqa: F401
        except ImportError:
            raise MissingExtra("joserfc", "oidc", "Operators of an OpenID Connect provider") from None
        self._settings, self._secret, self._back = settings, secret, page + BACK
        self._lock = Lock()
        self._known: _Known | None = None

    @classmethod
    def open(cls, file: Path, public_url: str) -> Provider:
        """The provider that a file names. Raises InvalidInput, MissingExtra; the provider itself is not asked yet."""
        if not public_url:
            raise InvalidInput(
                "a provider of operators needs the public URL of this server: it sends browsers back there"
            )
        settings = Settings.read(file)
        try:
            path = file.parent / settings.secret_file
            secret = path.read_text(encoding="utf-8").strip() if settings.secret_file else ""
        except (OSError, ValueError) as error:
            raise InvalidInput(f"the provider's secret cannot be read: {error}") from None
        return cls(settings, secret, public_url.rstrip("/") + "/page")

    def operator(self, token: str, nonce: str | None = None) -> Operator | None:
        """For whom an ID token vouches; None when it is none of this provider's, for this server, now.

        Args:
            token: a JWT.
            nonce: that it must hold; None where it answers no request of ours.

        Raises:
            TransportError: the provider's keys cannot be had.
        """
        from joserfc import jwt
        from joserfc.errors import JoseError

        settings = self._settings
        value = {"essential": True}
        wanted: dict[str, Any] = {
            "iss": value | {"value": settings.issuer},
            "aud": value | {"value": settings.client},
            "exp": value,
            "iat": value,
            "sub": value,
        }
        if nonce is not None:
            wanted["nonce"] = value | {"value": nonce}
        try:
            if len(token) > _LONGEST or not (keys := self._keys_for(token)):
                return None
            found = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
            jwt.JWTClaimsRegistry(leeway=_LEEWAY, **wanted).validate(found)
            if found.get("azp", settings.client) != settings.client:
                return None
            return self._person(found)
        except (JoseError, ValueError, TypeError):  # whatever a stranger sends; InvalidInput is a ValueError
            return None

    def _person(self, claims: Mapping[str, Any]) -> Operator | None:
        settings = self._settings
        told, name = claims.get(settings.claim, ()), claims.get(settings.name)
        if settings.name == "email" and claims.get("email_verified") is False:
            return None
        groups = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        scopes = {
            scope for group in groups if isinstance(group, str) for scope in settings.rights.get(group, ())
        }
        if not scopes or not isinstance(name, str):
            return None
        check_name(OIDC + name, "a person's name")
        begun = datetime.fromtimestamp(int(claims["iat"]), UTC)
        return Operator(OIDC + name, frozenset(scopes), begun, None, now() + _SESSION)

    # The code flow

    def begin(self) -> tuple[str, str]:
        """Where to send a browser, and the secret that its cookie holds until it is back.

        Raises:
            TransportError: the provider cannot be reached.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self._settings.client,
            "redirect_uri": self._back,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        place = str(self._facts()["authorization_endpoint"])
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}", f"{state}.{nonce}.{verifier}"

    def finish(self, cookie: str, state: str, code: str) -> Operator:
        """Who is back.

        Args:
            cookie: the secret of `begin`.
            state, code: what the browser brings from the provider.

        Raises:
            Refused: not sent by us, or nobody with rights here. TransportError: the provider cannot be reached, or says no.
        """
        sent, _, rest = cookie.partition(".")
        nonce, _, verifier = rest.partition(".")
        if not verifier or not secrets.compare_digest(sent.encode(), state.encode()):
            raise Refused("this login was not begun here, or too long ago: begin it again")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "client_id": self._settings.client,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if self._secret:
            pair = f"{quote(self._settings.client, safe='')}:{quote(self._secret, safe='')}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        body = urlencode(form).encode()
        told = self._ask("POST", str(self._facts()["token_endpoint"]), body, headers)
        who = self.operator(str(told.get("id_token", "")), nonce)
        if who is None:
            raise Refused(
                "the provider vouches for nobody with rights here: ask whoever runs this server for them"
            )
        return who

    # What the provider says of itself

    def _facts(self) -> Mapping[str, Any]:
        return self._fetched(_TRUST_SECONDS).facts

    def _keys_for(self, token: str) -> Any:
        """Its keys, when a token claims to be of this provider; fetched again, but not often, for a key that is new."""
        head, _, rest = token.partition(".")
        if _part(rest.partition(".")[0]).get("iss") != self._settings.issuer:
            return None
        known, kid = self._fetched(_TRUST_SECONDS), _part(head).get("kid")
        if kid is not None and kid not in {key.kid for key in known.keys.keys}:
            known = self._fetched(_KEYS_SECONDS)
        return known.keys

    def _fetched(self, seconds: float) -> _Known:
        """What is known, if it is at most so old; asked for anew otherwise."""
        from joserfc.jwk import KeySet

        with self._lock:
            if self._known is None or time.monotonic() - self._known.fetched > seconds:
                issuer = self._settings.issuer
                facts = self._ask("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
                if facts.get("issuer") != issuer:
                    other = shortened(str(facts.get("issuer")), 100)
                    raise TransportError(
                        f"the provider calls itself {other!r}, not {issuer!r}: write that into the file"
                    )
                keys = KeySet.import_key_set(self._ask("GET", str(facts.get("jwks_uri", ""))))  # type: ignore[arg-type]
                self._known = _Known(facts, keys, time.monotonic())
            return self._known

    def _ask(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        answer = request(method, url, most=_MOST, body=body, headers=headers, timeout=_TIMEOUT)
        try:
            told = json.loads(answer.accepted(f"the provider does not answer {method} {url}"))
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise TransportError(f"the provider's answer to {method} {url} makes no sense")
        return told


def _part(text: str) -> dict[str, Any]:
    """A part of a JWT, not believed yet; {} where it is none."""
    try:
        told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
