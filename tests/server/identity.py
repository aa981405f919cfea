"""A real OpenID Connect provider in a process of its own, and the browser of somebody who logs in there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2

from proxyset_lab.service.driver import free_port

CLIENT = "proxyset"


@contextmanager
def provider(people: dict[str, list[str]]) -> Iterator[str]:
    """Its URL. `people` are its users and their groups."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    for name, groups in people.items():
        command += [
            "--user-claims",
            json.dumps({"sub": name, "email": f"{name}@x.example", "groups": groups}),
        ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx2.get(url + "/jwks").raise_for_status()
                break
            except httpx2.HTTPError:
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def consent(place: str, name: str) -> str:
    """Say yes on the provider's page as somebody; where the browser is sent then."""
    answer = httpx2.post(place, data={"sub": name})
    assert answer.status_code in (302, 303), answer.text
    return answer.headers["location"]


def id_token(url: str, name: str, client: str = CLIENT) -> str:
    """What a program gets for somebody."""
    back = "https://program.example/back"
    asked = {"response_type": "code", "client_id": client, "redirect_uri": back, "scope": "openid email"}
    sent = consent(f"{url}/oauth2/authorize?{httpx2.QueryParams(asked)}", name)
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(sent).query)["code"][0],
        "redirect_uri": back,
    }
    answer = httpx2.post(f"{url}/oauth2/token", data=form, auth=(client, "any"))
    return answer.json()["id_token"]
