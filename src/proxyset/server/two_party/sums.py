"""Where the two-party sums of a server's state are. Loads the packages of fleets when it is asked, not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxyset.server.state import State

KEY = "leader.key"  # in the state's folder

if TYPE_CHECKING:
    from proxyset.server.two_party.store import Sums


def sums_of(state: State) -> Sums:
    """The two-party sums of a server's state. Raises MissingExtra: the packages of fleets are not installed."""
    from proxyset.server.two_party.store import Sums

    return Sums(state._database, state.folder)
