"""The Python half of the benchmark: actor.py URL WHAT N.

Prints "seconds own-CPU-seconds [p50-ms p99-ms]", as bench.c does.
"""

from __future__ import annotations

import sys
import time

import heroq

ARGUMENT = b"x" * 100


def bulk(url: str, n: int) -> None:
    with heroq.Supervisor(url) as supervisor:
        supervisor.submit_many([ARGUMENT] * n, script_type="bench")


def single(url: str, n: int) -> None:
    with heroq.Supervisor(url) as supervisor:
        for _ in range(n):
            supervisor.submit(ARGUMENT, script_type="single")


def drain(url: str, n: int, delivery: str) -> None:
    with heroq.Actor(url, actor_id="bench_py", types=["bench"], delivery=delivery) as actor:
        for _ in range(n):
            job = actor.take(timeout=10)
            assert job is not None
            job.finish(b"done")


def round_trips(url: str, n: int) -> list[float]:
    took = []
    with heroq.Supervisor(url) as supervisor:
        for _ in range(n):
            start = time.perf_counter()
            supervisor.run_job_and_await_result(ARGUMENT, script_type="echo", timeout=10)
            took.append(time.perf_counter() - start)
    return sorted(took)


def serve(url: str) -> None:
    with heroq.Actor(url, actor_id="bench_echo", types=["echo"]) as actor:
        for job in actor:
            job.finish(job.script)


def main() -> None:
    url, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    start, cpu = time.perf_counter(), time.process_time()
    if what == "roundtrip":
        took = round_trips(url, n)
        print(f"0 0 {took[n // 2] * 1e3:.4f} {took[int(n * 0.99)] * 1e3:.4f}")
        return
    if what == "serve":
        serve(url)
    elif what.startswith("drain"):
        drain(url, n, "canonical" if what == "drain-canonical" else "reliable")
    else:
        {"bulk": bulk, "single": single}[what](url, n)
    print(f"{time.perf_counter() - start:.6f} {time.process_time() - cpu:.6f}")


if __name__ == "__main__":
    main()
