"""Awaits many jobs at once: they share their supervisor's waiter, however many there are."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Any, Literal, TypeVar, overload

from ..errors import TimeoutError
from ..job import Job, id_of
from .connection import default_supervisor
from .submitted import Submitted
from .supervisor import Supervisor

R = TypeVar("R")


@overload
def as_completed(
    jobs: Iterable[Submitted[R]], *, timeout: float | None = None, server: Supervisor | None = None
) -> AsyncIterator[Submitted[R]]: ...
@overload
def as_completed(
    jobs: Iterable[Job | str], *, timeout: float | None = None, server: Supervisor | None = None
) -> AsyncIterator[Submitted[bytes]]: ...
def as_completed(
    jobs: Iterable[Any], *, timeout: float | None = None, server: Supervisor | None = None
) -> AsyncIterator[Submitted[Any]]:
    """Each job once it has ended, well or not: `await job.result()` then answers, or raises, at once.

    Jobs: what `await f.submit(…)` answered, Jobs, or ids. TimeoutError when some have not ended in `timeout` seconds;
    they go on. `server`: the supervisor for Jobs and ids, else that of heroq.connect.
    """
    return _completed(_submitted(jobs, server), timeout)


def _submitted(jobs: Iterable[Any], server: Supervisor | None) -> list[Submitted[Any]]:
    """All of them as Submitted; the server is only looked for if it is needed."""
    found: list[Submitted[Any]] = []
    for one in jobs:
        if isinstance(one, (Job, str)):
            server = server or default_supervisor()
            one = Submitted(id_of(one), server)
        elif not isinstance(one, Submitted):
            raise TypeError(f"jobs are what `await f.submit(…)` answers, Jobs or ids, not {one!r}")
        found.append(one)
    return found


async def _completed(waiting: list[Submitted[Any]], timeout: float | None) -> AsyncGenerator[Submitted[Any], None]:
    ended: asyncio.Queue[Submitted[Any]] = asyncio.Queue()
    futures: list[asyncio.Future[bytes]] = []
    late = 0

    def end(one: Submitted[Any], future: asyncio.Future[bytes]) -> None:
        if not future.cancelled():
            one._outcome = None if isinstance(future.exception(), TimeoutError) else future
            ended.put_nowait(one)

    try:
        for one in waiting:
            future = (await one._supervisor._opened()).add(one.id, timeout)
            future.add_done_callback(functools.partial(end, one))
            futures.append(future)
        for _ in waiting:
            one = await ended.get()
            if one._outcome is None:
                late += 1
            else:
                yield one
    finally:
        for future in futures:
            future.cancel()
    if late:
        raise TimeoutError(f"{late} of {len(waiting)} jobs have not ended in time; they go on")


@overload
async def gather(
    jobs: Iterable[Submitted[R]],
    *,
    timeout: float | None = None,
    return_exceptions: Literal[False] = False,
    server: Supervisor | None = None,
) -> list[R]: ...
@overload
async def gather(
    jobs: Iterable[Submitted[R]],
    *,
    timeout: float | None = None,
    return_exceptions: Literal[True],
    server: Supervisor | None = None,
) -> list[R | Exception]: ...
@overload
async def gather(
    jobs: Iterable[Job | str],
    *,
    timeout: float | None = None,
    return_exceptions: Literal[False] = False,
    server: Supervisor | None = None,
) -> list[bytes]: ...
@overload
async def gather(
    jobs: Iterable[Job | str],
    *,
    timeout: float | None = None,
    return_exceptions: Literal[True],
    server: Supervisor | None = None,
) -> list[bytes | Exception]: ...
async def gather(
    jobs: Iterable[Any],
    *,
    timeout: float | None = None,
    return_exceptions: bool = False,
    server: Supervisor | None = None,
) -> list[Any]:
    """The results of jobs in their order. The first one that fails ends it with its error, the others go on.

    With `return_exceptions` errors stand among the results, also a TimeoutError for each that did not end in time.
    """
    waiting = _submitted(jobs, server)
    ends = _completed(waiting, timeout)
    try:
        async for one in ends:
            if not return_exceptions and one._outcome and (error := one._outcome.exception()):
                raise error
    except TimeoutError:
        if not return_exceptions:
            raise
    finally:
        await ends.aclose()
    return [await (_result_of(one) if return_exceptions else one.result()) for one in waiting]


async def _result_of(one: Submitted[Any]) -> Any:
    if one._outcome is None:
        return TimeoutError(f"job {one.id} has not ended in time; it goes on")
    try:
        return await one.result()
    except Exception as error:
        return error
