"""What a server remembers of its clients, over real sockets."""

import time
from contextlib import closing

import httpx2

from proxyset.server.recent import RECENT_SECONDS
from proxyset.server.state import State
from tests.server.running import begin, new_client, public, running, signed, tiny_index


def test_a_client_that_was_served_is_refused_within_a_second_of_its_revocation(tmp_path):
    with closing(State.open(tmp_path / "state")) as state:
        begin(state, tiny_index(tmp_path), "one")
        key, other = new_client(state), new_client(state, "other")
        with running(state) as url:
            assert signed(key, "GET", f"{url}/v1/campaigns/one/probe").status_code == 200
            state.revoke_client(public(key))
            time.sleep(RECENT_SECONDS + 0.1)
            assert signed(key, "GET", f"{url}/v1/campaigns/one/probe").status_code == 403
            assert signed(other, "GET", f"{url}/v1/campaigns/one/probe").status_code == 200
            assert httpx2.put(f"{url}/v1/campaigns/one/probe").status_code == 405
