"""How heroq's objects live on an event loop: bound to one, watching descriptors of the library."""

from __future__ import annotations

import abc
import asyncio
import os
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from .. import _heroq
from ..errors import ClosedError, StateError
from .calls import Calls

T = TypeVar("T")


class _Closes(Protocol):
    def close(self) -> object: ...


S = TypeVar("S", bound=_Closes)


def running() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "heroq.aio needs a running asyncio event loop: asyncio's own, uvloop, or anyio on asyncio; trio is none"
        ) from None


class Readable:
    """Calls back while a descriptor is readable, between `start` and `stop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, callback: Callable[[], None]):
        if fd < 0:
            raise OSError("no descriptor is left")
        self._loop, self._fd, self._callback = loop, fd, callback
        self._on = False
        self._pid = os.getpid()

    def start(self) -> None:
        if not self._on:
            self._loop.add_reader(self._fd, self._callback)
            self._on = True

    def stop(self) -> None:
        # A child made by fork shares the loop's selector with its parent, whose reader it would take away.
        if self._on and not self._loop.is_closed() and os.getpid() == self._pid:
            self._loop.remove_reader(self._fd)
        self._on = False


class Turns:
    """Coroutines that wait for the same descriptor: one of them at a time is woken, and looks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int):
        self._loop = loop
        self._readable = Readable(loop, fd, self._wake)
        self._waiting: deque[asyncio.Future[None]] = deque()

    def _wake(self) -> None:
        self._readable.stop()  # until that one has looked
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)
                return

    async def until(self, take: Callable[[], T | None], timeout: float | None) -> T | None:
        """What `take` answers once it answers something; None when `timeout` seconds (None: for ever) are over.

        It is asked with no await behind, so that nothing is taken by a task that was cancelled.
        """
        found = take()
        end = None if timeout is None else self._loop.time() + timeout
        while found is None and (end is None or self._loop.time() < end):
            await self._wait(end)
            found = take()
        return found

    async def _wait(self, end: float | None) -> None:
        woken: asyncio.Future[None] = self._loop.create_future()
        timer = None if end is None else self._loop.call_at(end, _set, woken)
        self._waiting.append(woken)
        self._readable.start()
        try:
            await woken
        finally:
            if timer is not None:
                timer.cancel()
            self._waiting.remove(woken)
            if self._waiting:
                self._readable.start()
            else:
                self._readable.stop()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Bound(abc.ABC, Generic[S]):
    """Opened by `async with`, or by the first call, and from then on a thing of that event loop."""

    def __init__(self, threads: int = 4) -> None:
        self._pid = os.getpid()
        self._calls = Calls(threads)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sync: S | None = None
        self._bound = False  # to that loop; the thread that made the thing may be ahead of it
        self._opening: asyncio.Future[None] | None = None
        self._closed = False

    @abc.abstractmethod
    def _make(self) -> S:
        """The thing underneath. It may wait, and is made on a thread."""

    @abc.abstractmethod
    def _bind(self, sync: S, loop: asyncio.AbstractEventLoop) -> None:
        """The thing belongs to this loop from now on; the one it had before, if any, was closed."""

    async def _open(self) -> S:
        loop = running()
        if self._bound and self._loop is loop and self._sync is not None and not self._closed:
            return self._sync
        if os.getpid() != self._pid:
            raise StateError("opened before fork: make a new one in the child", _heroq.HEROQ_E_FORKED)
        if self._loop is not None and self._loop is not loop:
            if not self._loop.is_closed():
                raise RuntimeError(f"{type(self).__name__} belongs to another event loop, which is not closed")
            self._opening = None
            self._bound = False
        self._check_open()
        if self._opening is None or self._opening.cancelled():
            self._loop = loop
            self._opening = loop.create_task(self._open_once(loop))
        opening = self._opening
        try:
            await asyncio.shield(opening)
        except Exception:
            if self._opening is opening:
                self._opening = self._loop = None  # the next call tries again
            raise
        self._check_open()
        assert self._sync is not None
        return self._sync

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the {type(self).__name__.lower()} is closed")

    async def _open_once(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._sync is None:
            await self._calls.call(self._make_now)
        if self._sync is not None and not self._closed:
            self._bind(self._sync, loop)
            self._bound = True

    def _make_now(self) -> None:
        made = self._make()
        self._sync = made
        if self._closed:  # meanwhile, or whoever wanted it is gone
            made.close()

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abc.abstractmethod
    async def close(self) -> object: ...
