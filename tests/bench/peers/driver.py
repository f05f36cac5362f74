"""What the Python drivers share: `python -m peers.NAME WHAT N` with the server in $BENCH_URL.

WHAT is bulk, single or roundtrip, each of N jobs; it prints "seconds own-CPU-seconds [p50-ms p99-ms]".
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable

from ticks import tick

ARGUMENT = "x" * 100
RESULT = "done"
URL = os.environ["BENCH_URL"]
PORT = int(URL.rpartition(":")[2].partition("/")[0])
WARM_UP = 20


def noop(argument: str) -> str:
    """The job, the same for all."""
    tick()
    return RESULT


def arguments() -> tuple[str, int]:
    return sys.argv[1], int(sys.argv[2])


def in_batches(send: Callable[[int], object], n: int, size: int = 500) -> None:
    for start in range(0, n, size):
        send(min(size, n - start))


class _Clock:
    def __init__(self) -> None:
        self.seconds, self.cpu = time.perf_counter(), time.process_time()

    def report(self, took: list[float]) -> None:
        text = f"{time.perf_counter() - self.seconds:.6f} {time.process_time() - self.cpu:.6f}"
        if took:
            took.sort()
            text += f" {took[len(took) // 2] * 1e3:.4f} {took[int(len(took) * 0.99)] * 1e3:.4f}"
        print(text)


def main(single: Callable[[], object], round_trip: Callable[[], object], bulk: Callable[[int], object] | None) -> None:
    """`round_trip` returns the job's result. Where a library has no call for many jobs, `bulk` is None."""
    what, n = arguments()
    took: list[float] = []
    if what == "roundtrip":
        for _ in range(WARM_UP):
            round_trip()
    if what == "single":
        single()
    clock = _Clock()
    if what == "bulk" and bulk:
        bulk(n)
    elif what in ("bulk", "single"):
        for _ in range(n):
            single()
    elif what == "roundtrip":
        for _ in range(n):
            start = time.perf_counter()
            result = round_trip()
            took.append(time.perf_counter() - start)
            assert result == RESULT, result
    else:
        raise SystemExit(f"there is no {what}")
    clock.report(took)


async def amain(
    single: Callable[[], Awaitable[object]], round_trip: Callable[[], Awaitable[object]], at_once: int
) -> None:
    """The same with coroutines; bulk: `at_once` of them."""
    import asyncio

    async def some(count: int) -> None:
        for _ in range(count):
            await single()

    what, n = arguments()
    took: list[float] = []
    if what == "roundtrip":
        for _ in range(WARM_UP):
            await round_trip()
    if what == "single":
        await single()
    clock = _Clock()
    if what == "bulk":
        shares = (n * (i + 1) // at_once - n * i // at_once for i in range(at_once))
        await asyncio.gather(*(some(share) for share in shares))
    elif what == "single":
        await some(n)
    elif what == "roundtrip":
        for _ in range(n):
            start = time.perf_counter()
            result = await round_trip()
            took.append(time.perf_counter() - start)
            assert result == RESULT, result
    else:
        raise SystemExit(f"there is no {what}")
    clock.report(took)
