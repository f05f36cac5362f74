"""Runs handlers on threads until the process is told to stop."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any

from ._heroq import HEROQ_E_STUCK
from .actor import Actor
from .client import Client, client_of
from .connection import run_here
from .errors import ClosedError, HeroqError, StateError
from .handler import AnyHandler, BaseHandler, handle
from .job import Job
from .log import log
from .options import Value
from .reports import Running

if TYPE_CHECKING:
    from .embedded import Embedded
    from .metrics.figures import RunTimes

_LOOK = 0.2  # seconds between looks at threads and parent


class Runner:
    """Actors for some handlers, with threads that take and handle their jobs."""

    def __init__(
        self,
        handlers: Iterable[AnyHandler],
        server: Client | Embedded | str | None = None,
        *,
        threads: int = 1,
        grace: float = 30.0,
        max_jobs: int = 0,
        times: RunTimes | None = None,
        **opts: Value | None,
    ):
        found = list(handlers)
        if not found or not all(isinstance(one, BaseHandler) for one in found):
            raise TypeError("heroq.run wants functions decorated with @heroq.actor(...)")
        for one in found:
            if one.signature.is_async:
                raise TypeError(f"{one.label!r} is an `async def` function: heroq.aio.run is for those")
        if threads < 1:
            raise ValueError("threads must be 1 or more")
        self.grace = grace
        self._each = threads
        self._times = times
        self._handled, self._most = 0, max_jobs  # it ends after so many; 0: never
        self._numbers = itertools.count(1)
        self.failure: HeroqError | None = None
        self._client, self._owns_client = client_of(server, opts)
        self._actors: list[Actor] = []
        self._threads: list[threading.Thread] = []
        self._runs: dict[int, tuple[Job, float]] = {}  # by thread
        try:
            for one in found:
                self._add(one, threads, opts)
        except BaseException:
            self.close(0.0)
            raise

    def _add(self, one: AnyHandler, threads: int, opts: dict[str, Value | None]) -> None:
        label = f"{one.label}.{os.uname().nodename}.{os.getpid()}"[:256]
        given = {name: value for name, value in opts.items() if value is not None}
        merged: dict[str, Any] = {"concurrency": threads, **one.options, **given}
        actor = Actor(self._client, actor_id=label, types=one.types, **merged)
        self._actors.append(actor)
        for i in range(threads):
            thread = threading.Thread(target=self._work, args=(actor, one), name=f"{one.label}-{i}", daemon=True)
            self._threads.append(thread)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def _work(self, actor: Actor, handler: AnyHandler) -> None:
        ident = threading.get_ident()
        run_here(self._client)
        try:
            while True:
                job = actor.take()
                if job is not None:
                    self._runs[ident] = (job, time.monotonic())
                    handle(handler, job)
                    _, since = self._runs.pop(ident)
                    if self._times is not None:
                        self._times.add(handler, job, time.monotonic() - since)
                    job = None  # not kept while waiting for the next one
                    self._handled = next(self._numbers)
                    if self._handled == self._most:
                        self.drain(self.grace)
        except ClosedError:
            pass
        except HeroqError as error:  # such as: too many handlers hang
            self.failure = error
            log.error("%s", error)

    def _look(self) -> None:
        """Where every thread hangs, none is left to take and be told."""
        for actor in self._actors:
            if actor.stats()["stuck"] >= self._each and self.failure is None:
                self.failure = StateError(f"every handler of {actor.actor_id} hangs past its timeout", HEROQ_E_STUCK)
                log.error("%s", self.failure)

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def running_now(self) -> list[Running]:
        """What runs."""
        frames = sys._current_frames()
        return [
            Running(job, since, traceback.extract_stack(frames[ident]))
            for ident, (job, since) in list(self._runs.items())
            if ident in frames
        ]

    def stats(self) -> list[dict[str, Any]]:
        """Of each actor."""
        return [actor.stats() for actor in self._actors]

    @property
    def handled(self) -> int:
        """Jobs so far."""
        return self._handled

    def drain(self, grace: float) -> None:
        for actor in self._actors:
            actor.drain(grace)

    def join(self, seconds: float) -> None:
        """Waits for the threads, as long as it takes their handlers, at most so long."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))

    def close(self, grace: float) -> None:
        for actor in self._actors:
            try:
                actor.close(grace)
            except StateError:
                pass
        if self._owns_client:
            self._client.close()

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Until `should_stop`, or the actors end; then drains. An exception (Ctrl-C) ends it at once."""
        self.start()
        try:
            while self.running and self.failure is None and not should_stop():
                time.sleep(_LOOK)
                self._look()
            self.drain(self.grace)
            if self.failure is None:  # else there are threads that will never end: close knows what still runs
                self.join(self.grace + 1.0)
        except BaseException:
            self.drain(0.0)
            self.close(0.0)
            raise
        self.close(1.0 if self.failure is None else self.grace)
        if self.failure is not None:
            raise self.failure


def run(
    *handlers: AnyHandler,
    server: Client | Embedded | str | None = None,
    threads: int = 1,
    grace: float = 30.0,
    **opts: Value | None,
) -> None:
    """Handles jobs until SIGTERM, which drains (what runs has `grace` seconds), or Ctrl-C, which ends it at once.

    Each handler has an actor of its own and `threads` threads. Options are those of an actor, for all handlers.
    """
    runner = Runner(handlers, server, threads=threads, grace=grace, max_jobs=0, times=None, **opts)
    with Terminated() as terminated:
        runner.run(terminated.is_set)


class Terminated:
    """Notes SIGTERM while it is in use. In other threads than the main one it notes nothing."""

    def __init__(self) -> None:
        self._set = False
        self._before: Any = None

    def is_set(self) -> bool:
        return self._set

    def _on_signal(self, signo: int, frame: FrameType | None) -> None:
        self._set = True

    def __enter__(self) -> Terminated:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
