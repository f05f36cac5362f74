"""Functions that handle jobs."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar

from .errors import GiveUp, Retry, ScriptFailed, SettledError
from .job import Job
from .log import log
from .options import Value

P = ParamSpec("P")
R = TypeVar("R")


class Handler(Generic[P, R]):
    """A function with the script types whose jobs it takes and the options of their actor. Still callable as it was."""

    def __init__(self, function: Callable[P, R], types: tuple[str, ...], opts: Mapping[str, Value | None]):
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.types = types
        self.options = dict(opts)
        self.label = getattr(function, "__name__", "handler")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


def actor(*types: str, **opts: Value | None) -> Callable[[Callable[[Job], R]], Handler[[Job], R]]:
    """`@heroq.actor("osis", timeout=30, retries=3)`: the function handles jobs of these script types.

    It returns bytes, str, None or what JSON can say; an exception fails the job; heroq.Retry and heroq.GiveUp say more.
    """
    if not types or not all(isinstance(name, str) for name in types):
        raise TypeError('an actor needs its script types: @heroq.actor("osis")')

    def wrap(function: Callable[[Job], R]) -> Handler[[Job], R]:
        return Handler(function, types, opts)

    return wrap


def handle(function: Callable[[Job], Any], job: Job) -> None:
    """Runs the function on a taken job and settles the job by what comes of it."""
    try:
        job.finish(function(job))
    except Exception as error:
        settle_by(error, job)


def settle_by(error: BaseException, job: Job) -> None:
    """Settles the job by what its handler raised."""
    if isinstance(error, SettledError):
        pass  # by the handler itself, by its timeout, or the lease is gone: the first one counts
    elif isinstance(error, Retry):
        _settle(job.retry, error.delay, str(error))
    elif isinstance(error, GiveUp):
        _settle(job.fail, str(error), final=True)
    elif isinstance(error, ScriptFailed):
        _settle(job.fail, str(error))
    else:
        log.warning("job %s failed: %s: %s", job.id, type(error).__name__, error)
        _settle(job.fail, describe(error))


def describe(error: BaseException) -> str:
    """The exception in one line, then where it came from, without heroq's own part of the way."""
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    first = "".join(traceback.format_exception_only(error)).strip()
    return f"{first}\n\n{''.join(traceback.format_tb(frames))}".rstrip()


def _settle(call: Callable[..., None], *args: object, **kwargs: object) -> None:
    try:
        call(*args, **kwargs)
    except SettledError:
        pass
