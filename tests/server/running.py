"""A server of campaigns on a real socket, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from nacl.signing import SigningKey

from proxyset.cloud.build import build_index
from proxyset.cloud.index import Index
from proxyset.server import campaigns
from proxyset.server.app import create_app
from proxyset.server.limits import Limits
from proxyset.server.oidc import Provider
from proxyset.server.sockets import listen, server_of, url_of
from proxyset.server.state import State
from proxyset.wire.campaign import Ask
from proxyset.wire.signed_request import authorization
from proxyset.wire.signing import public_half

CLUSTERS = 5
GENEROUS = Limits(address=0, client=0, enrol=0)


def tiny_index(folder: Path) -> Index:
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.save(folder / "pool.npy", X)
    return build_index(folder / "pool.npy", folder / "index", clusters=CLUSTERS)


def begin(state: State, index: Index, *names: str) -> None:
    for name in names:
        campaigns.create(state, name, index, Ask(), budget=10, purpose=name)


@contextmanager
def running(
    state: State, limits: Limits = GENEROUS, public_url: str = "", provider: Provider | None = None
) -> Iterator[str]:
    """The URL of a server of `state`."""
    server = server_of(create_app(state, public_url=public_url, limits=limits, provider=provider), limits)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield url_of(listener, "127.0.0.1", None)
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            assert not thread.is_alive()


def new_client(state: State, name: str = "client") -> SigningKey:
    key = SigningKey.generate()
    state.add_client(public(key), name)
    return key


def public(key: SigningKey) -> str:
    return public_half(key)


def signed(
    key: SigningKey, method: str, url: str, body: bytes = b"", verify: Any = True, **headers: Any
) -> httpx2.Response:
    """One request as an agent makes it."""
    headers = {"authorization": authorization(key, method, url, body)} | headers
    return httpx2.request(method, url, content=body, headers=headers, verify=verify)
