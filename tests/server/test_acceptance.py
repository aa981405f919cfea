"""Which releases are taken in: against the obvious, one submission at a time."""

from contextlib import closing
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxyset.server import campaigns
from proxyset.server.records import Outcome, now
from proxyset.server.state import State
from proxyset.wire.campaign import Ask
from tests.server.running import begin
from tests.server.test_state import KEY, submission


def test_what_became_of_a_submission(state, index):
    begin(state, index, "one", "two")
    state.add_client(KEY, "north")
    state.add_client("cd" * 32, "south")
    good, other = submission(), submission(fingerprint="e" * 64)
    assert state.store([good, good, other]) == [Outcome.stored, Outcome.known, Outcome.answered]
    assert state.store([good]) == [Outcome.known]
    assert state.store([submission(client="cd" * 32)]) == [Outcome.taken]
    assert state.store([submission("two"), submission(client="99" * 32)]) == [Outcome.stored, Outcome.revoked]
    state.close_campaign("two")
    assert state.store([submission("two", "cd" * 32, "d" * 64)]) == [Outcome.closed]
    assert state.store([submission("two")]) == [Outcome.known]  # acknowledged once, acknowledged always
    assert state.store([submission("none", fingerprint="c" * 64)]) == [Outcome.closed]
    state.revoke_client("cd" * 32)
    assert state.store([submission(client="cd" * 32, fingerprint="b" * 64)]) == [Outcome.revoked]
    assert state.release_counts() == {"one": 1, "two": 1}
    assert state.release("one", good.fingerprint) == good.data
    assert state.answered(KEY) == {"one": good.fingerprint, "two": good.fingerprint}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4)), max_size=6), max_size=4
    )
)
def test_batches_are_judged_like_one_after_another(index, tmp_path_factory, batches):
    """Against the obvious: a dictionary, one submission at a time. Campaign 2 is closed, client 2 revoked, the 3s unknown."""
    with closing(State.open(tmp_path_factory.mktemp("state"))) as book:
        begin(book, index, "c0", "c1", "c2")
        for client in range(3):
            book.add_client(f"k{client}", "someone")
        book.close_campaign("c2")
        book.revoke_client("k2")
        held: dict[tuple[str, str], str] = {}
        for batch in batches:
            submissions = [submission(f"c{c}", f"k{k}", f"p{p}") for c, k, p in batch]
            assert book.store(submissions) == [slowly(held, each) for each in submissions]
        stored = {(r.campaign, r.client): r.fingerprint for c in ("c0", "c1") for r in book.releases(c)}
        assert stored == held


def slowly(held, new):
    if new.client not in ("k0", "k1"):
        return Outcome.revoked
    if first := held.get((new.campaign, new.client)):
        return Outcome.known if first == new.fingerprint else Outcome.answered
    if new.campaign not in ("c0", "c1"):
        return Outcome.closed
    if any(at[0] == new.campaign and print == new.fingerprint for at, print in held.items()):
        return Outcome.taken
    held[new.campaign, new.client] = new.fingerprint
    return Outcome.stored


def test_a_deadline(state, index):
    soon = now() + timedelta(seconds=3)  # a busy machine needs a second to begin
    campaign = campaigns.create(state, "brief", index, Ask(), budget=5, deadline=soon)
    state.add_client(KEY, "north")
    assert campaign.accepting() and not campaign.accepting(soon)
    while state.campaign("brief").accepting():
        pass
    assert state.store([submission("brief")]) == [Outcome.closed]


def test_more_releases_at_once_than_one_statement_takes(state, index):
    begin(state, index, "one")
    with state._database.writing() as db:  # add_client flushes the disk each time
        for number in range(4000):
            db.execute(
                "INSERT INTO clients VALUES (?, 'someone', ?, NULL)", (f"k{number}", now().isoformat())
            )
    batch = [submission(client=f"k{number}", fingerprint=f"p{number}") for number in range(4000)]
    assert set(state.store(batch)) == {Outcome.stored}
    assert set(state.store(batch)) == {Outcome.known}
    assert state.release_counts() == {"one": 4000}
