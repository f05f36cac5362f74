"""The calls that wait inside the library, off the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: seconds without work after which a thread ends
_IDLE = 10.0


class Calls:
    """At most `most` threads, started when there is work for them. They keep no process from ending."""

    def __init__(self, most: int = 4):
        self._most = most
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._idle = 0
        self._ended = False

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """What the function answers. A call that has begun goes on when the future is cancelled."""
        if os.getpid() != self._pid:  # after fork there are no threads, and the lock may be held for ever
            self.__init__(self._most)  # type: ignore[misc]
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                outcome: tuple[Any, BaseException | None] = function(*args, **kwargs), None
            except BaseException as error:
                outcome = None, error
            try:
                loop.call_soon_threadsafe(_settle, future, *outcome)
            except RuntimeError:
                pass  # the loop was closed meanwhile

        with self._changed:
            self._waiting.append(work)
            if self._idle < len(self._waiting) and self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._work, name="heroq-call", daemon=True).start()
            self._changed.notify()
        return future

    def end(self) -> None:
        """Threads end once they have nothing to do."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._ended, _IDLE)
            self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None

    def _work(self) -> None:
        while (work := self._next()) is not None:
            work()
            del work  # with what it answered, while waiting for the next


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
