"""What many requests want of the state at the same time, done together: one transaction, one flush of the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from proxyset.errors import StateError

Wish = TypeVar("Wish")
Answer = TypeVar("Answer")
_TOGETHER = 500
_WAITING = 20_000


class Batches(Generic[Wish, Answer]):
    """Calls a function with all that came while its last call was running. It is called in a thread, never twice at once.

    Args:
        work: answers each wish, in order; what it raises is raised to all who were in the batch.
    """

    def __init__(self, work: Callable[[Sequence[Wish]], Sequence[Answer]]) -> None:
        self._work = work
        self._waiting: list[tuple[Wish, asyncio.Future[Answer]]] = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, wish: Wish) -> Answer:
        """The answer to one wish.

        Raises:
            StateError: too many wait already. Whatever `work` raises.
        """
        if len(self._waiting) >= _WAITING:
            raise StateError(f"{_WAITING} requests wait already: try again later")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((wish, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain())
        return await answer

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
            asked = [
                (wish, answer) for wish, answer in batch if not answer.done()
            ]  # who asked is still there
            try:
                told = await asyncio.to_thread(self._work, [wish for wish, _ in asked])
            except Exception as error:  # noqa: BLE001  # it is raised, to everybody who waits for it
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for (_, answer), each in zip(asked, told, strict=True):
                    if not answer.done():
                        answer.set_result(each)
