"""The inbox: what waits for its owner, and what was decided about, in `LEDGER.inbox/`.

    ASK.json              who asked, when, and where its answer goes
    PROBE.probe           the bytes of a probe, named by its fingerprint
    PROBE.questions       the bytes of questions about labels, likewise

What became of an ask is in the ledger: a decision, a debit, a release. Probes and questions are public; nothing private lies
here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from proxyset import atomic
from proxyset.client.decisions import decision
from proxyset.client.ledger import Ledger
from proxyset.errors import LedgerError, Refused
from proxyset.fingerprint import fingerprint
from proxyset.wire.container import Sha256, Strict
from proxyset.wire.files import read_message
from proxyset.wire.probe import PROBE_LIMIT, Probe
from proxyset.wire.questions import Questions, question_of
from proxyset.wire.server_name import SERVER_LIMIT, server_name
from proxyset.wire.task import Task

Kind = Literal["probe", "questions"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_WAITING = 200  # asks without a decision: a server that sends ever new probes does not fill the disk


class Ask(Strict):
    """A probe, or a set of questions, and who asked.

    Attributes:
        kind: which of the two. Questions travel as files: with them, `url` is "" and `agent` False.
        probe: its fingerprint; ledgers call whatever is answered a probe.
        server: who asked, as the ledger calls it; "" for a file of unknown origin.
        url: of an open server, which takes the release there; "" when an agent or a person carries it.
        agent: whether an agent put it here and answers it as soon as it is approved.
        time: when it came, UTC, ISO 8601.
        size: bytes of the probe.
        task: of the two-party sum that an agent was asked to send a report for; None where noisy counts are asked for.
    """

    kind: Kind = "probe"
    probe: Sha256
    server: str = Field(max_length=SERVER_LIMIT)
    url: str
    agent: bool
    time: str
    size: int
    task: Task | None = None

    @property
    def name(self) -> str:
        """One name for a probe and a server: SHA-256 of the two."""
        return fingerprint([self.probe, self.server])


def put(
    ledger: Ledger,
    data: bytes,
    server: str = "",
    url: str = "",
    agent: bool = False,
    task: Task | None = None,
) -> Ask:
    """Keep a probe, or questions, for the owner to decide about. The same of the same server is kept once.

    Args:
        ledger: whose inbox.
        data: bytes of the probe or the questions.
        server, url, agent, task: as in `Ask`. What is asked for now is what is shown: another task takes the place of the first.

    Raises:
        ArtifactError: neither, or no probe though it came by a URL or an agent. InvalidInput: an impossible name of a server.
        Refused: too many wait already.
        LedgerError: it cannot be kept.
    """
    message = Probe.from_bytes(data) if url or agent else question_of(data)
    ask = Ask(
        kind="probe" if isinstance(message, Probe) else "questions",
        probe=message.fingerprint,
        server=server_name(server),
        url=url,
        agent=agent,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        size=len(data),
        task=task,
    )
    known = find(ledger, ask.name)
    if known is not None and known.task == task:
        return known
    if known is None and len(waiting(ledger)) >= MOST_WAITING:
        raise Refused(
            f"{MOST_WAITING} questions wait for a decision already: approve, refuse or remove some first"
        )
    try:
        atomic.write_bytes(_file(ledger, ask.probe, ask.kind), data, atomic.SECRET)
        file = _folder(ledger) / f"{ask.name}.json"
        atomic.write_bytes(file, ask.model_dump_json().encode(), atomic.SECRET)
    except OSError as error:
        raise LedgerError(f"the inbox of {ledger.path} cannot be written: {error}") from error
    return ask


def asks(ledger: Ledger) -> list[Ask]:
    """Every ask, the newest first.

    Raises:
        LedgerError: one is damaged.
    """
    files = sorted(_folder(ledger).glob("*.json")) if _folder(ledger).is_dir() else []
    return sorted((_read(file) for file in files), key=lambda ask: (ask.time, ask.name), reverse=True)


def waiting(ledger: Ledger) -> list[Ask]:
    """The asks that nothing was decided about, the newest first."""
    return [ask for ask in asks(ledger) if decision(ledger, ask.probe, ask.server) is None]


def find(ledger: Ledger, name: str) -> Ask | None:
    """The ask of this name, or None."""
    file = _folder(ledger) / f"{name}.json"
    known = len(name) == 64 and set(name) <= set("0123456789abcdef") and file.is_file()
    return _read(file) if known else None


def message_of(ledger: Ledger, fingerprint: str) -> Probe | Questions | None:
    """A kept probe, or kept questions, by the fingerprint; or None.

    Raises:
        ArtifactError: it is damaged. LedgerError: it is another.
    """
    file = next((file for kind in KINDS if (file := _file(ledger, fingerprint, kind)).is_file()), None)
    if file is None:
        return None
    message = question_of(read_message(file, "question", PROBE_LIMIT))
    if message.fingerprint != fingerprint:
        raise LedgerError(f"{file} was changed: remove it, and ask for it again")
    return message


def remove(ledger: Ledger, ask: Ask) -> None:
    """Forget an ask; its probe goes with the last ask for it. What the ledger says of it stays."""
    (_folder(ledger) / f"{ask.name}.json").unlink(missing_ok=True)
    if all(other.probe != ask.probe for other in asks(ledger)):
        _file(ledger, ask.probe, ask.kind).unlink(missing_ok=True)


def _read(file: Path) -> Ask:
    try:
        ask = Ask.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise LedgerError(f"{file} cannot be read ({error}): remove it") from error
    if ask.name != file.stem:
        raise LedgerError(f"{file} was changed: remove it")
    return ask


def _folder(ledger: Ledger) -> Path:
    return ledger.path.with_name(ledger.path.name + ".inbox")


def _file(ledger: Ledger, fingerprint: str, kind: Kind) -> Path:
    return _folder(ledger) / f"{fingerprint}.{kind}"
