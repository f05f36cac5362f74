"""Tests of programs that use heroq: a private server, handlers without one, and time that a test moves on.

The pytest plugin (heroq.pytest_plugin, there without being asked for) makes fixtures of it: heroq_server,
heroq_supervisor and heroq_work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Generic

from . import keys, options
from .caller import A, JobMaker, R
from .client import Client
from .connection import connected as connected
from .embedded import Embedded
from .errors import Fail, JobFailed, Retry, SettledError, StateError
from .handler import AnyHandler, run, tell_error, this_job
from .job import Job, StopReason
from .payload import Data, by_value, bytes_of
from .queue import Queue
from .resp import Resp
from .runner import Runner

__all__ = ["Server", "Trial", "TrialJob", "connected", "run_inline", "working"]


class Server(Embedded):
    """An embedded server of the test's own, whose delayed jobs it can make due."""

    def advance(self, seconds: float | timedelta) -> int:
        """Moves every delayed job and retry so much nearer, and queues those that are due; answers how many.

        For tests alone: it writes to the server behind the library's back. Leases and the life of results stay.
        """
        ms = options.milliseconds(seconds)
        moved = 0
        resp = Resp(self.socket)
        try:
            found = resp.call("KEYS", "{*}:delayed")
            with Client(self) as client:
                for key in found if isinstance(found, list) else []:
                    moved += self._advance(resp, client, key.decode(), ms)
        finally:
            resp.close()
        return moved

    def _advance(self, resp: Resp, client: Client, key: str, ms: int) -> int:
        entries = resp.call("ZRANGE", key, "0", "-1")
        for entry in entries if isinstance(entries, list) else []:
            resp.call("ZADD", key, "XX", "INCR", str(-ms), entry.decode())
        queue = keys.parse(key.removeprefix("{").removesuffix("}:delayed"))
        moved = 0
        with Queue(queue["script_type"], client, group=queue.get("group"), instance=queue.get("instance")) as due:
            while promoted := due.tend()["promoted"]:
                moved += promoted
        return moved


class TrialJob(Job):
    """A job that no actor took: it keeps what its handler tells."""

    __slots__ = ("_attempt", "chunks", "ended", "logs", "told", "why")

    @classmethod
    def of(cls, job: Job, attempt: int = 1) -> TrialJob:
        """One with the job's content."""
        made = cls.__new__(cls)
        made._handle = job._handle
        made._attempt = attempt
        made.chunks, made.logs, made.told = [], [], []
        made.ended, made.why = None, StopReason.NONE
        return made

    #: what was streamed, logged, and told as progress (percent and text)
    chunks: list[bytes]
    logs: list[bytes]
    told: list[tuple[float, str]]
    #: how the handler settled the job itself, if it did: bytes, or an exception
    ended: bytes | Exception | None
    #: set it, and the handler should come to an end
    why: StopReason
    _attempt: int

    def _end(self, how: bytes | Exception) -> None:
        if self.ended is not None:
            raise SettledError("the job was settled before")
        self.ended = how

    def finish(self, output: object = None, *, sync: bool = False) -> None:
        self._end(bytes_of(by_value(output)))

    def fail(self, error: Data, *, final: bool = False, sync: bool = False) -> None:
        text = bytes_of(error)
        failed = JobFailed(text.decode(errors="replace"))
        failed.error = text
        self._end(Fail(str(failed)) if final else failed)

    def retry(self, delay: float = 0.0, error: Data = None) -> None:
        self._end(Retry(bytes_of(error).decode(errors="replace"), delay))

    def release(self) -> None:
        self._end(StateError("the handler released the job"))

    def progress(self, percent: float, text: str | None = None) -> None:
        self.told.append((percent, text or ""))

    def log(self, line: str | bytes) -> None:
        self.logs.append(bytes_of(line))

    def stream(self, chunk: str | bytes) -> None:
        self.chunks.append(bytes_of(chunk))

    @property
    def stop_reason(self) -> StopReason:
        return self.why

    @property
    def is_stopping(self) -> bool:
        return self.why != StopReason.NONE

    @property
    def attempt(self) -> int:
        return self._attempt


class Trial(Generic[A, R]):
    """Runs a handler on one job, without a worker or a server. `job` is there once it has run, or is running.

    An `async def` handler gets an event loop of its own; in a test that has one, `await trial.run_async(…)`.
    """

    def __init__(self, handler: JobMaker[A, R], *, attempt: int = 1, stop: StopReason = StopReason.NONE):
        self._maker, self._handler = handler, handler.handler
        self._attempt, self._stop = attempt, stop
        self.job: TrialJob

    def run(self, *args: A.args, **kwargs: A.kwargs) -> R:
        """The result, as who awaits it gets it: through the wire's form and back. What the handler raises is raised."""
        if self._handler.signature.is_async:
            from .aio.testing import on_a_loop

            return on_a_loop(lambda: self.run_async(*args, **kwargs))
        job = self._begin(TrialJob, args, kwargs)
        with this_job(job):
            try:
                output = bytes_of(run(self._handler, job))
            except Exception as error:
                tell_error(self._handler, job, error)
                raise
        return self._result(job, output)

    async def run_async(self, *args: A.args, **kwargs: A.kwargs) -> R:
        """As run, for an `async def` handler."""
        from .aio.testing import TrialJob as OnLoop
        from .aio.testing import output_of

        job = self._begin(OnLoop, args, kwargs)
        with this_job(job):
            try:
                output = await output_of(self._handler, job)
            except Exception as error:
                tell_error(self._handler, job, error)
                raise
        return self._result(job, output)

    def _begin(self, kind: type[TrialJob], args: tuple[Any, ...], kwargs: dict[str, Any]) -> TrialJob:
        job = self.job = kind.of(self._maker.job(*args, **kwargs), self._attempt)
        job.why = self._stop
        return job

    def _result(self, job: TrialJob, output: bytes) -> R:
        if isinstance(job.ended, Exception):
            raise job.ended
        result: R = self._handler.signature.decode(output if job.ended is None else job.ended)
        return result


def run_inline(handler: JobMaker[A, R], *args: A.args, **kwargs: A.kwargs) -> R:
    """What the handler makes of these arguments: `assert run_inline(add, 1, 2) == 3`. Trial tells more.

    `run_inline(add.using(headers=…), 1, 2)` gives the job options.
    """
    return Trial(handler).run(*args, **kwargs)


@contextmanager
def working(
    *handlers: AnyHandler, server: Client | Embedded | str | None = None, threads: int = 1, **opts: Any
) -> Iterator[None]:
    """Threads of this process handle jobs for the length of a `with`."""
    runner = Runner(handlers, server, threads=threads, **opts)
    runner.start()
    try:
        yield
    finally:
        runner.drain(5.0)
        runner.join(5.0)
        runner.close(1.0)
