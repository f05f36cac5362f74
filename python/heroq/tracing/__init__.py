"""OpenTelemetry: a job's submit, wait, run and await in one trace, across processes and languages.

>>> import heroq.tracing
>>> heroq.tracing.install()

Nothing of it is loaded, and no call costs more, in a program that does not ask for it. It needs the package
opentelemetry-api (`pip install heroq[metrics]`), and the program to configure OpenTelemetry's SDK.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

try:
    import opentelemetry.trace  # noqa: F401
except ImportError as error:
    raise ImportError("heroq.tracing needs opentelemetry-api: pip install heroq[metrics]") from error

from ..job import Job
from . import coroutines, threads
from .patches import Patches
from .spans import Spans

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.trace import TracerProvider

__all__ = ["install", "running", "uninstall"]

_lock = threading.Lock()
_patches = Patches()
_spans: Spans | None = None


def install(tracer_provider: TracerProvider | None = None, propagator: TextMapPropagator | None = None) -> None:
    """From now on this process traces the jobs that it submits, runs and awaits.

    Without arguments OpenTelemetry's global provider and propagators are used (traceparent, tracestate, baggage, unless
    OTEL_PROPAGATORS names others). Again: with the new arguments.
    """
    global _spans
    with _lock:
        _patches.undo()
        _spans = Spans(tracer_provider, propagator)
        threads.patch(_patches, _spans)
        coroutines.patch(_patches, _spans)


def uninstall() -> None:
    """All is as it was before install."""
    global _spans
    with _lock:
        _patches.undo()
        _spans = None


def running(job: Job) -> AbstractContextManager[object]:
    """`with heroq.tracing.running(job):` the span of a run, for who takes jobs from a heroq.Actor by hand.

    Handlers of a worker, of heroq.run and heroq.aio.run have it already.
    """
    return nullcontext() if _spans is None else _spans.running(job)
