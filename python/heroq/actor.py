"""Takes jobs, one by one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from . import _heroq, options
from .client import Client, Closing, client_of
from .errors import ClosedError, InvalidError
from .job import Job
from .wait import SLICE_MS, wait_for

if TYPE_CHECKING:
    from .embedded import Embedded

_take = _heroq.heroq_actor_take
_of = Job._of


class Actor(Closing):
    """An actor of some script types. `types` None: the one in `actor_id`, which is a label for people otherwise.

    Options: delivery, lease, prefetch, concurrency, retries, timeout, group, instance, … The end of a `with` gives the
    jobs that are still out `grace` seconds. It may be used from any number of threads, not in a child made by fork.
    `heroq.run` makes actors for handlers; this is what it is built on.
    """

    def __init__(
        self,
        server: Client | Embedded | str | None = None,
        *,
        actor_id: str | None = None,
        types: str | Iterable[str] | None = None,
        grace: float = 5.0,
        **opts: options.Value | None,
    ):
        if types is not None and not isinstance(types, str):
            types = ",".join(types)
        if types == "" or (types is None and actor_id is None):
            raise InvalidError("an actor needs its script types, or an actor_id that names one")
        if actor_id is None:
            actor_id = f"{types or 'actor'}.{os.uname().nodename}.{os.getpid()}"[:256]
        self.actor_id = actor_id
        self.grace = grace
        self.client, self._owns_client = client_of(server, opts)
        self._turn = threading.Lock()
        try:
            self._handle = _heroq.heroq_actor_open(self.client._handle, actor_id, types, options.handle(opts))
        except BaseException:
            if self._owns_client:
                self.client.close()
            raise
        super().__init__()

    def take(self, timeout: float | None = None) -> Job | None:
        """The next job, or None if none came within `timeout` seconds (None: for ever). ClosedError is the end.

        From any number of threads. The job is to be settled; one that is dropped goes back after a while.
        """
        handle = _take(self._handle, 0)
        if handle is None and timeout != 0:
            handle = self._wait(timeout)
        return None if handle is None else _of(handle)

    def _wait(self, timeout: float | None) -> Any:
        """One thread at a time watches the descriptor, so that a job wakes one thread."""
        timeout = options.time_limit(timeout)
        end = None if timeout is None else time.monotonic() + timeout
        if not self._turn.acquire(timeout=-1 if timeout is None else timeout):
            return _take(self._handle, 0)
        try:
            fd = _heroq.heroq_actor_fd(self._handle)
            while True:
                left = SLICE_MS if end is None else min(SLICE_MS, round((end - time.monotonic()) * 1000))
                _heroq.wait_fd(fd, max(0, left))
                handle = _take(self._handle, 0)
                if handle is not None or (end is not None and time.monotonic() >= end):
                    return handle
        finally:
            self._turn.release()

    def __iter__(self) -> Iterator[Job]:
        """Jobs until the actor is closed or drained."""
        try:
            while True:
                job = self.take()
                if job is not None:
                    yield job
                    job = None  # not kept while waiting for the next one
        except ClosedError:
            return

    def fd(self) -> int:
        """Readable while take(0) would answer; to be polled only."""
        return _heroq.heroq_actor_fd(self._handle)

    def next_event(self, timeout: float | None = 0) -> dict[str, Any] | None:
        """stop, timeout, lost, stale, drained, stuck, with token and job_id; None if nothing came in time."""
        return wait_for(lambda: _heroq.heroq_actor_next_event(self._handle, 0), self.event_fd, timeout)

    def event_fd(self) -> int:
        """Readable while next_event(0) would answer; to be polled only."""
        return _heroq.heroq_actor_event_fd(self._handle)

    def events(self) -> Iterator[dict[str, Any]]:
        """Events until the actor is closed."""
        try:
            while True:
                event = self.next_event(None)
                if event is not None:
                    yield event
        except ClosedError:
            return

    def stats(self) -> dict[str, Any]:
        """Counts since it was opened: taken, finished, failed, retried, released, buried, lost, stale, connects.

        As it is now: out (with handlers), ahead (taken, not given out yet), held, unsettled, stuck (handlers past their
        hard timeout), pending_bytes, waiting (threads in take), connected, draining, paused (queues), since_last_take
        (ms; -1: nothing yet), starved (ms for which the server answers takes with errors).
        """
        return _heroq.heroq_actor_stats(self._handle)

    def drain(self, grace: float | None = 30.0) -> None:
        """Returns at once: no job comes out any more; those still out after `grace` seconds go back."""
        _heroq.heroq_actor_drain(self._handle, options.milliseconds(grace))

    def close(self, grace: float | None = None) -> int:
        """drain, then waits until the results are acknowledged (at most the option close_timeout); how many were not.

        `grace` None: that of the actor.
        """
        unacked = _heroq.heroq_actor_close(self._handle, options.milliseconds(self.grace if grace is None else grace))
        if self._owns_client:
            self.client.close()
        return unacked

    def _close_at_exit(self) -> None:
        self.close(0.0)
