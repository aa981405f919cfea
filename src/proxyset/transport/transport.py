"""How messages travel. The client pulls a probe and pushes a release; nothing ever connects to the client."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """The client's end of an exchange. Both methods carry bytes; what they mean is validated by the receiver."""

    def pull(self) -> bytes:
        """The probe. Raises TransportError when it cannot be had."""
        ...

    def push(self, release: bytes) -> None:
        """Hand over a release: when this returns, the other side has it. Pushing it again is harmless.

        Raises:
            TransportError: it was not accepted. Rejected: it never will be.
        """
        ...
