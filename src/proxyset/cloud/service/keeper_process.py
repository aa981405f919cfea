"""The keeper's own process: verifies signatures, checks releases and stores them.

    python -m proxyset.cloud.service.keeper_process DIR        its standard input is a socket to the server

It ends when the server does, however that ends; what it had begun to store is then complete or undone.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from functools import lru_cache

from proxyset.cloud.records import Campaign, Outcome
from proxyset.cloud.service.frames import Answer, Frames, Question, Verdict, framed
from proxyset.cloud.service.recent import Recent
from proxyset.cloud.service.submission import check_submission
from proxyset.cloud.service.writer import Settled, Writer
from proxyset.cloud.state import State
from proxyset.errors import ArtifactError, StateError
from proxyset.wire.signing import verify

_TOGETHER = 16  # answers: who waits for the first does not wait for hundreds
_READ = 1 << 18
_SWITCH_SECONDS = 0.0005  # the writer needs the interpreter often and briefly


class Process:
    """Answers the questions that come over a socket until its other end closes."""

    def __init__(self, state: State, line: socket.socket) -> None:
        self._line, self._sending = line, threading.Lock()
        self._campaigns: Recent[Campaign] = Recent(state.campaign)
        self._clusters = lru_cache(maxsize=1000)(lambda probe: state.probe_size(probe)[1])
        self._names: dict[int, str] = {}
        self._writer = Writer(state, self._settle)

    def run(self) -> None:
        """Until the server closes its end; what waits then is stored."""
        self._writer.start()
        frames = Frames()
        while data := self._line.recv(_READ):
            for questions in frames.feed(data):
                for start in range(0, len(questions), _TOGETHER):
                    asked = questions[start : start + _TOGETHER]
                    self._send([answer for question in asked if (answer := self._answer(question))])
        self._writer.stop()

    def _answer(self, question: Question) -> Answer | None:
        ticket, kind, first, second, data = question
        answer = self._verify if kind == "verify" else self._store
        try:
            return answer(ticket, first, second, data)
        except StateError as error:
            return ticket, Verdict.failed.value, str(error)
        except Exception:  # noqa: BLE001  # one message must not end the service of all others
            traceback.print_exc()
            return ticket, Verdict.broken.value, ""

    def _verify(self, ticket: int, key: str, signature: str, text: bytes) -> Answer | None:
        try:
            verify(key, signature, text, "request")
        except ArtifactError:
            return ticket, Verdict.forged.value, ""
        return ticket, Verdict.valid.value, ""

    def _store(self, ticket: int, campaign: str, client: str, release: bytes) -> Answer | None:
        asked = self._campaigns[campaign]
        try:
            submission = check_submission(release, asked, self._clusters(asked.probe), client)
        except ArtifactError as error:
            return ticket, Verdict.unfit.value, str(error)
        self._names[ticket] = submission.fingerprint
        self._writer.store(ticket, submission)
        return None

    def _settle(self, settled: Settled) -> None:
        answers: list[Answer] = []
        for ticket, outcome in settled:
            name = self._names.pop(ticket)
            if isinstance(outcome, Outcome):
                answers.append((ticket, outcome.value, name))
            else:
                answers.append((ticket, Verdict.failed.value, str(outcome)))
        self._send(answers)

    def _send(self, answers: list[Answer]) -> None:
        if answers:
            with self._sending:
                self._line.sendall(framed(answers))


def main() -> None:
    for each in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # they are sent to the server too, which closes its end when it is done
        signal.signal(each, signal.SIG_IGN)
    sys.setswitchinterval(_SWITCH_SECONDS)
    threading.excepthook = _end
    state = State.open(sys.argv[1], create=False)
    try:
        with socket.socket(fileno=0) as line:
            Process(state, line).run()
    except (BrokenPipeError, ConnectionResetError):  # the server was killed
        sys.exit(1)
    finally:
        state.close()


def _end(failed: threading.ExceptHookArgs) -> None:
    """Without its writer this process is of no use: the server sees it end, and starts another."""
    threading.__excepthook__(failed)
    os._exit(1)


if __name__ == "__main__":
    main()
