"""What combining takes, measured on a small campaign; `proxyset-lab combine` is the long form."""

from __future__ import annotations

from proxyset.cloud.select import RULES
from proxyset.server.state import State
from proxyset_lab.service.combine import costs, fill


def test_a_filled_campaign_is_combined_by_every_rule(tmp_path):
    fill(tmp_path, 5, 7)
    state = State.open(tmp_path)
    assert state.release_counts() == {"campaign-0": 5}
    state.close()
    found = costs(tmp_path)
    assert list(found) == list(RULES)
    assert all(cost.core_seconds > 0 and cost.mib > 10 for cost in found.values())
