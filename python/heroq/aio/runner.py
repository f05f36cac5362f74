"""Runs handlers as coroutines of one event loop until the process is told to stop."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import _heroq
from ..actor import Actor as SyncActor
from ..client import Client, client_of
from ..connection import run_here
from ..errors import ClosedError, HeroqError, SettledError, StateError
from ..handler import AnyHandler, BaseHandler
from ..job import StopReason
from ..log import log
from ..options import Value
from ..reports import Running
from .calls import Calls
from .handler import check, handle
from .job import Job
from .loop import Bound, Readable

if TYPE_CHECKING:
    from ..embedded import Embedded
    from ..metrics.figures import RunTimes

#: seconds that handlers which were cancelled have for their own cleaning up
_LAST_MOMENTS = 1.0
_LOOK = 0.2  # seconds between two questions whether to stop


def _settle_cancelled(job: Job) -> None:
    """As the one who cancelled its handler wants it."""
    reason = job.stop_reason
    try:
        if reason in (StopReason.REQUESTED, StopReason.TIMEOUT):
            job.fail("timeout" if reason is StopReason.TIMEOUT else "stopped")
        else:
            job.release()
    except SettledError:
        pass


#: a job, its task, and since when
Run = tuple[Job, asyncio.Task[None], float]


class Hands:
    """A handler at work: takes what its actor offers, a task for each job, and cancels those that should stop."""

    def __init__(
        self,
        taker: SyncActor,
        handler: AnyHandler,
        loop: asyncio.AbstractEventLoop,
        changed: asyncio.Event,
        ended: Callable[[AnyHandler, Job, float], None],
    ):
        self.actor = taker
        self.failure: HeroqError | None = None
        self.taking = True
        self.runs: dict[int, Run] = {}  # by token
        self._tell_ended = ended
        self._handler = handler
        self._loop = loop
        self._changed = changed
        self._notes = Calls()
        self._offers = Readable(loop, taker.fd(), self._take)
        self._events = Readable(loop, taker.event_fd(), self._hear)
        self._offers.start()
        self._events.start()

    def _take(self) -> None:
        try:
            while (handle := _heroq.heroq_actor_take(self.actor._handle, 0)) is not None:
                self._begin(Job._taken(handle, self._notes))
        except ClosedError:
            self._take_no_more()
        except HeroqError as error:  # such as: too many handlers hang
            log.error("%s", error)
            self.failure = error
            self._take_no_more()

    def _take_no_more(self) -> None:
        self._offers.stop()
        self.taking = False
        self._changed.set()

    def _begin(self, job: Job) -> None:
        token = job.token
        task = self._loop.create_task(handle(self._handler, job))
        self.runs[token] = job, task, time.monotonic()
        task.add_done_callback(functools.partial(self._ended, token))

    def _ended(self, token: int, task: asyncio.Task[None]) -> None:
        job, _, since = self.runs.pop(token)
        self._tell_ended(self._handler, job, since)
        if task.cancelled():
            _settle_cancelled(job)
        if not self.runs:
            self._changed.set()

    def _hear(self) -> None:
        try:
            while (event := _heroq.heroq_actor_next_event(self.actor._handle, 0)) is not None:
                run = self.runs.get(event["token"])
                if run is not None and event["event"] in ("stop", "timeout", "lost", "stuck"):
                    run[1].cancel()
        except HeroqError:
            self._events.stop()

    def cancel(self) -> None:
        for task in self.tasks():
            task.cancel()

    def tasks(self) -> list[asyncio.Task[None]]:
        return [task for _, task, _ in self.runs.values()]

    def stop(self) -> None:
        self._offers.stop()
        self._events.stop()
        self._notes.end()


def _stack(task: asyncio.Task[None]) -> traceback.StackSummary:
    """Coroutine for coroutine: of one that is suspended, a task itself tells only the outermost."""
    found: list[traceback.FrameSummary] = []
    awaited: Any = task.get_coro()
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        found += traceback.extract_stack(frame, limit=1)
        awaited = awaited.cr_await
    return traceback.StackSummary.from_list(found)


class _Actors:
    """The client, and an actor for each handler."""

    def __init__(
        self,
        handlers: tuple[AnyHandler, ...],
        server: Client | Embedded | str | None,
        concurrency: int,
        opts: dict[str, Value | None],
    ):
        self.client, self._owns_client = client_of(server, opts)
        self.actors: list[SyncActor] = []
        given = {name: value for name, value in opts.items() if value is not None}
        try:
            for one in handlers:
                label = f"{one.label}.{socket.gethostname()}.{os.getpid()}"[:256]
                merged: dict[str, Any] = {"concurrency": concurrency, **one.options, **given}
                self.actors.append(SyncActor(self.client, actor_id=label, types=one.types, **merged))
        except BaseException:
            self.close(0.0)
            raise

    def close(self, grace: float = 0.0) -> None:
        for one in self.actors:
            try:
                one.close(grace)
            except StateError:
                pass
        if self._owns_client:
            self.client.close()


class Crew(Bound[_Actors]):
    """Some handlers at work on the running loop."""

    def __init__(
        self,
        handlers: tuple[AnyHandler, ...],
        server: Client | Embedded | str | None,
        concurrency: int,
        opts: dict[str, Value | None],
        max_jobs: int = 0,
        times: RunTimes | None = None,
    ):
        super().__init__(threads=1)
        if not handlers or not all(isinstance(one, BaseHandler) for one in handlers):
            raise TypeError("heroq.aio.run wants functions decorated with @heroq.aio.actor(...)")
        for one in handlers:
            check(one)
        if concurrency < 1:
            raise ValueError("concurrency must be 1 or more")
        self._handlers = handlers
        self._given = server, concurrency, opts
        self._changed = asyncio.Event()
        self._hands: list[Hands] = []
        self._times = times
        self._most = max_jobs  # it takes no more after so many; 0: never
        #: jobs so far
        self.handled = 0

    def _make(self) -> _Actors:
        return _Actors(self._handlers, *self._given)

    def _bind(self, made: _Actors, loop: asyncio.AbstractEventLoop) -> None:
        run_here(made.client)  # in this task, and so in those of the handlers
        self._hands = [
            Hands(taker, one, loop, self._changed, self._ended)
            for one, taker in zip(self._handlers, made.actors, strict=True)
        ]

    def _ended(self, handler: AnyHandler, job: Job, since: float) -> None:
        self.handled += 1
        if self._times is not None:
            self._times.add(handler, job, time.monotonic() - since)
        if self.handled == self._most:
            for hands in self._hands:
                hands.actor.drain(None)

    def stats(self) -> list[dict[str, Any]]:
        """Of each actor."""
        return [hands.actor.stats() for hands in self._hands]

    def running_now(self) -> list[Running]:
        """What runs."""
        return [Running(job, since, _stack(task)) for hands in self._hands for job, task, since in hands.runs.values()]

    @property
    def failure(self) -> HeroqError | None:
        return next((hands.failure for hands in self._hands if hands.failure), None)

    async def work(self, stopping: asyncio.Event) -> None:
        """Until `stopping`, or until no actor takes any more."""
        await self._open()
        stop = asyncio.create_task(stopping.wait())
        stop.add_done_callback(lambda _: self._changed.set())
        try:
            while not stop.done() and self.failure is None and any(hands.taking for hands in self._hands):
                self._changed.clear()
                await self._changed.wait()
        finally:
            stop.cancel()

    async def end(self, grace: float) -> None:
        """What runs has `grace` seconds, and is then cancelled and given back."""
        for hands in self._hands:
            try:
                hands.actor.drain(grace)
            except StateError:
                pass  # closed by somebody else
        for seconds in (grace, _LAST_MOMENTS):
            tasks = [task for hands in self._hands for task in hands.tasks()]
            if tasks and seconds:
                await asyncio.wait(tasks, timeout=seconds)
            for hands in self._hands:
                hands.cancel()
        await self.close()

    async def serve(self, stopping: asyncio.Event, grace: float) -> None:
        """work, then end; to cancel it ends at once."""
        try:
            await self.work(stopping)
            await self.end(grace)
        except BaseException:
            await asyncio.shield(asyncio.create_task(self.end(0.0)))
            raise
        if self.failure is not None:
            raise self.failure

    def run(self, should_stop: Callable[[], bool], grace: float) -> None:
        """On a loop of its own, until `should_stop`, which is asked now and then."""

        async def main() -> None:
            stopping = asyncio.Event()

            async def look() -> None:
                while not should_stop():
                    await asyncio.sleep(_LOOK)
                stopping.set()

            looking = asyncio.create_task(look())
            try:
                await self.serve(stopping, grace)
            finally:
                looking.cancel()

        asyncio.run(main())

    async def close(self) -> None:
        self._closed = True
        for hands in self._hands:
            hands.stop()
        if self._sync is not None:
            closing = self._calls.call(self._sync.close, 1.0)
            self._calls.end()
            await asyncio.shield(closing)


async def serve(
    *handlers: AnyHandler,
    server: Client | Embedded | str | None = None,
    concurrency: int = 100,
    grace: float = 30.0,
    stopping: asyncio.Event | None = None,
    **opts: Value | None,
) -> None:
    """Handles jobs on the running loop until `stopping` is set, which drains: what runs has `grace` seconds.

    To cancel it ends it at once: handlers are cancelled, their jobs go back. Each handler has an actor of its own and
    up to `concurrency` jobs at a time. Options are those of an actor, for all handlers.
    """
    await Crew(handlers, server, concurrency, opts).serve(stopping or asyncio.Event(), grace)


def run(
    *handlers: AnyHandler,
    server: Client | Embedded | str | None = None,
    concurrency: int = 100,
    grace: float = 30.0,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    **opts: Value | None,
) -> None:
    """Handles jobs until SIGTERM, which drains (what runs has `grace` seconds), or Ctrl-C, which ends it at once.

    `loop_factory` makes another event loop than asyncio's own, such as uvloop.new_event_loop.
    """

    async def main() -> None:
        stopping = asyncio.Event()
        with _terminated(stopping):
            await serve(*handlers, server=server, concurrency=concurrency, grace=grace, stopping=stopping, **opts)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@contextmanager
def _terminated(stopping: asyncio.Event) -> Iterator[None]:
    """SIGTERM sets the event. In other threads than the main one there are no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
