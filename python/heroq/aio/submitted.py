"""A job that was given to a handler, in the hands of a coroutine that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, TypeVar

from ..job import Job
from ..submitted import Given

if TYPE_CHECKING:
    from ..signature import Signature
    from .supervisor import Supervisor

R = TypeVar("R")


class Submitted(Given[R, "Supervisor"]):
    """As heroq.Submitted, with coroutines: `await job.result()`, and `await job.status()` too."""

    __slots__ = ("_outcome",)

    def __init__(self, id: str, supervisor: Supervisor, signature: Signature | None = None):
        super().__init__(id, supervisor, signature)
        self._outcome: asyncio.Future[bytes] | None = None  # once it is done

    async def result(self, timeout: float | None = None) -> R:
        """What the handler returned. JobFailed if it failed for good; TimeoutError after `timeout` seconds."""
        if self._outcome is not None:
            return self._decode(self._outcome.result())
        return self._decode(await self._supervisor.await_result(self.id, timeout=timeout))

    async def stream(self, *, timeout: float | None = None) -> AsyncIterator[Any]:
        """What the handler yields, as it comes, until it has ended."""
        async for chunk in self._supervisor.stream(self.id, timeout=timeout):
            yield self._decode_chunk(chunk)

    async def status(self) -> str:
        """As it is now."""
        return await self._supervisor.get_status(self.id)

    async def progress(self) -> dict[str, Any] | None:
        """percent, text, attempt, time (Unix ms); None while the run has said nothing."""
        return await self._supervisor.get_progress(self.id)

    async def logs(self, last: int = 100) -> list[bytes]:
        """The last lines of the job's log."""
        return await self._supervisor.get_logs(self.id, last)

    async def job(self) -> Job:
        """The job as it is now."""
        return await self._supervisor.get_job(self.id)

    async def stop(self) -> str:
        """Answers "cancelled" (it had not started), "stopping", "asked" (a foreign actor has it) or "ended"."""
        return await self._supervisor.stop_job(self.id)
