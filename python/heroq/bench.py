"""What `heroq bench` measures, and the Python half of the project's own benchmark."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from .actor import Actor
from .supervisor import Supervisor

ARGUMENT = b"x" * 100
RESULT = b"done"
WARM_UP = 20


def bulk(supervisor: Supervisor, script_type: str, n: int) -> list[str]:
    return supervisor.submit_many([ARGUMENT] * n, script_type=script_type)


def single(supervisor: Supervisor, script_type: str, n: int) -> list[str]:
    return [supervisor.submit(ARGUMENT, script_type=script_type).id for _ in range(n)]


def drain(actor: Actor, n: int) -> None:
    """Does n jobs that wait."""
    for done in range(n):
        job = actor.take(timeout=10)
        if job is None:
            raise RuntimeError(f"{done} of {n} jobs came")
        job.finish(RESULT)


def serve(actor: Actor, after: Callable[[], None] | None = None) -> None:
    """Does all jobs, until the actor is closed."""
    for job in actor:
        job.finish(RESULT)
        if after:
            after()


def round_trips(supervisor: Supervisor, script_type: str, n: int) -> list[float]:
    """Seconds from a job's submission to its result, of n jobs one after another, in order of length."""
    took = []
    for i in range(-WARM_UP, n):
        start = time.perf_counter()
        supervisor.run_job_and_await_result(ARGUMENT, script_type=script_type, timeout=10)
        if i >= 0:
            took.append(time.perf_counter() - start)
    return sorted(took)


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if (
    __name__ == "__main__"
):  # the actor of `heroq bench`, in a process of its own, as any actor is; its server: $HEROQ_URL
    with Actor(types=sys.argv[1]) as the_actor:
        serve(the_actor)
