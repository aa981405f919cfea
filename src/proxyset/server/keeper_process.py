"""The keeper's own process: verifies signatures, checks releases and stores them.

    python -m proxyset.server.keeper_process DIR        its standard input is a socket to the server

Releases that come in at about the same time share one flush of the disk. The process ends when the server does, however that
ends; what it had begun to store is then complete or undone.
"""

from __future__ import annotations

import gc
import select
import signal
import socket
import sys
import time
import traceback
from functools import lru_cache

from proxyset.errors import ArtifactError, StateError
from proxyset.server.frames import Answer, Frames, Question, Verdict, framed
from proxyset.server.recent import Recent
from proxyset.server.records import Campaign, Submission
from proxyset.server.state import State
from proxyset.server.submission import check_submission
from proxyset.wire.signing import verify

_TOGETHER = 16  # answers: who waits for the first does not wait for hundreds
_READ = 1 << 18
_BATCH = 500
_GATHER = 1  # times as long as the last commit took, so that a slow disk has half of the time at most
_LEAST_GATHER, _MOST_GATHER = 0.005, 0.1
_IDLE_SECONDS = 0.002


class Process:
    """Answers the questions that come over a socket until its other end closes.

    A release waits for others, but not when there is nothing else to do. Nothing is done during a commit, so while questions
    keep coming there are the fewer commits, the slower the disk is.
    """

    def __init__(self, state: State, line: socket.socket) -> None:
        self._state, self._line = state, line
        self._campaigns: Recent[Campaign] = Recent(state.campaign)
        self._clusters = lru_cache(maxsize=1000)(lambda probe: state.probe_size(probe)[1])
        self._batch: list[tuple[int, Submission]] = []
        self._due, self._gather = 0.0, _LEAST_GATHER

    def run(self) -> None:
        """Until the server closes its end; what waits then is stored."""
        frames = Frames()
        while True:
            if self._batch and not self._more_to_read():
                self._commit()
            elif data := self._line.recv(_READ):
                for questions in frames.feed(data):
                    self._consider(questions)
            else:
                break
        if self._batch:
            self._commit()

    def _more_to_read(self) -> bool:
        """Whether something comes before the batch is due, or before it is clear that nothing does."""
        left = max(0.0, self._due - time.monotonic())
        return bool(select.select([self._line], [], [], min(left, _IDLE_SECONDS))[0])

    def _consider(self, questions: list[Question]) -> None:
        for start in range(0, len(questions), _TOGETHER):
            asked = questions[start : start + _TOGETHER]
            self._send([answer for question in asked if (answer := self._answer(question))])
            if self._batch and (len(self._batch) >= _BATCH or time.monotonic() >= self._due):
                self._commit()

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
        if not self._batch:
            self._due = time.monotonic() + self._gather
        self._batch.append((ticket, submission))
        return None  # after the commit

    def _commit(self) -> None:
        batch, self._batch = self._batch, []
        begin = time.monotonic()
        try:
            outcomes = self._state.store([submission for _, submission in batch])
        except StateError as error:
            answers = [(ticket, Verdict.failed.value, str(error)) for ticket, _ in batch]
        else:
            told = zip(batch, outcomes, strict=True)
            answers = [
                (ticket, outcome.value, submission.fingerprint) for (ticket, submission), outcome in told
            ]
        took = time.monotonic() - begin
        self._gather = min(max(_LEAST_GATHER, _GATHER * took), _MOST_GATHER)
        self._send(answers)

    def _send(self, answers: list[Answer]) -> None:
        if answers:
            self._line.sendall(framed(answers))


def main() -> None:
    for each in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # they are sent to the server too, which closes its end when it is done
        signal.signal(each, signal.SIG_IGN)
    state = State.open(sys.argv[1], create=False)
    gc.freeze()  # as the server does (`cli.serve`)
    gc.set_threshold(100_000, 20, 20)
    try:
        with socket.socket(fileno=0) as line:
            Process(state, line).run()
    except (BrokenPipeError, ConnectionResetError):  # the server was killed
        sys.exit(1)
    finally:
        state.close()


if __name__ == "__main__":
    main()
