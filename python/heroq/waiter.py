"""The side that never blocks: awaits by the thousand, for event loops."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import _heroq, options
from .client import Client, Closing, client_of
from .errors import HeroqError, error_from
from .job import Data, Job, id_of
from .wait import wait_for

if TYPE_CHECKING:
    from .embedded import Embedded


def result_of(completion: dict[str, Any]) -> bytes | HeroqError:
    """What came of an awaited job: its output, or the error."""
    status = completion["status"]
    if status == _heroq.HEROQ_OK:
        return _bytes(completion.get("output"))
    return error_from(status, text=str(completion.get("text") or ""), result=_bytes(completion.get("error")))


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode()


class Waiter(Closing):
    """Every tag (0 to 2**53 - 1, the caller's choice) gets exactly one last completion, also after cancel and close."""

    def __init__(self, server: Client | Embedded | str | None = None, **opts: options.Value | None):
        self.client, self._owns_client = client_of(server, opts)
        self._handle = _heroq.heroq_waiter_open(self.client._handle, options.handle(opts))
        super().__init__()

    def submit(self, job: Job, tag: int, timeout: float | None = None) -> None:
        """Submits the job; the completion comes when it has ended, or when the submit failed."""
        _heroq.heroq_waiter_submit(self._handle, job._handle, tag, options.milliseconds(timeout))

    def submit_many(
        self,
        scripts: Iterable[Data | Job],
        first_tag: int,
        script_type: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Tags are first_tag, first_tag + 1, … in the order of the scripts. Returns the ids."""
        items = [item._handle if isinstance(item, Job) else item for item in scripts]
        jobs = _heroq.jobs_from(script_type, items, ())
        _heroq.heroq_waiter_submit_many(self._handle, jobs, first_tag, options.milliseconds(timeout))
        return _heroq.jobs_ids(jobs)

    def add(self, job: Job | str, tag: int, timeout: float | None = None) -> None:
        """Awaits a job that was started elsewhere."""
        _heroq.heroq_waiter_add(self._handle, id_of(job), tag, options.milliseconds(timeout))

    def fetch(self, job: Job | str, tag: int, timeout: float | None = None) -> None:
        """Reads a job: the completion has `job`, its fields as Job.fields has them."""
        _heroq.heroq_waiter_fetch(self._handle, id_of(job), tag, options.milliseconds(timeout))

    def stop(self, job: Job | str, tag: int, timeout: float | None = None) -> None:
        """Asks a job to stop: the completion has `outcome`, as Supervisor.stop_job answers it."""
        _heroq.heroq_waiter_stop(self._handle, id_of(job), tag, options.milliseconds(timeout))

    def cancel(self, tag: int) -> None:
        """Ends the wait of a tag; the job goes on."""
        _heroq.heroq_waiter_cancel(self._handle, tag)

    def take(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next completion: tag, status (0, or a HEROQ_E number), job_id, output or error, text; or job, or outcome.

        None if none came in time. ClosedError when closed and all were taken.
        """
        return wait_for(lambda: _heroq.heroq_waiter_take(self._handle, 0), self.fd, timeout)

    def fd(self) -> int:
        """Readable while take(0) would answer; to be polled only."""
        return _heroq.heroq_waiter_fd(self._handle)

    def __len__(self) -> int:
        """How many tags have not had their last completion taken."""
        return _heroq.heroq_waiter_count(self._handle)

    def __bool__(self) -> bool:
        return True

    def close(self) -> None:
        """Ends all waits: what is still to be taken comes with ClosedError's status. Jobs go on."""
        _heroq.heroq_waiter_close(self._handle)
        if self._owns_client:
            self.client.close()
