"""The three parties of a sum, on sockets of this process: a helper, a leader's campaign, and agents."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from proxyset.agent.agent import Agent
from proxyset.client.calibration import privacy_statement
from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key, signing_key
from proxyset.client.terms import Terms
from proxyset.cloud.index import Index
from proxyset.helper.app import create_app as helper_app
from proxyset.server.limits import Limits
from proxyset.server.sockets import listen, server_of, url_of
from proxyset.server.state import State
from proxyset.server.two_party import create
from proxyset.server.two_party.sums import sums_of
from proxyset.transport.service import Service
from proxyset.wire.campaign import Ask
from proxyset.wire.signing import public_half
from tests.server.running import GENEROUS

EPSILON = 40.0  # noise of σ < 0.2: sums are exact to one; a false alarm below 1e-5
POLICY = 'unit = "record"\nencoders = "any"\naggregation = "two-party"\nhelpers = ["{}"]\nsmallest_sum = 3'


@contextmanager
def helping(folder: Path, *leaders: str, minimum: int = 3) -> Iterator[str]:
    """The URL of a helper on a socket, in a thread."""
    server = server_of(helper_app(folder, leaders, minimum, limits=Limits(address=0)), GENEROUS)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield url_of(listener, "127.0.0.1", None)
        finally:
            server.should_exit = True
            thread.join(timeout=30)


def begin_sum(state: State, index: Index, url: str, name: str = "wards", minimum: int = 3, **changes: object):
    agreed = create.Agreement(
        url, None, "", minimum, 1023, privacy_statement(EPSILON, unit="record", max_records=1)
    )
    ask = Ask(epsilon_high=EPSILON)
    return create.create(state, name, index, ask, replace(agreed, **changes), budget=10)


def client_of(state: State, url: str, folder: Path, number: int, policy: str) -> Agent:
    ledger = Ledger.open(folder / f"{number}.sqlite", cap=Cap(100))
    adopt(ledger, policy.encode())
    make_key(ledger)
    key = signing_key(ledger)
    state.add_client(public_half(key), f"client {number}")
    X = np.random.default_rng(number).normal(size=(number + 1, 4)).astype(np.float32)
    told: list[object] = []
    return Agent(
        Service(url, key), ledger, Terms(EPSILON), X, lambda *each: told.append(each), "X", hold=0.01
    )


def leader(state: State) -> str:
    return public_half(sums_of(state).key())
