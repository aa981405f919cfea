"""A two-party sum over the nodes of `fleet`: what its tests in one process and with Flower's engine share."""

from pathlib import Path

import numpy as np

from proxyset.client.ledger import Cap, Ledger
from proxyset.client.policy import adopt
from proxyset.client.receipts import make_key, signing_key
from proxyset.cloud.index import Index
from proxyset.helper.store import KEY
from proxyset.server.state import State
from proxyset.server.two_party.sums import sums_of
from proxyset.wire.signing import own_key, public_half
from tests.server.two_party.parties import EPSILON, POLICY, begin_sum

SIGMAS = 7.0  # of any count; a false alarm in 10⁹ runs


def helper_public(folder: Path) -> str:
    return public_half(own_key(folder / "helper" / KEY))


def begin_flower_sum(
    state: State, folder: Path, index: Index, url: str, helper: str, accepting: int
) -> np.ndarray:
    """A campaign "phones"; its first nodes accept it, the others have no policy. The exact sum of the first."""
    begin_sum(state, index, url, "phones", most=16_383)
    probe, exact = index.probe(), np.zeros(12, int)
    for number in range(4):
        settings = f'data = "private-{number}.npy"\nledger = "ledger-{number}.sqlite"\nepsilon = {EPSILON}\n'
        (folder / f"node-{number}.toml").write_text(settings)
        ledger = Ledger.open(folder / f"ledger-{number}.sqlite", cap=Cap(100))
        make_key(ledger)
        state.add_client(public_half(signing_key(ledger)), f"node {number}")
        if number < accepting:
            adopt(ledger, POLICY.format(helper).encode())
            X = probe.project(np.load(folder / f"private-{number}.npy"))
            nearest = ((X[:, None] - probe.centroids) ** 2).sum(axis=2).argmin(axis=1)
            exact += np.bincount(nearest, minlength=12)
    return exact


def assert_summed(state: State, exact: np.ndarray, reports: int) -> None:
    total, progress = sums_of(state).total("phones"), sums_of(state).progress("phones")
    assert total is not None and progress.opened
    assert {verdict.name: count for verdict, count in progress.verdicts.items()} == {"accepted": reports}
    assert np.abs(total.counts - exact).max() <= np.ceil(SIGMAS * total.noise)
