"""The spans, by OpenTelemetry's conventions for messaging."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from .. import _heroq
from .._heroq import heroq_version_text
from ..errors import StateError
from ..job import Job, StopReason, id_of

Attributes = dict[str, AttributeValue]
_LATE = {StopReason.TIMEOUT: "timeout", StopReason.LOST: "lease lost"}


class _Headers(Getter[Job]):
    def get(self, carrier: Job, key: str) -> list[str] | None:
        value = carrier.header(key)
        return None if value is None else [value]

    def keys(self, carrier: Job) -> list[str]:
        try:
            return list(json.loads(carrier.field("hq_headers") or b"{}"))
        except ValueError:
            return []


def _of_messaging(operation: str, kind: str, script_type: str | None, job_id: str | None) -> Attributes:
    found: Attributes = {"messaging.system": "heroq", "messaging.operation.name": operation}
    if kind:
        found["messaging.operation.type"] = kind
    if script_type:
        found["messaging.destination.name"] = script_type
    if job_id:
        found["messaging.message.id"] = job_id
    return found


def _name(operation: str, script_type: str | None) -> str:
    return f"{operation} {script_type}" if script_type else operation


class Batch:
    """Jobs that are sent together."""

    def __init__(self, inject: Callable[[Job], None]):
        self._inject = inject
        self.count = 0

    def add(self, job: Job) -> Job:
        """The job, with the headers of the current span."""
        self._inject(job)
        self.count += 1
        return job


class Spans:
    def __init__(self, provider: TracerProvider | None, propagator: TextMapPropagator | None):
        self._tracer = trace.get_tracer("heroq", heroq_version_text(), provider)
        self._propagator = propagator or propagate.get_global_textmap()
        self._getter = _Headers()

    # ---- who submits ----
    @contextmanager
    def creating(self, job: Job) -> Iterator[None]:
        """A job that is stored, and not started yet."""
        with self._span(
            f"create {job.script_type}",
            SpanKind.PRODUCER,
            _of_messaging("create", "create", job.script_type, job.id),
        ):
            self._inject(job)
            yield

    @contextmanager
    def sending(self, job: Job) -> Iterator[None]:
        """A job that is stored and started."""
        with self._span(
            f"send {job.script_type}",
            SpanKind.PRODUCER,
            _of_messaging("send", "send", job.script_type, job.id),
            links=self._links(job),
        ):
            self._inject(job)
            yield

    @contextmanager
    def starting(self, job: Job | str, script_type: str | None) -> Iterator[None]:
        """A job that was created before."""
        links: list[Link] = []
        if isinstance(job, Job):
            script_type, links = script_type or job.script_type, self._links(job)
        attributes = _of_messaging("send", "send", script_type, id_of(job))
        with self._span(_name("send", script_type), SpanKind.PRODUCER, attributes, links=links):
            yield

    @contextmanager
    def sending_many(self, script_type: str | None) -> Iterator[Batch]:
        """Jobs that share a span."""
        attributes = _of_messaging("send", "send", script_type, None)
        with self._span(_name("send", script_type), SpanKind.PRODUCER, attributes) as span:
            batch = Batch(self._inject)
            try:
                yield batch
            finally:
                span.set_attribute("messaging.batch.message_count", batch.count)

    def _inject(self, job: Job) -> None:
        """Headers that the user has set stay, and so do those of a job that is submitted again."""
        headers: dict[str, str] = {}
        self._propagator.inject(headers)
        if job.header("traceparent") is not None:
            headers.pop("tracestate", None)
        for name, value in headers.items():
            if job.header(name) is None:
                try:
                    _heroq.heroq_job_set_header(job._handle, name, value)
                except StateError:
                    return  # it was submitted before, and can no longer change

    # ---- who runs ----
    @contextmanager
    def running(self, job: Job, handler: str | None = None) -> Iterator[Span]:
        """A run, below the submit that its headers name, and linked to it; and before the first one the wait for it."""
        submit = self._context_of(job)
        self._wait(job, submit)
        attributes = _of_messaging("process", "process", job.script_type, job.id)
        attributes["messaging.heroq.attempt"] = job.attempt
        if handler:
            attributes["messaging.heroq.handler"] = handler
        with self._span(
            f"process {job.script_type}", SpanKind.CONSUMER, attributes, within=submit, links=self._links(job)
        ) as span:
            yield span
            late = _LATE.get(job.stop_reason)
            if late:  # the result comes too late, whatever it is
                span.set_attribute("error.type", late)
                span.set_status(Status(StatusCode.ERROR, late))

    def _wait(self, job: Job, submit: Context) -> None:
        """By the submitter's clock. Of a run that is not the first nobody knows since when it waited."""
        since = job.waited_since
        if not since:
            return
        now = time.time_ns()
        self._tracer.start_span(
            f"wait {job.script_type}",
            submit,
            SpanKind.INTERNAL,
            _of_messaging("wait", "", job.script_type, job.id),
            start_time=min(since * 1_000_000, now),
        ).end(now)

    # ---- who awaits ----
    @contextmanager
    def awaiting(self, job: Job | str) -> Iterator[None]:
        script_type, links = (job.script_type, self._links(job)) if isinstance(job, Job) else (None, [])
        attributes = _of_messaging("await", "", script_type, id_of(job))
        with self._span(_name("await", script_type), SpanKind.CLIENT, attributes, links=links):
            yield

    @contextmanager
    def awaiting_many(self, count: int) -> Iterator[None]:
        """It is not made the current one: others run meanwhile."""
        span = self._tracer.start_span("await", None, SpanKind.CLIENT, _of_messaging("await", "", None, None))
        span.set_attribute("messaging.batch.message_count", count)
        try:
            yield
        except Exception as error:
            _tell(span, error)
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
            raise
        finally:
            span.end()

    # ---- all ----
    def _context_of(self, job: Job) -> Context:
        """Nothing of what is current here: an actor's thread has no part in the trace."""
        return self._propagator.extract(job, context.Context(), self._getter)

    def _links(self, job: Job) -> list[Link]:
        found = trace.get_current_span(self._context_of(job)).get_span_context()
        return [Link(found)] if found.is_valid else []

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
        *,
        within: Context | None = None,
        links: list[Link] | None = None,
    ) -> Iterator[Span]:
        span = self._tracer.start_span(name, within, kind, attributes, links)
        base = context.get_current() if within is None else within  # with the submitter's baggage
        token = context.attach(trace.set_span_in_context(span, base))
        try:
            yield span
        except BaseException as error:
            _tell(span, error)
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
            raise
        finally:
            context.detach(token)
            span.end()


def _tell(span: Span, error: BaseException) -> None:
    kind: type[Any] = type(error)
    span.set_attribute("error.type", f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."))
