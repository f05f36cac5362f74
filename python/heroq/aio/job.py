"""A taken job in a coroutine's hands."""

from __future__ import annotations

from typing import Any

from .. import _heroq
from .. import job as sync
from ..errors import InvalidError, StateError
from .calls import Calls

_WAITS = "sync=True would block the event loop: await job.finish_sync(…) or job.fail_sync(…)"


class Job(sync.Job):
    """As heroq.Job, but what may wait is a coroutine: log, stream, finish_sync, fail_sync."""

    __slots__ = ("_calls",)
    _calls: Calls

    @classmethod
    def _taken(cls, handle: Any, calls: Calls) -> Job:
        job = cls.__new__(cls)
        job._handle = handle
        job._calls = calls
        return job

    def finish(self, output: object = None, *, sync: bool = False) -> None:
        """The result: bytes, str (UTF-8), None (empty), else as JSON. Returns at once."""
        if sync:
            raise InvalidError(_WAITS)
        super().finish(output)

    def fail(self, error: sync.Data, *, final: bool = False, sync: bool = False) -> None:
        """The handler failed: tried again if retries are left and it is not `final`. Returns at once."""
        if sync:
            raise InvalidError(_WAITS)
        super().fail(error, final=final)

    async def finish_sync(self, output: object = None) -> None:
        """As finish; returns once the server has it."""
        await self._calls.call(sync.Job.finish, self, output, sync=True)

    async def fail_sync(self, error: sync.Data, *, final: bool = False) -> None:
        """As fail; returns once the server has it."""
        await self._calls.call(sync.Job.fail, self, error, final=final, sync=True)

    async def log(self, line: str | bytes) -> None:  # type: ignore[override]
        """A line of the job's log. The last 1,000 are kept. Waits while a MiB of log and stream is still to be sent."""
        try:
            _heroq.heroq_job_log(self._handle, line)
        except StateError as error:
            if error.code != _heroq.HEROQ_E_FULL:
                raise
            await self._calls.call(_heroq.job_log_wait, self._handle, line)

    async def stream(self, chunk: str | bytes) -> None:  # type: ignore[override]
        """A chunk of the output as it comes; about the last 10,000 are kept. Waits as `log` does."""
        try:
            _heroq.heroq_job_stream(self._handle, chunk)
        except StateError as error:
            if error.code != _heroq.HEROQ_E_FULL:
                raise
            await self._calls.call(_heroq.job_stream_wait, self._handle, chunk)
