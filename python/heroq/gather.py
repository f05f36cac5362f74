"""Waits for many jobs at once: one waiter, however many there are."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeVar, overload

from .connection import default_supervisor
from .errors import InvalidError, TimeoutError
from .job import Job, id_of
from .submitted import Submitted
from .supervisor import Supervisor
from .waiter import Waiter

R = TypeVar("R")


@overload
def as_completed(
    jobs: Iterable[Submitted[R]], *, timeout: float | None = None, server: Supervisor | None = None
) -> Iterator[Submitted[R]]: ...
@overload
def as_completed(
    jobs: Iterable[Job | str], *, timeout: float | None = None, server: Supervisor | None = None
) -> Iterator[Submitted[bytes]]: ...
def as_completed(
    jobs: Iterable[Any], *, timeout: float | None = None, server: Supervisor | None = None
) -> Iterator[Submitted[Any]]:
    """Each job once it has ended, well or not: `result()` then answers, or raises, at once.

    Jobs: what `submit` answered, Jobs, or ids. TimeoutError when some have not ended in `timeout` seconds; they go on.
    `server`: the supervisor for Jobs and ids, else that of heroq.connect.
    """
    end = None if timeout is None else time.monotonic() + timeout
    waiting = _submitted(jobs, server)
    return _completed(waiting, end) if waiting else iter(())


def _submitted(jobs: Iterable[Any], server: Supervisor | None) -> list[Submitted[Any]]:
    """All of them as Submitted; the server is only looked for if it is needed."""
    found: list[Submitted[Any]] = []
    for one in jobs:
        if not isinstance(one, Submitted):
            server = server or default_supervisor()
            one = Submitted(id_of(one), server)
        found.append(one)
    if any(one._supervisor.client is not found[0]._supervisor.client for one in found):
        raise InvalidError("these jobs are on several connections: wait for those of each supervisor apart")
    return found


def _completed(waiting: list[Submitted[Any]], end: float | None) -> Iterator[Submitted[Any]]:
    late = 0
    with Waiter(waiting[0]._supervisor.client) as waiter:
        for tag, one in enumerate(waiting):
            waiter.add(one.id, tag, None if end is None else max(0.0, end - time.monotonic()))
        for _ in waiting:
            outcome = waiter.take()
            assert outcome is not None
            error = outcome["status"]
            if error == TimeoutError.default_code:
                late += 1
                continue
            one = waiting[outcome["tag"]]
            one._outcome = outcome
            yield one
    if late:
        raise TimeoutError(f"{late} of {len(waiting)} jobs have not ended in time; they go on")


@overload
def gather(
    jobs: Iterable[Submitted[R]],
    *,
    timeout: float | None = None,
    return_exceptions: Literal[False] = False,
    server: Supervisor | None = None,
) -> list[R]: ...
@overload
def gather(
    jobs: Iterable[Submitted[R]],
    *,
    timeout: float | None = None,
    return_exceptions: Literal[True],
    server: Supervisor | None = None,
) -> list[R | Exception]: ...
@overload
def gather(
    jobs: Iterable[Job | str],
    *,
    timeout: float | None = None,
    return_exceptions: Literal[False] = False,
    server: Supervisor | None = None,
) -> list[bytes]: ...
@overload
def gather(
    jobs: Iterable[Job | str],
    *,
    timeout: float | None = None,
    return_exceptions: Literal[True],
    server: Supervisor | None = None,
) -> list[bytes | Exception]: ...
def gather(
    jobs: Iterable[Any],
    *,
    timeout: float | None = None,
    return_exceptions: bool = False,
    server: Supervisor | None = None,
) -> list[Any]:
    """The results of jobs in their order. The first one that fails ends it with its error, the others go on.

    With `return_exceptions` errors stand among the results, also a TimeoutError for each that did not end in time.
    """
    end = None if timeout is None else time.monotonic() + timeout
    waiting = _submitted(jobs, server)
    if not waiting:
        return []
    try:
        for one in _completed(waiting, end):
            if not return_exceptions and one._outcome and one._outcome["status"] != 0:
                one.result()
    except TimeoutError:
        if not return_exceptions:
            raise
    return [_result_of(one) for one in waiting] if return_exceptions else [one.result() for one in waiting]


def _result_of(one: Submitted[Any]) -> Any:
    if one._outcome is None:
        return TimeoutError(f"job {one.id} has not ended in time; it goes on")
    try:
        return one.result()
    except Exception as error:
        return error
