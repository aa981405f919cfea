"""Errands: the probes that an agent has asked for and not yet answered, in `LEDGER.errands/`.

    NAME.json     which probe of which campaign of which server, and when it was asked for
    NAME.probe    its bytes

They are what makes the moment of an answer survive a crash. An agent that is killed while it works on private data, and comes
back at a moment that may depend on them, finds its errands here: it asks the server for nothing, works, and speaks at a whole
multiple of the hold after the time that is written here, as it would have done. Nothing private lies here.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from proxyset import atomic
from proxyset.client.ledger import Ledger
from proxyset.errors import LedgerError
from proxyset.fingerprint import fingerprint
from proxyset.wire.campaign import CampaignId
from proxyset.wire.container import Sha256, Strict
from proxyset.wire.files import read_message
from proxyset.wire.probe import PROBE_LIMIT
from proxyset.wire.server_name import SERVER_LIMIT
from proxyset.wire.task import Task


class Errand(Strict):
    """One probe to answer.

    Attributes:
        server: its URL, as the ledger calls it.
        campaign, probe: as offered.
        task: what a report is made for, where a two-party sum is asked for.
        asked: when the round began in which the probe was asked for; seconds since 1970.
    """

    server: str = Field(max_length=SERVER_LIMIT)
    campaign: CampaignId
    probe: Sha256
    asked: float = Field(ge=0, allow_inf_nan=False)
    task: Task | None = None

    @property
    def name(self) -> str:
        return fingerprint([self.server, self.campaign, self.probe])


def put(ledger: Ledger, errand: Errand, data: bytes) -> None:
    """Keep an errand and its probe; on the disk when this returns.

    Raises:
        LedgerError: it cannot be kept.
    """
    try:
        _folder(ledger).mkdir(mode=0o700, exist_ok=True)
        atomic.write_bytes(_folder(ledger) / f"{errand.name}.probe", data)
        atomic.write_bytes(_folder(ledger) / f"{errand.name}.json", errand.model_dump_json().encode())
    except OSError as error:
        raise LedgerError(f"{_folder(ledger)} cannot be written: {error}") from error


def kept(ledger: Ledger, server: str) -> list[Errand]:
    """The errands of a server, in an order that only their names decide.

    Raises:
        LedgerError: one is damaged.
    """
    found = [_read(file) for file in sorted(_folder(ledger).glob("*.json"))]
    return [errand for errand in found if errand.server == server]


def probe_of(ledger: Ledger, errand: Errand) -> bytes:
    """The probe's bytes, as received.

    Raises:
        TransportError: they cannot be read.
    """
    return read_message(_folder(ledger) / f"{errand.name}.probe", "probe", PROBE_LIMIT)


def done(ledger: Ledger, errand: Errand) -> None:
    """Forget an errand."""
    for kind in ("json", "probe"):
        (_folder(ledger) / f"{errand.name}.{kind}").unlink(missing_ok=True)


def _read(file: Path) -> Errand:
    try:
        return Errand.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise LedgerError(f"{file} cannot be read ({error}): remove it") from error


def _folder(ledger: Ledger) -> Path:
    return ledger.path.with_name(ledger.path.name + ".errands")
