"""Creates, starts, awaits and stops jobs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any

from . import _heroq, options
from .client import Client, Closing, client_of
from .errors import CancelledError, InvalidError, PartialError, TimeoutError
from .job import Data, Job, id_of

if TYPE_CHECKING:
    from .embedded import Embedded

#: is told how many jobs were sent, and of how many, if that is known
Progress = Callable[[int, int | None], object]
#: jobs that go to the server in one call of submit_many
_BATCH = 2000
#: jobs that end in one call of clear
_CLEARED = 1000
#: seconds after which a wait for chunks looks for signals again
STREAM_SLICE = 5.0


class Supervisor(Closing):
    """`server`: a URL (None: HEROQ_URL, else redis://localhost), a Client, or an embedded server.

    Every call is one round trip, from any number of threads. Where a method takes a job it takes its id too, and
    raises NotFoundError if there is no such job.
    """

    def __init__(self, server: Client | Embedded | str | None = None, **opts: options.Value | None):
        self.client, self._owns_client = client_of(server, opts)
        self._handle = _heroq.heroq_supervisor_open(self.client._handle, options.handle(opts))
        super().__init__()

    def close(self) -> None:
        """Closes its connections, if it made them; jobs are not touched."""
        _heroq.heroq_supervisor_close(self._handle)
        if self._owns_client:
            self.client.close()

    # ---- making and starting ----
    def create_job(self, script: Data | Job, script_type: str | None = None, **job: Any) -> Job:
        """Stores the job's hash and does not start it. Keywords: as Job takes them."""
        made = _job(script, script_type, job)
        _heroq.heroq_supervisor_create_job(self._handle, made._handle)
        return made

    def start_job(self, job: Job | str, script_type: str | None = None, **opts: options.Value | None) -> None:
        """Starts a stored job. Options: group, instance, delay, at, urgent."""
        if isinstance(job, Job) and script_type is None:
            script_type = job.script_type
        _heroq.heroq_supervisor_start_job(self._handle, id_of(job), script_type, options.handle(opts))

    def submit(self, script: Data | Job, script_type: str | None = None, **job: Any) -> Job:
        """create_job and start_job in one round trip. An id of its own makes it harmless to repeat.

        StateError: the id is that of another job.
        """
        made = _job(script, script_type, job)
        _heroq.heroq_supervisor_submit(self._handle, made._handle)
        return made

    def submit_many(
        self,
        scripts: Iterable[Data | Job],
        script_type: str | None = None,
        *,
        progress: Progress | None = None,
        **opts: options.Value | None,
    ) -> list[str]:
        """Submits an iterable of scripts, or of Jobs, pipelined, and returns their ids in the same order.

        The options are those of a job, the same for all scripts. If some fail the others are submitted, and
        PartialError tells which did not. `progress(done, total)` is called as they are sent; total is None for an
        iterable without a length.
        """
        total = len(scripts) if isinstance(scripts, Sized) else None
        flat = tuple(itertools.chain.from_iterable(options.pairs(opts)))
        ids: list[str] = []
        failed: dict[int, str] = {}
        rest = iter(scripts)
        while batch := [item._handle if isinstance(item, Job) else item for item in itertools.islice(rest, _BATCH)]:
            jobs = _heroq.jobs_from(script_type, batch, flat)
            try:
                _heroq.heroq_supervisor_submit_many(self._handle, jobs)
            except PartialError as error:
                last = error
                for i in range(len(batch)):
                    status = _heroq.heroq_jobs_status(jobs, i)
                    if status != _heroq.HEROQ_OK:
                        failed[len(ids) + i] = _heroq.heroq_status_name(status)
            ids += _heroq.jobs_ids(jobs)
            if progress is not None:
                progress(len(ids), total)
        if failed:
            last.ids, last.failed = ids, failed
            raise last
        return ids

    #: the same, for heroq.aio's threads: heroq.tracing, which replaces those above, knows of the coroutine already
    _create_job, _start_job, _submit, _submit_many = create_job, start_job, submit, submit_many

    # ---- waiting for results ----
    def run_job_and_await_result(
        self, script: Data | Job, script_type: str | None = None, *, timeout: float | None = None, **job: Any
    ) -> bytes:
        """Submits the job and waits for its output, at most `timeout` seconds: TimeoutError, and the job goes on.

        JobFailed has the job's error. For a limit of the run itself make the Job, with its own timeout, first.
        """
        made = _job(script, script_type, job)
        end = _end(timeout)
        try:
            return _heroq.heroq_supervisor_run_job_and_await_result(
                self._handle, made._handle, options.milliseconds(timeout)
            )
        except CancelledError as error:  # by a signal whose handler raised nothing
            if not error.maybe_done:
                _heroq.heroq_supervisor_submit(self._handle, made._handle)
            return self._await(made.id, end)

    def await_result(self, job: Job | str, *, timeout: float | None = None) -> bytes:
        """The same for a job that was started before."""
        return self._await(id_of(job), _end(timeout))

    def _await(self, job_id: str, end: float | None) -> bytes:
        while True:
            left = None if end is None else end - time.monotonic()
            try:
                return _heroq.heroq_supervisor_await_result(self._handle, job_id, options.milliseconds(left))
            except CancelledError:
                continue  # by a signal whose handler raised nothing

    # ---- looking ----
    def get_job(self, job: Job | str) -> Job:
        """The job as it is now."""
        return Job._of(_heroq.heroq_supervisor_get_job(self._handle, id_of(job)))

    def get_status(self, job: Job | str) -> str:
        """waiting_for_prerequisites, dispatched, started, stopping, finished or error."""
        return _heroq.heroq_supervisor_get_status(self._handle, id_of(job)).decode()

    def get_output(self, job: Job | str) -> bytes | None:
        """None while there is none."""
        return _heroq.heroq_supervisor_get_output(self._handle, id_of(job))

    def get_error(self, job: Job | str) -> bytes | None:
        """None while there is none."""
        return _heroq.heroq_supervisor_get_error(self._handle, id_of(job))

    # ---- what a run tells while it goes on ----
    def get_progress(self, job: Job | str) -> dict[str, Any] | None:
        """percent, text, attempt, time (Unix ms); None while the run has said nothing."""
        return _heroq.heroq_supervisor_get_progress(self._handle, id_of(job))

    def get_logs(self, job: Job | str, last: int = 100) -> list[bytes]:
        """The last lines of the job's log."""
        page = _heroq.heroq_supervisor_get_logs(self._handle, id_of(job), -last, options.handle({"count": last}))
        rows: list[bytes] = page["rows"]
        return rows

    def stream(self, job: Job | str, *, timeout: float | None = None) -> Iterator[bytes]:
        """The chunks of the job's output as they come, until it has ended; TimeoutError after so many seconds.

        What is there already comes first. A job that is tried again begins anew.
        """
        end = _end(timeout)
        cursor, ended = "", 0
        while not ended:
            left = STREAM_SLICE if end is None else min(STREAM_SLICE, end - time.monotonic())
            if left < 0:
                raise TimeoutError(f"job {id_of(job)} has not ended in time; it goes on")
            page = _heroq.heroq_supervisor_read_stream(
                self._handle, id_of(job), cursor, options.milliseconds(max(left, 0)), None
            )
            for row in page["rows"]:
                yield row["chunk"]
            cursor, ended = page["cursor"], page["ended"]

    def redis_lines(self, job: Job | str) -> dict[str, Any]:
        """The redis-cli lines by which a person follows this job: `rows` of command and answer, both as text.

        `found` is 0 if there is no such hash, which is no error here.
        """
        return _heroq.heroq_supervisor_redis_lines(self._handle, id_of(job))

    def list_jobs(
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
    ) -> Iterator[dict[str, Any]]:
        """Rows of id, status, script_type, created, size, caller, tags. A job may come twice, as a scan has it.

        `text` is a part of the id; `older` and `newer` are times since the job was made; `count` is a page. `source`:
        "auto" asks the index (option `index` of who submits) where there is one, the newest first, and then looks at
        all keys for what it lacks; "index" asks it alone, which is fast but may miss jobs; "scan" looks at all keys.
        """
        filters: dict[str, options.Value | None] = {
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
        cursor = ""
        while cursor != "0":
            page = self.page_of_jobs(cursor, **filters)
            yield from page["rows"]
            cursor = page["cursor"]

    def page_of_jobs(self, cursor: str = "", **filters: options.Value | None) -> dict[str, Any]:
        """One page of list_jobs: rows, the cursor of the next ("0" after the last), source ("index" or "scan"), and
        whole: 1 if no job that fits can be missing from the pages up to here."""
        return _heroq.heroq_supervisor_list_jobs(self._handle, cursor, options.handle(filters))

    # ---- ending ----
    def stop_job(self, job: Job | str) -> str:
        """Answers "cancelled" (it had not started), "stopping", "asked" (a foreign actor has it) or "ended"."""
        outcome: str = _heroq.heroq_supervisor_stop_job(self._handle, id_of(job))["outcome"]
        return outcome

    def delete_job(self, job: Job | str) -> None:
        """Removes a job that does not run; StateError (HEROQ_E_BUSY) asks a running one to stop instead."""
        _heroq.heroq_supervisor_delete_job(self._handle, id_of(job))

    def requeue_job(self, job: Job | str, **opts: options.Value | None) -> None:
        """Runs a job that has ended again, in the queue it had, else in that of the options type, group, instance."""
        _heroq.heroq_supervisor_requeue_job(self._handle, id_of(job), options.handle(opts))

    def retry_job(self, job: Job | str) -> None:
        """Runs a job now that is delayed, or waits for its next try. StateError: it runs, waits already, has ended."""
        _heroq.heroq_supervisor_retry_job(self._handle, id_of(job))

    def clear(self, queue: str, *, progress: Callable[[int], object] | None = None) -> int:
        """Ends every job that waits in a queue, or is delayed there, with the error "cancelled"; answers how many.

        `queue` is its key, exactly, such as "hero:q:work:type:osis"; NotFoundError if nobody knows it. What runs goes
        on, and what comes in meanwhile may stay. `progress(done)` is called as they end.
        """
        cursor, done = "", 0
        handle = options.handle({"count": _CLEARED})
        while cursor != "0":
            page = _heroq.heroq_supervisor_clear(self._handle, queue, cursor, handle)
            cursor, done = page["cursor"], done + page["cancelled"]
            if progress is not None:
                progress(done)
        return done


def _end(timeout: float | None) -> float | None:
    limit = options.time_limit(timeout)
    return None if limit is None else time.monotonic() + limit


def _job(script: Data | Job, script_type: str | None, keywords: dict[str, Any]) -> Job:
    if isinstance(script, Job):
        if script_type is not None or keywords:
            raise InvalidError("a Job has its script type and options already")
        return script
    if script_type is None:
        raise InvalidError("script_type is missing: which kind of actor is to run the script?")
    return Job(script, script_type, **keywords)
