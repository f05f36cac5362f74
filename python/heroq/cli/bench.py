"""bench: how fast this library is with a server."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from .. import bench as work
from ..actor import Actor
from ..client import Client
from ..embedded import Embedded, embedded
from ..kept import Kept
from ..queue import Queue
from ..supervisor import Supervisor
from . import common
from .common import Json

#: Always the same, so that at most one queue is left among those that `heroq queues` lists.
_SCRIPT_TYPE = "heroq-bench"
#: The jobs' hashes go by themselves: deleting each would take longer than all the rest.
_TTL = "10s"


def bench(
    jobs: Annotated[
        int, typer.Option("--jobs", "-n", min=100, max=1_000_000, help="Enqueued at once, and drained.")
    ] = 20_000,
    url: Annotated[
        str | None,
        typer.Option("--url", envvar="HEROQ_URL", show_default=False, help="The server; a private one if not given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure enqueueing, draining and the round trip of jobs that do nothing, with one actor in Python.

    On the queue of the type heroq-bench, which is empty afterwards; results expire within ten seconds, a late reply
    within an hour. Two at the same time on one server would take each other's jobs.
    """
    with ExitStack() as stack:
        server = url or stack.enter_context(embedded())
        figures = _measure(server, jobs)
    if as_json:
        common.put_json(figures)
        return
    rows = [
        ("server", figures["server"]),
        ("jobs", f"{jobs:,}"),
        ("bulk enqueue", f"{figures['bulk_per_second']:,} /s"),
        ("enqueue one by one", f"{figures['single_per_second']:,} /s"),
        ("drain", f"{figures['drain_per_second']:,} /s"),
        ("round trip p50 / p99", f"{figures['round_trip_p50_ms']} ms / {figures['round_trip_p99_ms']} ms"),
    ]
    common.put_table(("heroq bench", ""), rows)


def _measure(server: Embedded | str, jobs: int) -> dict[str, Any]:
    few = max(100, jobs // 10)
    trips = min(few, 1000)
    url = server if isinstance(server, str) else server.url
    with Client(server) as client, Supervisor(client) as supervisor:
        info = client.server_info()
        _empty(client)
        try:
            bulk = _seconds(lambda: work.bulk(supervisor, _SCRIPT_TYPE, jobs, ttl=_TTL))
            with Actor(client, types=_SCRIPT_TYPE) as actor:
                drain = _seconds(lambda: work.drain(actor, jobs))
            single = _seconds(lambda: work.single(supervisor, _SCRIPT_TYPE, few, ttl=_TTL))
            actor_process = Kept(
                [sys.executable, "-m", work.__name__, _SCRIPT_TYPE], environment={**os.environ, "HEROQ_URL": url}
            )
            try:
                took = work.round_trips(supervisor, _SCRIPT_TYPE, trips, ttl=_TTL)
            finally:
                actor_process.end()
        finally:
            _empty(client)
    return {
        "server": f"{info['server']} {info['version']}",
        "jobs": jobs,
        "bulk_per_second": round(jobs / bulk),
        "single_per_second": round(few / single),
        "drain_per_second": round(jobs / drain),
        "round_trip_p50_ms": round(work.percentile(took, 0.50) * 1000, 3),
        "round_trip_p99_ms": round(work.percentile(took, 0.99) * 1000, 3),
    }


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _empty(client: Client) -> None:
    """Does what an end before the time has left."""
    with Queue(_SCRIPT_TYPE, client) as queue, Actor(client, types=_SCRIPT_TYPE) as actor:
        while (job := actor.take(timeout=0.1)) or len(queue):
            if job:
                job.finish(work.RESULT)


def add_to(app: typer.Typer) -> None:
    app.command()(bench)
