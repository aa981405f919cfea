"""Every error that proxyset raises on purpose.

ProxysetError
├── InvalidInput          an option or a value that cannot work: ε ≤ 0, R > n, an unknown strategy
│   ├── InvalidData       data that cannot be read or encoded: empty pool, corrupt image, NaN embedding
│   └── EncoderMismatch   the two sides would not compute the same features
│       └── EncoderMissing    its files are not on this machine: they can be fetched
├── ArtifactError         a file or message of ours is damaged, tampered with or of another version
│   └── InvalidReport     a report of a verifiable sum does not verify: drop it, the sum goes on without it
├── Refused               the owner's policy or budget says no; nothing was sent
│   ├── ApprovalNeeded    a person must say yes first
│   └── BudgetExceeded    the debit would pass the cap
├── LedgerError           the ledger cannot be trusted or written; nothing was sent
├── StateError            the server's state cannot be trusted or written, or does not allow that
│   ├── UnknownName       it holds no campaign, index, client or model of that name
│   └── NameTaken         it holds a campaign, client or operator of that name already
├── TransportError        the other side could not be reached or did not accept
│   └── Rejected          it understood and said no: asking again changes nothing
├── DiskFull              there is no room for a file; it is as it was before
├── FetchError            benchmark data could not be downloaded
└── MissingExtra          an optional dependency is not installed

A message says what happened, the numbers, and what to do next. It stays on the machine that raised it: no message
of this tree crosses the trust boundary. It may quote what a stranger wrote, so it is printable, whoever raised it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from proxyset.printable import printable_lines, shortened

if TYPE_CHECKING:
    from pydantic import ValidationError

_LONGEST = 4000  # characters of a message


class ProxysetError(Exception):
    """Base of all errors raised on purpose. Whatever a message quotes, it is safe to show: see `printable`."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(_safe(arg) if isinstance(arg, str) else arg for arg in args))


class InvalidInput(ProxysetError, ValueError):
    """An option or a value that cannot work."""


class InvalidData(InvalidInput):
    """Data that cannot be read or encoded."""


class EncoderMismatch(InvalidInput):
    """The two sides would not compute the same features."""


class EncoderMissing(EncoderMismatch):
    """The encoder's files are not on this machine. They can be fetched from whoever asks, or be carried here."""


class ArtifactError(ProxysetError):
    """A file or message is damaged, tampered with or of another version."""


class InvalidReport(ArtifactError):
    """A report of a verifiable sum does not verify. Drop it; the sum goes on without it."""


class Refused(ProxysetError):
    """The owner's policy says no. Nothing was sent.

    Nothing was debited either, with one exception that its message states: an answer that the policy withholds for its
    noisy counts (`fewest_records`) had to be drawn first, and keeps its debit.
    """


class ApprovalNeeded(Refused):
    """The owner's policy leaves this answer to a person. Nothing was debited."""


class BudgetExceeded(Refused):
    """The debit would pass the owner's cap. Nothing was debited."""


class LedgerError(ProxysetError):
    """The ledger cannot be trusted or written. Nothing was sent."""


class StateError(ProxysetError):
    """The server's state cannot be trusted or written, or what was asked contradicts it. Nothing was changed."""


class UnknownName(StateError):
    """The server's state holds nothing of that name."""


class NameTaken(StateError):
    """The server's state holds something of that name already."""


class TransportError(ProxysetError):
    """The other side could not be reached, or did not accept the message.

    Attributes:
        retry_after: seconds that it asked to wait; 0 when it did not say.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(TransportError):
    """The other side understood the message and said no. Sending it again changes nothing."""


class DiskFull(ProxysetError, OSError):
    """There is no room for a file: the disk or the owner's quota is full, or files may not be that large.

    Attributes:
        errno, strerror, filename: as of any OSError; `filename` is what was to be written.
    """

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}. Make room, or choose another place, and do the same again"


class FetchError(ProxysetError):
    """Benchmark data could not be downloaded."""


class MissingExtra(ProxysetError, ImportError):
    """An optional dependency is not installed.

    Args:
        package: the package that is missing, as it is imported.
        extra: the extra of proxyset that brings it.
        purpose: what it is needed for, as in "HOG features".
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} need {package}, which is not installed: pip install 'proxyset[{extra}]'")
        self._given = package, extra, purpose

    def __reduce__(self) -> tuple[Any, ...]:  # it comes back from worker processes
        return type(self), self._given


@contextmanager
def needing(extra: str, purpose: str) -> Iterator[None]:
    """Around the import of what an extra brings: MissingExtra, with that extra and purpose, where it is not installed."""
    try:
        yield
    except MissingExtra:
        raise
    except ImportError as error:
        raise MissingExtra(error.name or str(error), extra, purpose) from error


def _safe(message: str) -> str:
    return printable_lines(shortened(message, _LONGEST))


def first_problem(error: ValidationError, whole: str = "") -> str:
    """What pydantic complains of first, in words: "privacy.sigma: Input should be greater than 0".

    Args:
        whole: what is named where the complaint is about no part.
    """
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or whole
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
