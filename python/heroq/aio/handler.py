"""Coroutines that handle jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any

from ..caller import A, R
from ..handler import (
    After,
    AnyHandler,
    BaseHandler,
    Before,
    OnError,
    P,
    Y,
    decorating,
    make_current,
    settle_by,
    tell_error,
)
from ..job import Data
from ..options import Value
from ..signature import Signature
from .caller import Caller
from .job import Job

if TYPE_CHECKING:
    from .decorator import Decorator


class Handler(BaseHandler[P, Y, A, R], Caller[A, R]):
    """As heroq.Handler, with coroutines: `await f.submit(…)`; `f.sync` is for a program without an event loop."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        check(self)


def check(handler: AnyHandler) -> None:
    if not handler.signature.is_async:
        raise TypeError(f"{handler.label!r} is no `async def` function; heroq.run is for others")


def actor(
    *types: str,
    before: Before | Iterable[Before] = (),
    after: After | Iterable[After] = (),
    on_error: OnError | Iterable[OnError] = (),
    **opts: Value | None,
) -> Decorator:
    """`@heroq.aio.actor("osis", timeout=30)`: the `async def` function handles jobs of these script types.

    It takes the Job, or what its annotations make of the payload, and returns bytes, str, None or what JSON can say, as
    with heroq.actor; one with `yield` streams what it yields. An exception fails the job; heroq.Retry and heroq.Fail
    say more.
    A stop request, and the end of the job's time, cancel it: asyncio.CancelledError is raised where it awaits.
    """
    return decorating(Handler, types, opts, before=before, after=after, on_error=on_error)  # type: ignore[return-value]


async def handle(handler: AnyHandler, job: Job) -> None:
    """Runs the handler on a taken job, in a task of its own, and settles the job by what comes of it."""
    make_current(job)
    try:
        job.finish(await run(handler, job))
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # from outside: Hands._ended settles the job, also when it had no time to begin
        _settle(handler, job, error)
    except Exception as error:
        _settle(handler, job, error)


def _settle(handler: AnyHandler, job: Job, error: BaseException) -> None:
    tell_error(handler, job, error)
    settle_by(error, job)


async def run(handler: AnyHandler, job: Any) -> Data:
    """The handler's output for a job, and what is called around it."""
    signature = handler.signature
    for hook in handler.before:
        hook(job)
    result = signature.invoke(job)
    if type(result) is not AsyncGeneratorType:
        result = await result
    if signature.streams or type(result) is AsyncGeneratorType:
        await _stream(signature, job, result)
        result = None
    for hook in handler.after:
        hook(job, result)
    return signature.encode(result)


async def _stream(signature: Signature, job: Job, chunks: AsyncIterator[Any]) -> None:
    """Sends what a generator yields, None apart. However that ends, the generator is closed."""
    try:
        async for chunk in chunks:
            if chunk is not None:
                await job.stream(chunk if type(chunk) is bytes else signature.encode_chunk(chunk))
            await asyncio.sleep(0)  # one that awaits nothing would keep the loop, and not be told to stop
    finally:
        if close := getattr(chunks, "aclose", None):
            await close()
