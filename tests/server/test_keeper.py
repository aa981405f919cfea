"""The keeper as a real process over a real state: who waits is answered, whatever happens to it."""

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager, closing

import numpy as np
import pytest

from proxyset.client.calibration import privacy_statement
from proxyset.errors import ArtifactError, StateError
from proxyset.server.keeper import Keeper, Keepers
from proxyset.server.records import Outcome
from proxyset.server.state import State
from proxyset.wire.receipt import Claim, Receipt
from proxyset.wire.release import Release
from proxyset.wire.signing import public_half, sign
from tests.server.running import CLUSTERS, begin, new_client, tiny_index

CLIENTS = 40


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return tiny_index(tmp_path_factory.mktemp("index"))


@pytest.fixture
def state(tmp_path, index):
    with closing(State.open(tmp_path / "state")) as book:
        begin(book, index, "one")
        yield book


@pytest.fixture
def keys(state):
    return [new_client(state, f"client {number}") for number in range(CLIENTS)]


@asynccontextmanager
async def keeping(state, sizes=None):
    keeper = Keeper(state.folder, sizes.append if sizes is not None else lambda size: None)
    await keeper.start()
    try:
        yield keeper
    finally:
        await keeper.stop()


def release(state, key, counts=None, epsilon=0.5):
    campaign = state.campaign("one")
    bare = Release(
        np.zeros(CLUSTERS, np.int64) if counts is None else counts,
        campaign.probe,
        campaign.index,
        privacy_statement(epsilon),
    )
    claim = Claim(
        release=bare.fingerprint,
        probe=bare.probe,
        index=bare.index,
        server="",
        privacy=bare.privacy,
        policy="",
        head="0" * 64,
        key=public_half(key),
    )
    receipt = Receipt.sign(claim, key).to_bytes()
    return Release(bare.counts, bare.probe, bare.index, bare.privacy, receipt)


def of(number):
    return np.full(CLUSTERS, number, np.int64)


def send(keeper, state, keys, **options):
    sent = [
        keeper.store("one", public_half(key), release(state, key, of(number % CLIENTS), **options).to_bytes())
        for number, key in enumerate(keys)
    ]
    return asyncio.gather(*sent, return_exceptions=True)


def test_signatures(state, keys):
    async def ask():
        async with keeping(state) as keeper:
            public, signature = public_half(keys[0]), sign(keys[0], b"text")
            return await asyncio.gather(
                keeper.verify(public, signature, b"text"),
                keeper.verify(public, signature, b"other"),
                keeper.verify(public_half(keys[1]), signature, b"text"),
                keeper.verify("00" * 32, signature, b"text"),
                keeper.verify("ff" * 32, signature, b"text"),
            )

    assert asyncio.run(ask()) == [True, False, False, False, False]


def test_those_who_wait_share_a_commit(state, keys):
    sizes = []

    async def ask():
        async with keeping(state, sizes) as keeper:
            return await send(keeper, state, keys), await send(keeper, state, keys[:3])

    first, again = asyncio.run(ask())
    assert [kept.outcome for kept in first] == [Outcome.stored] * CLIENTS
    assert [kept.outcome for kept in again] == [Outcome.known] * 3
    assert first[0].fingerprint == release(state, keys[0]).fingerprint
    assert sum(sizes) == CLIENTS + 3 and len(sizes) < 20
    assert state.release_counts() == {"one": CLIENTS}


def test_what_does_not_answer_is_not_stored(state, keys):
    async def ask():
        async with keeping(state) as keeper:
            mine = release(state, keys[0])
            bad = {
                "is not a release": b"junk",
                "counts for a probe": release(state, keys[0], np.zeros(CLUSTERS + 1, np.int64)).to_bytes(),
                "no receipt": Release(mine.counts, mine.probe, mine.index, mine.privacy).to_bytes(),
                "asked for": release(state, keys[0], epsilon=50).to_bytes(),
                "signed by": release(state, keys[1]).to_bytes(),
            }
            for why, data in bad.items():
                with pytest.raises(ArtifactError, match=why):
                    await keeper.store("one", public_half(keys[0]), data)
            return await keeper.store("one", public_half(keys[0]), mine.to_bytes())

    assert asyncio.run(ask()).outcome is Outcome.stored
    assert state.release_counts() == {"one": 1}


def test_stopping_stores_what_waits(state, keys):
    async def ask():
        keeper = Keeper(state.folder)
        await keeper.start()
        waiting = send(keeper, state, keys[:9])
        await asyncio.sleep(0)
        await keeper.stop()
        assert not keeper.running
        with pytest.raises(StateError, match="not running"):
            await keeper.verify("", "", b"")
        return await waiting

    assert [kept.outcome for kept in asyncio.run(ask())] == [Outcome.stored] * 9


def test_a_state_that_cannot_be_written_acknowledges_nothing(state, keys):
    async def ask():
        async with keeping(state) as keeper:
            with state._database.writing() as db:
                db.execute("ALTER TABLE releases RENAME TO away")
            (failed,) = await send(keeper, state, keys[:1])
            with state._database.writing() as db:
                db.execute("ALTER TABLE away RENAME TO releases")
            return failed, (await send(keeper, state, keys[:1]))[0]

    failed, later = asyncio.run(ask())
    assert isinstance(failed, StateError) and later.outcome is Outcome.stored


def test_a_keeper_that_is_killed_is_followed_by_another(state, keys):
    """Who waited is told to come again, and what was acknowledged is there."""

    async def ask():
        async with keeping(state) as keeper:
            assert [kept.outcome for kept in await send(keeper, state, keys[:5])] == [Outcome.stored] * 5
            os.kill(keeper._process.pid, signal.SIGSTOP)  # so that it has answered nothing when it is killed
            waiting = send(keeper, state, keys)
            await asyncio.sleep(0)
            os.kill(keeper._process.pid, signal.SIGKILL)
            cut_off = await waiting
            assert not keeper.running
            begin = time.monotonic()
            while not keeper.running and time.monotonic() < begin + 30:
                await asyncio.sleep(0.1)
            return cut_off, await send(keeper, state, keys)

    cut_off, again = asyncio.run(ask())
    assert all(isinstance(answer, StateError) for answer in cut_off)
    assert {kept.outcome for kept in again} <= {Outcome.stored, Outcome.known}
    assert [kept.outcome for kept in again[:5]] == [Outcome.known] * 5
    assert state.release_counts() == {"one": CLIENTS}


def test_several_keep_one_state(state, keys):
    """They share the work; what one stored is known to all, and when one is killed the others go on."""

    async def ask():
        keepers = Keepers(state.folder, 3)
        await keepers.start()
        first = await send(keepers, state, keys + keys)
        busy = [keeper._ticket for keeper in keepers._all]
        os.kill(keepers._all[0]._process.pid, signal.SIGKILL)
        while keepers._all[0].running:
            await asyncio.sleep(0.01)
        keepers.check()
        again = await send(keepers, state, keys)
        await keepers.stop()
        with pytest.raises(StateError, match="not running"):
            keepers.check()
        return first, busy, again

    first, busy, again = asyncio.run(ask())
    outcomes = [kept.outcome for kept in first]
    assert outcomes.count(Outcome.stored) == outcomes.count(Outcome.known) == CLIENTS
    assert min(busy) > CLIENTS / 3
    assert [kept.outcome for kept in again] == [Outcome.known] * CLIENTS
    assert state.release_counts() == {"one": CLIENTS}


def test_it_ends_with_its_server(state):
    """Without a word: the server was killed, and its end of the line closed."""

    async def ask():
        keeper = Keeper(state.folder)
        await keeper.start()
        await keeper.verify("00" * 32, "00" * 64, b"")
        keeper._stopping = True  # nobody starts another
        keeper._transport.abort()
        return keeper._process

    assert asyncio.run(ask()).wait(timeout=30) in (0, 1)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_leaves_it_to_the_server(state, keys, sent):
    async def ask():
        async with keeping(state) as keeper:
            await keeper.verify("00" * 32, "00" * 64, b"")
            os.kill(keeper._process.pid, sent)
            return await send(keeper, state, keys[:1])

    assert asyncio.run(ask())[0].outcome is Outcome.stored
