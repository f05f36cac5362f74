"""Measures what `@heroq.actor` and typed payloads cost beside the bare loop, by turns on one private server.

handlers.py [--jobs N] [--rounds R] [--server redis|valkey]

Prints jobs a second and microseconds of this process's processors a job, the medians of the rounds, and both beside the
bare loop's. "by hand" parses and writes the same JSON in a bare loop.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import heroq
from heroq.handler import handle
from support.server import Server


@dataclass
class Order:
    number: int
    price: float
    name: str


PAYLOAD = json.dumps(asdict(Order(5, 2.5, "x" * 50)))


@heroq.actor("bench")
def plain(job: heroq.Job) -> bytes:
    return b"done"


@heroq.actor("bench")
def typed(order: Order) -> dict[str, int]:
    return {"number": order.number}


@heroq.actor("bench")
def named(number: int, price: float, name: str) -> dict[str, int]:
    return {"number": number}


def bare(job: heroq.Job) -> None:
    job.finish(b"done")


def by_hand(job: heroq.Job) -> None:
    order = Order(**json.loads(job.script))
    job.finish(json.dumps({"number": order.number}))


WAYS: dict[str, Callable[[heroq.Job], None]] = {
    "bare loop": bare,
    "@heroq.actor": lambda job: handle(plain, job),
    "JSON by hand": by_hand,
    "a dataclass": lambda job: handle(typed, job),
    "named arguments": lambda job: handle(named, job),
}


def drain(url: str, n: int, work: Callable[[heroq.Job], None]) -> tuple[float, float]:
    """Seconds, and of processors, for n jobs that wait already."""
    with heroq.Actor(url, types="bench") as actor:
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(n):
            job = actor.take(timeout=60)
            assert job is not None
            work(job)
        return time.perf_counter() - start, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--server", default="redis")
    arguments = parser.parse_args()
    n = arguments.jobs
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    with Server(kind=arguments.server) as server, heroq.Supervisor(server.url) as supervisor:
        for _ in range(arguments.rounds):
            for name, work in WAYS.items():
                supervisor.submit_many([PAYLOAD] * n, script_type="bench")
                took[name].append(drain(server.url, n, work))
                server.command("FLUSHALL")
    base = took["bare loop"]
    print(f"{'way':<18}{'jobs/s':>9}{'beside bare':>13}{'CPU a job':>12}{'beside bare':>13}")
    for name, ours in took.items():
        rate = n / statistics.median(seconds for seconds, _ in ours)
        cpu = statistics.median(spent for _, spent in ours) / n * 1e6
        slower = statistics.median(b[0] / a[0] for a, b in zip(ours, base, strict=True))
        more = statistics.median(a[1] / b[1] for a, b in zip(ours, base, strict=True))
        print(f"{name:<18}{rate:>9,.0f}{slower:>13.2f}{cpu:>9.1f} us{more:>13.2f}")


if __name__ == "__main__":
    main()
