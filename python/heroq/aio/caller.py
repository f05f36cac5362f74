"""How a coroutine gives jobs to a handler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack, overload

from ..caller import (
    A,
    JobMaker,
    JobOptions,
    R,
    T1_contra,
    T2_contra,
    T3_contra,
    T4_contra,
    Takes1,
    Takes2,
    Takes3,
    Takes4,
)
from ..caller import Caller as SyncCaller
from ..job import Job
from ..supervisor import Progress
from .connection import default_supervisor
from .submitted import Submitted
from .supervisor import Supervisor


class CallOptions(JobOptions, total=False):
    server: Supervisor | None


class Caller(JobMaker[A, R]):
    """As heroq's handlers with `using(…)`, with coroutines: what `handler.aio` answers."""

    def using(self, **options: Unpack[CallOptions]) -> Caller[A, R]:
        """The same handler with these options for the jobs that are submitted: `await f.using(delay=5).submit(x)`.

        The options are those of a heroq.actor's `using`; `server` is a heroq.aio.Supervisor.
        """
        return Caller(self._signature, self._with(options), self.handler)

    @property
    def sync(self) -> SyncCaller[A, R]:
        """The same for a program without an event loop: `f.sync.submit(…)`."""
        return SyncCaller(self._signature, self._without_server("such a program"), self.handler)

    async def submit(self, *args: A.args, **kwargs: A.kwargs) -> Submitted[R]:
        """Stores and starts a job with these arguments; `await job.result()` of what it answers waits for it."""
        supervisor = self._supervisor()
        job = await supervisor.submit(self.job(*args, **kwargs))
        return Submitted(job.id, supervisor, self._signature)

    async def run(self, *args: A.args, **kwargs: A.kwargs) -> R:
        """submit, and awaits the result, for ever unless `using(wait=…)` says how long. It takes no thread."""
        job = self.job(*args, **kwargs)
        return self._decode(await self._supervisor().run_job_and_await_result(job, timeout=self._wait))

    @overload
    async def submit_many(
        self: Takes2[T1_contra, T2_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    async def submit_many(
        self: Takes3[T1_contra, T2_contra, T3_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra, T3_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    async def submit_many(
        self: Takes4[T1_contra, T2_contra, T3_contra, T4_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra, T3_contra, T4_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    async def submit_many(
        self: Takes1[T1_contra, R], calls: Iterable[T1_contra | Job], *, progress: Progress | None = None
    ) -> list[Submitted[R]]: ...
    @overload
    async def submit_many(self, calls: Iterable[Job], *, progress: Progress | None = None) -> list[Submitted[R]]: ...
    async def submit_many(self, calls: Iterable[Any], *, progress: Progress | None = None) -> list[Submitted[R]]:
        """Pipelined: arguments, in tuples where there are several, or Jobs made by `job(…)` with options of their own.

        `progress(done, total)` is called on the loop as they are sent. If some fail the others are submitted, and
        PartialError tells which did not.
        """
        supervisor = self._supervisor()
        scripts, script_type, options = self._many(calls)
        ids = await supervisor.submit_many(scripts, script_type, progress=progress, **options)
        return [Submitted(id, supervisor, self._signature) for id in ids]

    def _supervisor(self) -> Supervisor:
        return self._options.get("server") or default_supervisor()
