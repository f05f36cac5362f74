"""What is traced of heroq's own calls."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sized
from typing import Any

from .. import handler
from ..job import Data, Job
from ..supervisor import Progress, Supervisor, _job
from ..waiter import Waiter
from .patches import Function, Patches
from .spans import Batch, Spans


def patch(patches: Patches, spans: Spans) -> None:
    for name, wrap in (
        ("create_job", _create_job),
        ("start_job", _start_job),
        ("submit", _submit),
        ("submit_many", _submit_many),
        ("run_job_and_await_result", _run_job),
        ("await_result", _await_result),
    ):
        patches.replace(Supervisor, name, wrap, spans)
    patches.replace(Waiter, "submit", _waiter_submit, spans)
    patches.replace(Waiter, "submit_many", _waiter_submit_many, spans)
    patches.replace(handler, "run", _run, spans)
    gather = importlib.import_module("heroq.gather")  # the package has a function of this name
    patches.replace(gather, "_completed", _completed, spans)


def jobs_of(
    batch: Batch, scripts: Iterable[Data | Job], script_type: str | None, opts: dict[str, Any]
) -> Iterator[Data | Job]:
    """Scripts become jobs, since only a job has headers."""
    for item in scripts:
        if isinstance(item, Job):
            yield batch.add(item)
        elif script_type is None:
            yield item  # refused as ever
        else:
            yield batch.add(Job(item, script_type, **opts))


def _create_job(spans: Spans, plain: Function) -> Function:
    def traced(self: Supervisor, script: Data | Job, script_type: str | None = None, **job: Any) -> Job:
        made = _job(script, script_type, job)
        with spans.creating(made):
            plain(self, made)
        return made

    return traced


def _start_job(spans: Spans, plain: Function) -> Function:
    def traced(self: Supervisor, job: Job | str, script_type: str | None = None, **opts: Any) -> None:
        with spans.starting(job, script_type):
            plain(self, job, script_type, **opts)

    return traced


def _submit(spans: Spans, plain: Function) -> Function:
    def traced(self: Supervisor, script: Data | Job, script_type: str | None = None, **job: Any) -> Job:
        made = _job(script, script_type, job)
        with spans.sending(made):
            plain(self, made)
        return made

    return traced


def _submit_many(spans: Spans, plain: Function) -> Function:
    def traced(
        self: Supervisor,
        scripts: Iterable[Data | Job],
        script_type: str | None = None,
        *,
        progress: Progress | None = None,
        **opts: Any,
    ) -> Any:
        total = len(scripts) if isinstance(scripts, Sized) else None
        tell = None if progress is None else lambda done, _: progress(done, total)
        with spans.sending_many(script_type) as batch:
            return plain(self, jobs_of(batch, scripts, script_type, opts), script_type, progress=tell)

    return traced


def _run_job(spans: Spans, plain: Function) -> Function:
    def traced(
        self: Supervisor,
        script: Data | Job,
        script_type: str | None = None,
        *,
        timeout: float | None = None,
        **job: Any,
    ) -> Any:
        made = _job(script, script_type, job)
        with spans.awaiting(made):
            with spans.sending(made):
                pass  # one call does both: this is the moment of handing over
            return plain(self, made, timeout=timeout)

    return traced


def _await_result(spans: Spans, plain: Function) -> Function:
    def traced(self: Supervisor, job: Job | str, *, timeout: float | None = None) -> Any:
        with spans.awaiting(job):
            return plain(self, job, timeout=timeout)

    return traced


def _waiter_submit(spans: Spans, plain: Function) -> Function:
    def traced(self: Waiter, job: Job, tag: int, timeout: float | None = None) -> None:
        with spans.sending(job):
            plain(self, job, tag, timeout)

    return traced


def _waiter_submit_many(spans: Spans, plain: Function) -> Function:
    def traced(
        self: Waiter,
        scripts: Iterable[Data | Job],
        first_tag: int,
        script_type: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        with spans.sending_many(script_type) as batch:
            return plain(self, jobs_of(batch, scripts, script_type, {}), first_tag, script_type, timeout)

    return traced


def _run(spans: Spans, plain: Function) -> Function:
    def traced(one: handler.AnyHandler, job: Job) -> Any:
        with spans.running(job, one.label):
            return plain(one, job)

    return traced


def _completed(spans: Spans, plain: Function) -> Function:
    def traced(waiting: list[Any], end: float | None) -> Iterator[Any]:
        with spans.awaiting_many(len(waiting)):
            yield from plain(waiting, end)

    return traced
