"""Handlers in the benchmark: handlers.py URL KIND-WHAT N. KIND: "plain", or "typed", whose payload is a dataclass.

Prints and counts as actor.py does, so that its rows tell what `@heroq.actor`, `heroq.run` and typed payloads cost.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import heroq
from heroq import bench
from ticks import tick


@dataclass
class Order:
    """About as long in JSON as the argument of the others."""

    number: int
    price: float
    name: str


@heroq.actor("bench")
def plain(job: heroq.Job) -> bytes:
    tick()
    return bench.RESULT


@heroq.actor("bench")
def typed(order: Order) -> dict[str, int]:
    tick()
    return {"number": order.number}


KINDS: dict[str, tuple[Any, Any]] = {"plain": (plain, bench.ARGUMENT), "typed": (typed, Order(5, 2.5, "x" * 62))}


def main() -> None:
    url, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    kind, _, what = what.partition("-")
    handler, argument = KINDS[kind]
    if what == "serve":
        heroq.run(handler, server=url)
    heroq.connect(url)
    took: list[float] = []
    if what == "roundtrip":
        took = bench.seconds_of(lambda: handler.run(argument), n)
    elif what == "single":
        handler.submit(argument)
    start, cpu = time.perf_counter(), time.process_time()
    if what == "bulk":
        handler.submit_many([argument] * n)
    elif what == "single":
        for _ in range(n):
            handler.submit(argument)
    more = "".join(f" {bench.percentile(took, share) * 1e3:.4f}" for share in (0.5, 0.99) if took)
    print(f"{time.perf_counter() - start:.6f} {time.process_time() - cpu:.6f}{more}")


if __name__ == "__main__":
    main()
