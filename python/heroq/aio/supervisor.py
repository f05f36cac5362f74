"""Creates, starts, awaits and stops jobs from coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

from .. import _heroq, options
from ..client import Client
from ..errors import TimeoutError
from ..job import Data, Job, id_of
from ..supervisor import Progress, _job
from ..supervisor import Supervisor as SyncSupervisor
from .calls import Calls
from .waiter import Awaiting

if TYPE_CHECKING:
    from ..embedded import Embedded

#: threads for the calls that are one round trip, and for those that wait for chunks
_THREADS = 4
_STREAM_THREADS = 4
#: seconds that a wait for chunks may keep its thread from others
_STREAM_SLICE = 1.0


class Supervisor(Awaiting[SyncSupervisor]):
    """As heroq.Supervisor, with coroutines. Opened by `async with`, or by the first call that is awaited.

    run_job_and_await_result and await_result take no thread: any number of them wait on two connections. Every other
    call is one round trip on one of four threads.
    """

    def __init__(self, server: Client | Embedded | str | None = None, **opts: options.Value | None):
        super().__init__(_THREADS)
        self._server, self._opts = server, opts
        self._streams = Calls(_STREAM_THREADS)

    def _make(self) -> SyncSupervisor:
        return SyncSupervisor(self._server, **self._opts)

    async def close(self) -> None:
        """What is still awaited ends with ClosedError."""
        await super().close()
        self._streams.end()

    # ---- making and starting ----
    async def create_job(self, script: Data | Job, script_type: str | None = None, **job: Any) -> Job:
        """Stores the job's hash and does not start it. Keywords: as heroq.Job takes them."""
        made = _job(script, script_type, job)
        sup = await self._open()
        return await self._calls.call(sup._create_job, made)

    async def start_job(self, job: Job | str, script_type: str | None = None, **opts: options.Value | None) -> None:
        """Starts a stored job. Options: group, instance, delay, at, urgent."""
        sup = await self._open()
        await self._calls.call(sup._start_job, job, script_type, **opts)

    async def submit(self, script: Data | Job, script_type: str | None = None, **job: Any) -> Job:
        """create_job and start_job in one round trip."""
        made = _job(script, script_type, job)
        sup = await self._open()
        return await self._calls.call(sup._submit, made)

    async def submit_many(
        self,
        scripts: Iterable[Data | Job],
        script_type: str | None = None,
        *,
        progress: Progress | None = None,
        **opts: options.Value | None,
    ) -> list[str]:
        """Submits an iterable of scripts, or of Jobs, pipelined, and returns their ids in the same order.

        `progress(done, total)` is called on the loop as they are sent; what it raises goes to the loop's handler of
        exceptions.
        """
        sup, loop = await self._open(), asyncio.get_running_loop()
        tell = None if progress is None else lambda *how_many: loop.call_soon_threadsafe(progress, *how_many)
        return await self._calls.call(sup._submit_many, list(scripts), script_type, progress=tell, **opts)

    # ---- waiting for results ----
    async def run_job_and_await_result(
        self, script: Data | Job, script_type: str | None = None, *, timeout: float | None = None, **job: Any
    ) -> bytes:
        """Submits the job and awaits its output, at most `timeout` seconds: TimeoutError, and the job goes on.

        JobFailed has the job's error. To cancel the task ends the wait alone.
        """
        made = _job(script, script_type, job)
        return await (await self._opened()).submit(made, timeout)

    async def await_result(self, job: Job | str, *, timeout: float | None = None) -> bytes:
        """The same for a job that was started before."""
        return await (await self._opened()).add(job, timeout)

    # ---- looking ----
    async def get_job(self, job: Job | str) -> Job:
        """The job as it is now."""
        sup = await self._open()
        return await self._calls.call(sup.get_job, job)

    async def get_status(self, job: Job | str) -> str:
        """waiting_for_prerequisites, dispatched, started, stopping, finished or error."""
        sup = await self._open()
        return await self._calls.call(sup.get_status, job)

    async def get_output(self, job: Job | str) -> bytes | None:
        """None while there is none."""
        sup = await self._open()
        return await self._calls.call(sup.get_output, job)

    async def get_error(self, job: Job | str) -> bytes | None:
        """None while there is none."""
        sup = await self._open()
        return await self._calls.call(sup.get_error, job)

    # ---- what a run tells while it goes on ----
    async def get_progress(self, job: Job | str) -> dict[str, Any] | None:
        """percent, text, attempt, time (Unix ms); None while the run has said nothing."""
        sup = await self._open()
        return await self._calls.call(sup.get_progress, job)

    async def get_logs(self, job: Job | str, last: int = 100) -> list[bytes]:
        """The last lines of the job's log."""
        sup = await self._open()
        return await self._calls.call(sup.get_logs, job, last)

    async def redis_lines(self, job: Job | str) -> dict[str, Any]:
        """The redis-cli lines by which a person follows this job: `rows` of command and answer, and `found`."""
        sup = await self._open()
        return await self._calls.call(sup.redis_lines, job)

    async def stream(self, job: Job | str, *, timeout: float | None = None) -> AsyncIterator[bytes]:
        """The chunks of the job's output as they come, until it has ended; TimeoutError after so many seconds.

        What is there already comes first. A job that is tried again begins anew. Four threads read
        streams; more streams than that are read in turns of a second.
        """
        made = await self._open()
        clock = asyncio.get_running_loop().time
        end = None if timeout is None else clock() + timeout
        cursor, ended = "", 0
        while not ended:
            left = _STREAM_SLICE if end is None else min(_STREAM_SLICE, end - clock())
            if left < 0:
                raise TimeoutError(f"job {id_of(job)} has not ended in time; it goes on")
            page = await self._streams.call(
                _heroq.heroq_supervisor_read_stream,
                made._handle,
                id_of(job),
                cursor,
                options.milliseconds(left),
                None,
            )
            for row in page["rows"]:
                yield row["chunk"]
            cursor, ended = page["cursor"], page["ended"]

    async def list_jobs(
        self,
        *,
        status: str | None = None,
        type: str | None = None,
        caller: str | None = None,
        tag: str | None = None,
        text: str | None = None,
        id_prefix: str | None = None,
        older: options.Value | None = None,
        newer: options.Value | None = None,
        source: str | None = None,
        count: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Rows of id, status, script_type, created, size, caller, tags. A job may come twice, as a scan has it.

        `text` is a part of the id; `older` and `newer` are times since the job was made; `count` is a page;
        `source` as heroq.Supervisor.list_jobs has it.
        """
        made = await self._open()
        handle = options.handle(
            {
                "status": status,
                "type": type,
                "caller": caller,
                "tag": tag,
                "text": text,
                "id_prefix": id_prefix,
                "older": older,
                "newer": newer,
                "source": source,
                "count": count,
            }
        )
        cursor: str | None = None
        while cursor != "0":
            page = await self._calls.call(_heroq.heroq_supervisor_list_jobs, made._handle, cursor, handle)
            for row in page["rows"]:
                yield row
            cursor = page["cursor"]

    async def page_of_jobs(self, cursor: str = "", **filters: options.Value | None) -> dict[str, Any]:
        """One page of list_jobs: rows, the cursor of the next ("0" after the last), source, whole."""
        made = await self._open()
        handle = options.handle(filters)
        return await self._calls.call(_heroq.heroq_supervisor_list_jobs, made._handle, cursor, handle)

    # ---- ending ----
    async def stop_job(self, job: Job | str) -> str:
        """Answers "cancelled" (it had not started), "stopping", "asked" (a foreign actor has it) or "ended"."""
        sup = await self._open()
        return await self._calls.call(sup.stop_job, job)

    async def delete_job(self, job: Job | str) -> None:
        """Removes a job that does not run; StateError (HEROQ_E_BUSY) asks a running one to stop instead."""
        sup = await self._open()
        await self._calls.call(sup.delete_job, job)

    async def requeue_job(self, job: Job | str, **opts: options.Value | None) -> None:
        """Runs a job that has ended again, in the queue it had, else in that of the options type, group, instance."""
        sup = await self._open()
        await self._calls.call(sup.requeue_job, job, **opts)

    async def retry_job(self, job: Job | str) -> None:
        """Runs a job now that is delayed, or waits for its next try. StateError: it runs, waits already, has ended."""
        sup = await self._open()
        await self._calls.call(sup.retry_job, job)

    async def clear(self, queue: str, *, progress: Callable[[int], object] | None = None) -> int:
        """Ends every job that waits in a queue, or is delayed there; answers how many. As heroq.Supervisor.clear."""
        sup = await self._open()
        return await self._calls.call(sup.clear, queue, progress=progress)
