"""What can go wrong: one exception for each kind of status, so that newer codes are understood too."""

from __future__ import annotations

import builtins
import threading

from . import _heroq


class HeroqError(Exception):
    """Any error of heroq. `code` and `name` say which, `retryable` and `maybe_done` what to do about it."""

    default_code = _heroq.HEROQ_E_INTERNAL

    def __init__(self, text: str, code: int | None = None, flags: int = 0, sys_errno: int = 0, item: int = -1):
        super().__init__(text)
        self.code = self.default_code if code is None else code
        self.name: str = _heroq.heroq_status_name(self.code)
        #: the same call may succeed later
        self.retryable = bool(flags & _heroq.HEROQ_RETRYABLE)
        #: the request was sent and the answer is unknown: it may have been carried out
        self.maybe_done = bool(flags & _heroq.HEROQ_MAYBE_DONE)
        self.sys_errno = sys_errno
        #: index of the item of a list that failed, or -1
        self.item = item


class InvalidError(HeroqError, ValueError):
    """An argument, an option or a text is not valid."""

    default_code = _heroq.HEROQ_E_INVALID


class PayloadError(InvalidError):
    """A payload or a result does not fit its annotation."""


class Unfit(PayloadError):
    """The payload of the job at hand does not fit its handler, or its result does not: to try again is in vain."""


class StateError(HeroqError):
    """Not possible in this state."""


class ClosedError(StateError):
    """Closed, or drained and empty: the end."""


class SettledError(StateError):
    """The job was settled before, or its lease is gone."""


class PartialError(StateError):
    """Some jobs of a list failed. `ids` are those of the whole list, `failed` tells index → name of the status."""

    ids: list[str]
    failed: dict[int, str]


class JobFailed(StateError):
    """The job ended with an error, which is in `error`, whole."""

    error: bytes = b""


class NotFoundError(HeroqError, LookupError):
    """There is no such job."""


class TimeoutError(HeroqError, builtins.TimeoutError):
    """Not in time; a job that was awaited goes on."""

    default_code = _heroq.HEROQ_E_TIMEOUT


class CancelledError(HeroqError):
    """The call was ended from elsewhere."""


class ConnectionError(HeroqError, builtins.ConnectionError):
    """The server cannot be reached, or is none."""

    default_code = _heroq.HEROQ_E_CONNECTION


class ServerError(HeroqError):
    """The server refused it."""


class InternalError(HeroqError):
    """Out of memory, or a fault inside heroq."""


class Retry(Exception):
    """Raised by a handler: try this job again after `delay` seconds (it costs a retry)."""

    def __init__(self, text: str = "the handler asked for another try", delay: float = 0.0):
        super().__init__(text)
        self.delay = delay


class Fail(Exception):
    """Raised by a handler: this failure is final, whatever retries are left."""


class ScriptFailed(Exception):
    """A job's program, or its stream, was ended or did not end well; the text, as it is, is the job's error."""


_BY_KIND: dict[int, type[HeroqError]] = {
    _heroq.HEROQ_KIND_INVALID: InvalidError,
    _heroq.HEROQ_KIND_STATE: StateError,
    _heroq.HEROQ_KIND_NOT_FOUND: NotFoundError,
    _heroq.HEROQ_KIND_TIMEOUT: TimeoutError,
    _heroq.HEROQ_KIND_CANCELLED: CancelledError,
    _heroq.HEROQ_KIND_CONNECTION: ConnectionError,
    _heroq.HEROQ_KIND_SERVER: ServerError,
}
_BY_CODE: dict[int, type[HeroqError]] = {
    _heroq.HEROQ_E_CLOSED: ClosedError,
    _heroq.HEROQ_E_SETTLED: SettledError,
    _heroq.HEROQ_E_LOST: SettledError,
    _heroq.HEROQ_E_PARTIAL: PartialError,
    _heroq.HEROQ_E_FAILED: JobFailed,
}


def error_from(
    code: int, flags: int = 0, sys_errno: int = 0, item: int = -1, text: str = "", result: object = None
) -> HeroqError:
    """The exception of a heroq_error; `result` is what the call answered beside it."""
    cls = _BY_CODE.get(code) or _BY_KIND.get(_heroq.heroq_status_kind(code), InternalError)
    error = cls(text or _heroq.heroq_status_text(code), code, flags, sys_errno, item)
    if isinstance(error, JobFailed):
        error.error = result if isinstance(result, bytes) else text.encode()
    return error


_heroq.set_error_factory(error_from)
_heroq.set_main_thread(threading.main_thread().ident or 0)
if _heroq.heroq_version() != _heroq.HEROQ_VERSION:
    raise ImportError(f"heroq was built for another library than version {_heroq.heroq_version_text()}")
