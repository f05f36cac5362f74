"""The server's own limit: redis-benchmark with the commands of one job, each alone, at 64 in a pipeline."""

from __future__ import annotations

import csv
import statistics
import subprocess
from typing import Any

import processes
from support.server import Server

HASH = [part for i in range(7) for part in (f"field{i}", "v" * 24)]
JOB = "job:__rand_int__"
#: of one job, without any promise: store, queue | take, read, finish
ENQUEUE = {"HSET of 7": ["HSET", JOB, *HASH], "LPUSH": ["LPUSH", "q", JOB]}
WORK = {
    "RPOP": ["RPOP", "q"],
    "HGETALL": ["HGETALL", "job:000000000001"],
    "HSET of 3": ["HSET", JOB, "status", "finished", "output", "done", "updatedAt", "2026-01-01T00:00:00.000Z"],
}


def _once(server: Server, argv: list[str], n: int) -> tuple[float, float]:
    """Commands a second; milliseconds of the server for 1000."""
    before = processes.cpu_seconds([server.pid])
    program = ["redis-benchmark", "-p", str(server.port), "-n", str(n), "-c", "50", "-P", "64", "-r", "100000", "--csv"]
    done = subprocess.run([*program, *argv], check=True, capture_output=True, text=True, timeout=120)
    cpu = processes.cpu_seconds([server.pid]) - before
    header, row = list(csv.reader(done.stdout.splitlines()))[-2:]
    return float(dict(zip(header, row, strict=True))["rps"]), cpu / n * 1e6


def measure(server: Server, rounds: int, quick: bool) -> dict[str, Any]:
    n = 20_000 if quick else 300_000
    commands = {**ENQUEUE, **WORK}
    server.command("HSET", "job:000000000001", *HASH)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, argv in commands.items():
            taken[name].append(_once(server, argv, n))
    rates = {name: statistics.median(rate for rate, _ in some) for name, some in taken.items()}
    cpu = {name: statistics.median(cpu for _, cpu in some) for name, some in taken.items()}
    return {
        "rates": rates,
        "bulk": 1 / sum(1 / rates[name] for name in ENQUEUE),
        "drain": 1 / sum(1 / rates[name] for name in WORK),
        "server_cpu": sum(cpu[name] for name in WORK),
    }
