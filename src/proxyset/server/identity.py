"""The server's own key, in DIR/server.key: clients agree on a secret with it (`wire.signed_request`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxyset.errors import InvalidInput, StateError
from proxyset.wire.signing import make_key, read_key

if TYPE_CHECKING:
    from nacl.signing import SigningKey

FILE = "server.key"


def server_key(folder: Path) -> SigningKey:
    """The key of the state in `folder`, made at the first call.

    Whoever has it can ask for what clients may ask for. He cannot make a release: that takes the client's own receipt. When it is
    lost, clients sign their requests.

    Raises:
        StateError: it cannot be read or written.
    """
    path = folder / FILE
    try:
        if not path.exists():
            make_key(path)
        return read_key(path)
    except (InvalidInput, OSError) as error:
        raise StateError(f"the server's key cannot be used: {error}") from error
