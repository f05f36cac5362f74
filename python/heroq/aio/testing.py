"""What heroq.testing does with an `async def` handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .. import testing
from ..handler import AnyHandler
from ..job import Data
from ..payload import bytes_of
from .handler import run

R = TypeVar("R")


class TrialJob(testing.TrialJob):
    """As heroq.testing's, with the coroutines of heroq.aio.Job."""

    __slots__ = ()

    async def log(self, line: str | bytes) -> None:  # type: ignore[override]
        super().log(line)

    async def stream(self, chunk: str | bytes) -> None:  # type: ignore[override]
        super().stream(chunk)

    async def finish_sync(self, output: object = None) -> None:
        self.finish(output)

    async def fail_sync(self, error: Data, *, final: bool = False) -> None:
        self.fail(error, final=final)


async def output_of(handler: AnyHandler, job: testing.TrialJob) -> bytes:
    return bytes_of(await run(handler, job))


def on_a_loop(begin: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Runs the coroutine that `begin` makes, on a loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(begin())
    raise TypeError("an event loop runs here already: await Trial(handler).run_async(…)")
