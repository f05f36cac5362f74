"""What is traced of heroq.aio's calls. What they have done on threads, by `_submit` and others, is not traced again."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

from .. import aio
from ..aio import handler
from ..handler import AnyHandler
from ..job import Data, Job
from ..supervisor import Progress, _job
from .patches import Function, Patches
from .spans import Spans
from .threads import jobs_of


def patch(patches: Patches, spans: Spans) -> None:
    for name, wrap in (
        ("create_job", _create_job),
        ("start_job", _start_job),
        ("submit", _submit),
        ("submit_many", _submit_many),
        ("run_job_and_await_result", _run_job),
        ("await_result", _await_result),
    ):
        patches.replace(aio.Supervisor, name, wrap, spans)
    patches.replace(handler, "run", _run, spans)
    gather = importlib.import_module("heroq.aio.gather")  # the package has a function of this name
    patches.replace(gather, "_completed", _completed, spans)


def _create_job(spans: Spans, plain: Function) -> Function:
    async def traced(self: aio.Supervisor, script: Data | Job, script_type: str | None = None, **job: Any) -> Job:
        made = _job(script, script_type, job)
        with spans.creating(made):
            await plain(self, made)
        return made

    return traced


def _start_job(spans: Spans, plain: Function) -> Function:
    async def traced(self: aio.Supervisor, job: Job | str, script_type: str | None = None, **opts: Any) -> None:
        with spans.starting(job, script_type):
            await plain(self, job, script_type, **opts)

    return traced


def _submit(spans: Spans, plain: Function) -> Function:
    async def traced(self: aio.Supervisor, script: Data | Job, script_type: str | None = None, **job: Any) -> Job:
        made = _job(script, script_type, job)
        with spans.sending(made):
            await plain(self, made)
        return made

    return traced


def _submit_many(spans: Spans, plain: Function) -> Function:
    async def traced(
        self: aio.Supervisor,
        scripts: Iterable[Data | Job],
        script_type: str | None = None,
        *,
        progress: Progress | None = None,
        **opts: Any,
    ) -> Any:
        with spans.sending_many(script_type) as batch:
            jobs = list(jobs_of(batch, scripts, script_type, opts))
            return await plain(self, jobs, script_type, progress=progress)

    return traced


def _run_job(spans: Spans, plain: Function) -> Function:
    async def traced(
        self: aio.Supervisor,
        script: Data | Job,
        script_type: str | None = None,
        *,
        timeout: float | None = None,
        **job: Any,
    ) -> Any:
        made = _job(script, script_type, job)
        with spans.awaiting(made):
            return await plain(self, made, timeout=timeout)  # which sends it by the waiter

    return traced


def _await_result(spans: Spans, plain: Function) -> Function:
    async def traced(self: aio.Supervisor, job: Job | str, *, timeout: float | None = None) -> Any:
        with spans.awaiting(job):
            return await plain(self, job, timeout=timeout)

    return traced


def _run(spans: Spans, plain: Function) -> Function:
    async def traced(one: AnyHandler, job: Any) -> Any:
        with spans.running(job, one.label):
            return await plain(one, job)

    return traced


def _completed(spans: Spans, plain: Function) -> Function:
    async def traced(waiting: list[Any], timeout: float | None) -> AsyncIterator[Any]:
        with spans.awaiting_many(len(waiting)):
            async with aclosing(plain(waiting, timeout)) as ends:
                async for one in ends:
                    yield one

    return traced
