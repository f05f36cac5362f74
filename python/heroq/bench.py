"""What `heroq bench` measures, and the Python half of the project's own benchmark."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from .actor import Actor
from .errors import TimeoutError
from .supervisor import Supervisor

ARGUMENT = b"x" * 100
RESULT = b"done"
WARM_UP = 20


def bulk(supervisor: Supervisor, script_type: str, n: int, **job: Any) -> None:
    supervisor.submit_many([ARGUMENT] * n, script_type=script_type, **job)


def single(supervisor: Supervisor, script_type: str, n: int, **job: Any) -> None:
    for _ in range(n):
        supervisor.submit(ARGUMENT, script_type=script_type, **job)


def drain(actor: Actor, n: int) -> None:
    """Does n jobs that wait."""
    for done in range(n):
        job = actor.take(timeout=10)
        if job is None:
            raise TimeoutError(f"only {done} of {n} jobs came")
        job.finish(RESULT)


def serve(actor: Actor, after: Callable[[], None] | None = None) -> None:
    """Does all jobs, until the actor is closed."""
    for job in actor:
        job.finish(RESULT)
        if after:
            after()


def round_trips(supervisor: Supervisor, script_type: str, n: int, **job: Any) -> list[float]:
    """Seconds from a job's submission to its result, of n jobs one after another, in order of length."""
    return seconds_of(
        lambda: supervisor.run_job_and_await_result(ARGUMENT, script_type=script_type, timeout=10, **job), n
    )


def seconds_of(call: Callable[[], object], n: int) -> list[float]:
    """Of n calls after some for warming up, in order of length."""
    took = []
    for i in range(-WARM_UP, n):
        start = time.perf_counter()
        call()
        if i >= 0:
            took.append(time.perf_counter() - start)
    return sorted(took)


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    """The actor of `heroq bench`, in a process of its own as actors are; its server is $HEROQ_URL."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Actor(types=sys.argv[1]) as actor:
        serve(actor)


if __name__ == "__main__":
    main()
