"""How messages travel. The client pulls a probe and pushes a release; nothing ever connects to the client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from proxyset import atomic
from proxyset.errors import InvalidInput, TransportError
from proxyset.wire.files import read_message
from proxyset.wire.probe import PROBE_LIMIT


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


@dataclass(frozen=True)
class InProcess:
    """Both sides in one process: simulations and tests.

    Attributes:
        probe: bytes of the probe.
        accept: called with the bytes of the release.
    """

    probe: bytes
    accept: Callable[[bytes], None]

    def pull(self) -> bytes:
        return self.probe

    def push(self, release: bytes) -> None:
        self.accept(release)


@dataclass(frozen=True)
class Files:
    """Two files, for machines that share no network: carry them on whatever the owner trusts.

    Attributes:
        probe: path of the probe, written by the cloud.
        release: path of the release, written whole or not at all; an existing file is not replaced.
    """

    probe: Path
    release: Path

    def pull(self) -> bytes:
        return read_message(self.probe, "probe", PROBE_LIMIT)

    def push(self, release: bytes) -> None:
        if self.release.exists():
            if self.release.read_bytes() == release:
                return
            raise InvalidInput(f"{self.release} already exists; choose another name or remove it")
        try:
            atomic.write_bytes(self.release, release)
        except OSError as error:
            raise TransportError(
                f"cannot write the release to {self.release}: {error.strerror or error}"
            ) from error
