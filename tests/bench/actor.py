"""The Python half of the benchmark: actor.py URL WHAT N.

Prints "seconds own-CPU-seconds [p50-ms p99-ms]", as bench.c does. serve-reliable and serve-canonical answer until they
are killed, and count their jobs in $BENCH_TICKS, if there is such a folder.
"""

from __future__ import annotations

import os
import sys
import time

import heroq
from heroq import bench

TYPE = "bench"


def actor(url: str, delivery: str) -> heroq.Actor:
    return heroq.Actor(url, actor_id="bench_py", types=TYPE, delivery=delivery or "reliable")


def main() -> None:
    url, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    what, _, delivery = what.partition("-")
    took: list[float] = []
    start, cpu = time.perf_counter(), time.process_time()
    if what == "serve":
        after = None
        if os.environ.get("BENCH_TICKS"):
            import ticks

            after = ticks.tick
        with actor(url, delivery) as one:
            bench.serve(one, after)
    elif what == "drain":
        with actor(url, delivery) as one:
            bench.drain(one, n)
    else:
        with heroq.Supervisor(url) as supervisor:
            if what == "roundtrip":
                took = bench.round_trips(supervisor, TYPE, n)
            else:
                if what == "single":
                    bench.single(supervisor, TYPE, 1)  # connects
                start, cpu = time.perf_counter(), time.process_time()
                {"bulk": bench.bulk, "single": bench.single}[what](supervisor, TYPE, n)
    more = "".join(f" {bench.percentile(took, share) * 1e3:.4f}" for share in (0.5, 0.99) if took)
    print(f"{time.perf_counter() - start:.6f} {time.process_time() - cpu:.6f}{more}")


if __name__ == "__main__":
    main()
