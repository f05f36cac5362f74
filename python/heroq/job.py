"""A job: a script and its fate."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _heroq, options
from .errors import StateError
from .payload import Data as Data
from .payload import by_value as payload

if TYPE_CHECKING:
    from .client import Client


class StopReason(enum.IntEnum):
    """Why a handler should stop."""

    #: it need not
    NONE = _heroq.HEROQ_STOP_NONE
    #: somebody asked the job to stop
    REQUESTED = _heroq.HEROQ_STOP_REQUESTED
    #: the job's time is over
    TIMEOUT = _heroq.HEROQ_STOP_TIMEOUT
    #: the lease is gone: another actor may have the job, and this result is refused
    LOST = _heroq.HEROQ_STOP_LOST
    #: the actor drains: the job may go on until the grace is over
    DRAIN = _heroq.HEROQ_STOP_DRAIN


class Job:
    """A job to be submitted, one that was read, or one that an actor took.

    Further keywords are options of a job: timeout, retries, delay, at, expires, urgent, ttl, group,
    instance, tags.
    A job that was submitted or taken no longer changes. One that was taken and is dropped without being settled goes
    back to its queue after a while.

    `id`: made if not given. `env`: environment variables for a script actor. `headers`: metadata beside the script.
    `fields`: further fields of the hash. `prerequisites`, `dependents`: ids, for programs that look at them.
    """

    __slots__ = ("_handle",)

    def __init__(
        self,
        script: Data,
        script_type: str,
        *,
        id: str | None = None,
        env: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, Data] | None = None,
        prerequisites: Iterable[str] = (),
        dependents: Iterable[str] = (),
        **opts: options.Value | None,
    ):
        self._handle = handle = _heroq.heroq_job_new(script_type, script)
        if id is not None:
            _heroq.heroq_job_set_id(handle, id)
        for name, value in options.pairs(opts):
            _heroq.heroq_job_set_option(handle, name, value)
        for name, text in (env or {}).items():
            _heroq.heroq_job_set_env(handle, name, text)
        for name, text in (headers or {}).items():
            _heroq.heroq_job_set_header(handle, name, text)
        for name, data in (fields or {}).items():
            _heroq.heroq_job_set_field(handle, name, data)
        for other in prerequisites:
            _heroq.heroq_job_add_prerequisite(handle, other)
        for other in dependents:
            _heroq.heroq_job_add_dependent(handle, other)

    @classmethod
    def _of(cls, handle: Any) -> Job:
        job = cls.__new__(cls)
        job._handle = handle
        return job

    @classmethod
    def from_json(cls, text: bytes | str) -> Job:
        """A job out of what to_json made: an object of the fields on the wire. InvalidError says what is wrong."""
        return cls._of(_heroq.heroq_job_from_json(text))

    def to_json(self) -> bytes:
        """All fields by their names on the wire."""
        return _heroq.heroq_job_to_json(self._handle)

    def copy(self) -> Job:
        """A job that can be changed, with the same content and the same id."""
        return Job._of(_heroq.heroq_job_copy(self._handle))

    # ---- what it is ----
    @property
    def id(self) -> str:
        """Its name on the server, `hero:job:<id>`; the same in every attempt."""
        return _heroq.heroq_job_id(self._handle)

    @property
    def script(self) -> bytes:
        """The payload as it is."""
        return _heroq.heroq_job_script(self._handle) or b""

    @property
    def text(self) -> str:
        """The script as text."""
        return self.script.decode()

    @property
    def script_type(self) -> str:
        """Which kind of actor does it."""
        return _heroq.heroq_job_script_type(self._handle)

    @property
    def status(self) -> str:
        """As it was when the job was read.

        waiting_for_prerequisites, dispatched, started, stopping, finished or error.
        """
        return _heroq.heroq_job_status(self._handle)

    @property
    def is_terminal(self) -> bool:
        """Whether it had ended (finished, error) when it was read."""
        return bool(_heroq.heroq_job_is_terminal(self._handle))

    @property
    def output(self) -> bytes | None:
        """The result, if it had one when it was read."""
        return _heroq.heroq_job_output(self._handle)

    @property
    def error(self) -> bytes | None:
        """Why it failed, if it had when it was read."""
        return _heroq.heroq_job_error(self._handle)

    @property
    def timeout(self) -> int:
        """Seconds that a run may take, 0 = no limit."""
        return _heroq.heroq_job_timeout(self._handle)

    @property
    def retries(self) -> int | None:
        """How often a failure is tried again; None = the actor decides."""
        count = _heroq.heroq_job_retries(self._handle)
        return None if count < 0 else count

    @property
    def fields(self) -> dict[str, Any]:
        """All fields by their names on the wire; text where it is UTF-8, else bytes."""
        return _heroq.heroq_job_to_record(self._handle)

    def field(self, name: str) -> bytes | None:
        """A field by its name on the wire."""
        return _heroq.heroq_job_field(self._handle, name)

    def header(self, name: str) -> str | None:
        """A header that it was submitted with."""
        return _heroq.heroq_job_header(self._handle, name)

    @property
    def tags(self) -> list[str]:
        """Of a job that was made or read; one that was taken does not know them."""
        text = (self.field("hq_tags") or b"").decode(errors="replace")
        return text.split(",") if text else []

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of the script."""
        found = json.loads(self.field("env_vars") or b"{}")
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}

    # ---- the guide's two ----
    def store_in_redis(self, client: Client) -> None:
        """HSET of the job's hash, nothing else."""
        _heroq.heroq_job_store_in_redis(self._handle, client._handle)

    def set_result(self, client: Client, output: object) -> None:
        """Output and status=finished in one HSET, refused on a job that has ended."""
        _heroq.heroq_job_set_result(self._handle, client._handle, payload(output))

    # ---- of a job that an actor took; settled once, from any thread ----
    def finish(self, output: object = None, *, sync: bool = False) -> None:
        """The result: bytes, str (UTF-8), None (empty), else as JSON. `sync` waits until the server has it.

        SettledError: it was settled before, or its lease is gone.
        """
        if sync:
            _heroq.job_finish_sync(self._handle, payload(output))
        elif type(output) is bytes:
            _heroq.heroq_job_finish(self._handle, output, 0)
        else:
            _heroq.heroq_job_finish(self._handle, payload(output), 0)

    def fail(self, error: Data, *, final: bool = False, sync: bool = False) -> None:
        """The handler failed: tried again if retries are left and it is not `final`."""
        flags = _heroq.HEROQ_NO_RETRY if final else 0
        if sync:
            _heroq.job_fail_sync(self._handle, error, flags)
        else:
            _heroq.heroq_job_fail(self._handle, error, flags)

    def retry(self, delay: float = 0.0, error: Data = None) -> None:
        """Tried again after `delay` seconds; ends with `error` when no retry is left."""
        _heroq.heroq_job_retry(self._handle, options.milliseconds(delay), error, 0)

    def release(self) -> None:
        """Gives the job back, to be run next, by anyone; costs no retry."""
        _heroq.heroq_job_release(self._handle, 0)

    # ---- what the run tells meanwhile; read by Supervisor.get_progress, get_logs and stream ----
    def progress(self, percent: float, text: str | None = None) -> None:
        """How far the run is, 0 to 100. Cheap: only the newest is kept, and only what the wire can take is sent."""
        _heroq.heroq_job_progress(self._handle, percent, text)

    def log(self, line: str | bytes) -> None:
        """A line of the job's log. The last 1,000 are kept. Waits while a MiB of log and stream is still to be sent."""
        _tell(_heroq.heroq_job_log, _heroq.job_log_wait, self._handle, line)

    def stream(self, chunk: str | bytes) -> None:
        """A chunk of the output as it comes; about the last 10,000 are kept. Waits as `log` does."""
        _tell(_heroq.heroq_job_stream, _heroq.job_stream_wait, self._handle, chunk)

    @property
    def stop_reason(self) -> StopReason:
        """Why the handler should come to an end, if it should."""
        return StopReason(_heroq.heroq_job_stop_reason(self._handle))

    @property
    def is_stopping(self) -> bool:
        """True once the handler should come to an end; cheap, to be asked often."""
        return _heroq.heroq_job_stop_reason(self._handle) != 0

    @property
    def attempt(self) -> int:
        """The how-manyeth start this is, 1 for the first; 0 if the job was not taken."""
        return _heroq.heroq_job_attempt(self._handle)

    @property
    def waited_since(self) -> int:
        """Since when a taken job had waited, made or due: Unix ms by its creator's clock; 0 if that is not known."""
        return _heroq.heroq_job_waited_since(self._handle)

    @property
    def token(self) -> int:
        """Unique in the actor; 0 if not taken."""
        return _heroq.heroq_job_token(self._handle)

    def __repr__(self) -> str:
        return f"<heroq.Job {self.id} {self.script_type} {self.status or 'new'}>"


def _tell(tell: Callable[..., None], wait: Callable[..., None], handle: Any, data: str | bytes) -> None:
    try:
        tell(handle, data)
    except StateError as error:
        if error.code != _heroq.HEROQ_E_FULL:
            raise
        wait(handle, data)


def id_of(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else job
