"""heroq.aio at work: aio_actor.py URL WHAT N [uvloop].

WHAT is "nap" (N jobs that sleep 50 ms, 200 coroutines at a time), "drain" (N jobs that return at once) or "await" (N
results, 1,000 awaits at a time). Prints "seconds own-CPU-seconds", as actor.py does. "serve" works until it is
killed, and counts its jobs in $BENCH_TICKS.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import heroq
import heroq.aio

COROUTINES = 200
AWAITS = 1000
NAP = 0.05

LoopFactory = Callable[[], asyncio.AbstractEventLoop] | None


async def work(url: str, n: int, nap: float) -> None:
    """Jobs of the type "bench" that are there already."""
    left = n
    done = asyncio.Event()

    @heroq.aio.actor("bench")
    async def bench(job: heroq.aio.Job) -> bytes:
        nonlocal left
        if nap:
            await asyncio.sleep(nap)
        left -= 1
        if left == 0:
            done.set()
        return b"done"

    await heroq.aio.serve(bench, server=url, concurrency=COROUTINES, stopping=done)


def serve(url: str, factory: LoopFactory) -> None:
    from ticks import tick

    @heroq.aio.actor("bench")
    async def bench(job: heroq.aio.Job) -> bytes:
        tick()
        return b"done"

    heroq.aio.run(bench, server=url, concurrency=COROUTINES, loop_factory=factory)


async def wait_for_results(url: str, n: int) -> None:
    """By an actor of the type "bench" somewhere else."""
    async with heroq.aio.Supervisor(url) as sup:
        todo = iter(range(n))

        async def one() -> None:
            for _ in todo:
                await sup.run_job_and_await_result(b"x" * 100, script_type="bench", timeout=60)

        await asyncio.gather(*(one() for _ in range(AWAITS)))


def main() -> None:
    url, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    factory: LoopFactory = None
    if "uvloop" in sys.argv[4:]:
        import uvloop

        factory = uvloop.new_event_loop
    if what == "serve":
        serve(url, factory)
    start, cpu = time.perf_counter(), time.process_time()
    with asyncio.Runner(loop_factory=factory) as runner:
        if what == "await":
            runner.run(wait_for_results(url, n))
        else:
            runner.run(work(url, n, NAP if what == "nap" else 0.0))
    print(f"{time.perf_counter() - start:.6f} {time.process_time() - cpu:.6f}")


if __name__ == "__main__":
    main()
