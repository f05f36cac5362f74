"""Takes jobs, one by one, from coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from .. import _heroq
from ..actor import Actor as SyncActor
from ..client import Client
from ..errors import ClosedError, StateError
from ..options import Value
from .calls import Calls
from .job import Job
from .loop import Bound, Turns

if TYPE_CHECKING:
    from ..embedded import Embedded


class Actor(Bound[SyncActor]):
    """As heroq.Actor, with coroutines. A job that it gives out is a heroq.aio.Job."""

    def __init__(
        self,
        server: Client | Embedded | str | None = None,
        *,
        actor_id: str | None = None,
        types: str | Iterable[str] | None = None,
        grace: float = 5.0,
        **opts: Value | None,
    ):
        super().__init__(threads=2)
        self.grace = grace
        self._given = server, actor_id, types, opts
        self._notes = Calls()  # of jobs that wait for room, which may be long when the server is away
        self._jobs: Turns | None = None
        self._events: Turns | None = None

    def _make(self) -> SyncActor:
        server, actor_id, types, opts = self._given
        return SyncActor(server, actor_id=actor_id, types=types, grace=self.grace, **opts)

    def _bind(self, made: SyncActor, loop: asyncio.AbstractEventLoop) -> None:
        self._jobs = Turns(loop, made.fd())
        self._events = Turns(loop, made.event_fd())

    async def take(self, timeout: float | None = None) -> Job | None:
        """The next job, or None if none came within `timeout` seconds (None: for ever). ClosedError is the end.

        From any number of tasks. The job is to be settled; one that is dropped goes back after a while.
        """
        made = await self._open()
        assert self._jobs is not None
        handle = await self._jobs.until(lambda: _heroq.heroq_actor_take(made._handle, 0), timeout)
        return None if handle is None else Job._taken(handle, self._notes)

    async def __aiter__(self) -> AsyncIterator[Job]:
        """Jobs until the actor is closed or drained."""
        try:
            while True:
                job = await self.take()
                if job is not None:
                    yield job
                    job = None  # not kept while waiting for the next one
        except ClosedError:
            return

    async def next_event(self, timeout: float | None = 0) -> dict[str, Any] | None:
        """stop, timeout, lost, stale, drained, stuck, with token and job_id; None if nothing came in time."""
        made = await self._open()
        assert self._events is not None
        return await self._events.until(lambda: _heroq.heroq_actor_next_event(made._handle, 0), timeout)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Events until the actor is closed."""
        try:
            while True:
                event = await self.next_event(None)
                if event is not None:
                    yield event
        except ClosedError:
            return

    def stats(self) -> dict[str, Any]:
        """As heroq.Actor.stats."""
        return self._opened().stats()

    def drain(self, grace: float | None = 30.0) -> None:
        """Returns at once: no job comes out any more; those still out after `grace` seconds go back."""
        self._opened().drain(grace)

    def _opened(self) -> SyncActor:
        self._check_open()
        if self._sync is None:
            raise StateError("open the actor first: async with heroq.aio.Actor(…) as actor")
        return self._sync

    async def close(self, grace: float | None = None) -> int:
        """drain, then waits until the results are acknowledged; answers how many were not."""
        self._closed = True
        if self._sync is None:
            return 0
        closing = self._calls.call(self._sync.close, grace)
        for calls in (self._calls, self._notes):
            calls.end()
        return await asyncio.shield(closing)
