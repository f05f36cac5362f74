"""Awaits by the thousand on one event loop: every one is a future, all of them share one descriptor."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .. import _heroq
from ..client import Client, client_of
from ..errors import HeroqError, StateError, error_from
from ..job import Data, Job
from ..options import Value
from ..waiter import Waiter as SyncWaiter
from .loop import Bound, Readable

if TYPE_CHECKING:
    from ..embedded import Embedded

#: completions that are handed out before other callbacks of the loop get their turn
_BATCH = 256

Future = asyncio.Future
Result = Future[bytes]


class Awaits:
    """The futures of one loop over one waiter. Its descriptor is watched while a future is open."""

    def __init__(self, waiter: SyncWaiter, loop: asyncio.AbstractEventLoop):
        self.waiter = waiter
        self._loop = loop
        self._readable = Readable(loop, waiter.fd(), self._take)
        self._tags = itertools.count()
        self._open: dict[int, Future[Any]] = {}

    def submit(self, job: Job, timeout: float | None) -> Result:
        return self.begin(lambda tag: self.waiter.submit(job, tag, timeout))

    def add(self, job: Job | str, timeout: float | None) -> Result:
        return self.begin(lambda tag: self.waiter.add(job, tag, timeout))

    def begin(self, how: Callable[[int], object]) -> Future[Any]:
        """`how` is told the tag. The future's cancellation is the tag's."""
        tag = next(self._tags)
        how(tag)
        return self._watch(tag)

    def begin_many(self, count: int, how: Callable[[int], object]) -> list[Future[Any]]:
        """`how` is told the first of `count` tags."""
        first = next(self._tags)
        self._tags = itertools.count(first + max(count, 1))
        how(first)
        return [self._watch(tag) for tag in range(first, first + count)]

    def _watch(self, tag: int) -> Future[Any]:
        future: Future[Any] = self._loop.create_future()
        future.add_done_callback(functools.partial(self._done, tag))
        self._open[tag] = future
        self._readable.start()
        return future

    def _done(self, tag: int, future: Future[Any]) -> None:
        if self._open.pop(tag, None) is None:
            return  # it has its completion
        try:
            self.waiter.cancel(tag)
        except HeroqError:
            pass  # closed: its completion is there
        self._take()

    def _take(self) -> None:
        try:
            for _ in range(_BATCH):
                completion = self.waiter.take(0)
                if completion is None:
                    break
                future = self._open.pop(completion["tag"], None)
                if future is not None:
                    _settle(future, completion)
            else:
                return  # there may be more: the descriptor stays watched
        except StateError as error:  # closed, or another process by now
            left, self._open = self._open, {}
            for future in left.values():
                _fail(future, error)
        if not self._open:
            self._readable.stop()

    def close(self) -> None:
        """Ends what is still awaited with ClosedError."""
        self.waiter.close()
        while self._open:
            self._take()
        self._readable.stop()

    def abandon(self) -> None:
        """The loop is closed, and nobody waits any more."""
        self._open.clear()
        self._readable.stop()
        self.waiter.close()


def _settle(future: Future[Any], completion: dict[str, Any]) -> None:
    if future.done():
        return
    if completion["status"] == _heroq.HEROQ_OK:
        future.set_result(next(completion[kind] for kind in ("output", "job", "outcome") if kind in completion))
    else:
        status, flags, text = completion["status"], completion["flags"], completion["text"]
        future.set_exception(error_from(status, flags, text=text, result=completion.get("error")))


def _fail(future: Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class _HasClient(Protocol):
    client: Client

    def close(self) -> object: ...


C = TypeVar("C", bound=_HasClient)


class Awaiting(Bound[C]):
    """With the awaits of the loop that it is bound to."""

    def __init__(self, threads: int):
        super().__init__(threads)
        self._awaits: Awaits | None = None

    def _bind(self, made: C, loop: asyncio.AbstractEventLoop) -> None:
        if self._awaits is not None:
            self._awaits.abandon()
        self._awaits = Awaits(SyncWaiter(made.client), loop)

    async def _opened(self) -> Awaits:
        await self._open()
        assert self._awaits is not None
        return self._awaits

    async def close(self) -> None:
        """What is still awaited ends with ClosedError."""
        self._closed = True
        if self._awaits is not None:
            self._awaits.close()
        if self._sync is not None:
            self._sync.close()
        self._calls.end()


class _OwnClient:
    """What a waiter alone needs underneath."""

    def __init__(self, server: Client | Embedded | str | None, opts: dict[str, Value | None]):
        self.client, self._owns = client_of(server, opts)

    def close(self) -> None:
        if self._owns:
            self.client.close()


class Waiter(Awaiting[_OwnClient]):
    """Futures instead of calls that wait: `async with heroq.aio.Waiter() as waiter: future = waiter.submit(job)`.

    A future's result is the job's output; JobFailed, TimeoutError, … are its exceptions. To cancel it leaves nothing
    behind; the job goes on.
    """

    def __init__(self, server: Client | Embedded | str | None = None, **opts: Value | None):
        super().__init__(threads=1)
        self._server, self._opts = server, opts

    def _make(self) -> _OwnClient:
        return _OwnClient(self._server, self._opts)

    def _ready(self) -> Awaits:
        self._check_open()
        if self._awaits is None:
            raise StateError("open the waiter first: async with heroq.aio.Waiter() as waiter")
        return self._awaits

    def submit(self, job: Job, timeout: float | None = None) -> Result:
        """Submits the job at once; its result comes by the future, at the latest after `timeout` seconds."""
        return self._ready().submit(job, timeout)

    def submit_many(
        self, scripts: Iterable[Data | Job], script_type: str | None = None, timeout: float | None = None
    ) -> list[Result]:
        """The futures in the order of the scripts."""
        awaits = self._ready()
        items = list(scripts)
        return awaits.begin_many(
            len(items), lambda first: awaits.waiter.submit_many(items, first, script_type, timeout)
        )

    def add(self, job: Job | str, timeout: float | None = None) -> Result:
        """Awaits a job that was started elsewhere."""
        return self._ready().add(job, timeout)

    def fetch(self, job: Job | str, timeout: float | None = None) -> Future[dict[str, Any]]:
        """Reads a job: its fields as heroq.Job.fields has them."""
        awaits = self._ready()
        return awaits.begin(lambda tag: awaits.waiter.fetch(job, tag, timeout))

    def stop(self, job: Job | str, timeout: float | None = None) -> Future[str]:
        """Asks a job to stop: what came of it, as Supervisor.stop_job answers it."""
        awaits = self._ready()
        return awaits.begin(lambda tag: awaits.waiter.stop(job, tag, timeout))

    def __len__(self) -> int:
        """How many futures are open."""
        return 0 if self._awaits is None else len(self._awaits._open)

    def __bool__(self) -> bool:
        return True
