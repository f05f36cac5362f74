"""What a job costs as the work grows, and how long one waits for its handler; by a C actor, on one private server.

scale.py [--quick] [--rounds R] [--parts a,b] [--server redis|valkey] [--out FOLDER]     or: tests/run.sh scale

The program of `scale.c` measures; this repeats it, takes medians, and writes tables and plots. Figures of one run
belong together: they depend on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "bench"), str(HERE)]
import curves  # noqa: E402
import processes  # noqa: E402
from bench import say  # noqa: E402
from setting import Setting  # noqa: E402
from support.server import Server, wait_until  # noqa: E402

ROOT = HERE.parents[1]
SECONDS = 300  # of one run of the program, at most
MARGIN = 5000  # jobs that wait beyond those that count: for the warm-up, and for what an actor takes ahead

Figures = dict[str, float]


@dataclass(frozen=True)
class Size:
    rounds: int
    waiting: Sequence[int]
    drained: int
    actors: Sequence[int]
    rest: float  # seconds
    payloads: dict[int, int]  # how many of each size
    threads: Sequence[int]
    capacity: int  # jobs
    load: int  # jobs
    hops: int


FULL = Size(
    rounds=3,
    waiting=(1_000, 10_000, 100_000, 1_000_000),
    drained=20_000,
    actors=(1, 10, 100, 1000),
    rest=10.0,
    payloads={100: 20_000, 1 << 10: 20_000, 10 << 10: 10_000, 100 << 10: 2_000, 1 << 20: 200},
    threads=(1, 2, 4, 8, 16, 32, 64),
    capacity=100_000,
    load=150_000,
    hops=1000,
)
QUICK = Size(
    rounds=1,
    waiting=(1_000, 10_000),
    drained=2_000,
    actors=(1, 10),
    rest=0.5,
    payloads={100: 1_000, 1 << 20: 5},
    threads=(1, 4),
    capacity=4_000,
    load=4_000,
    hops=30,
)


class Program:
    def __init__(self, server: Server) -> None:
        self.server = server
        self._path = Path(os.environ.get("HEROQ_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "scale"

    def __call__(self, what: str, a: float, b: float) -> Figures:
        argv = [str(self._path), self.server.url, str(self.server.port), what, repr(a), repr(b)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"{what} {a} {b}: exit status {done.returncode}: {done.stderr.strip()}")
        return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}

    def empty(self) -> None:
        self.server.command("FLUSHALL", "SYNC")

    def fill(self, n: int) -> None:
        """An empty server with n jobs, when its table of keys has done growing: else the drain would pay for that."""
        self.empty()
        self("fill", n, 100)
        wait_until(self._is_settled, 60, "the table's end")

    def _is_settled(self) -> bool:
        """Redis tells of a second table, Valkey how far it is."""
        return not re.search(rb"rehashing (target|index: \d)", self.server.command("DEBUG", "HTSTATS", 0))


Points = dict[str, Figures]


def waiting(program: Program, size: Size) -> Points:
    points = {}
    for n in size.waiting:
        program.fill(n + size.drained + MARGIN)
        points[str(n)] = program("drain", size.drained, 1)
    return points


def actors(program: Program, size: Size) -> Points:
    """After one that loads the scripts: what the server keeps of those is no actor's memory."""
    program("idle", 1, 0)
    points = {}
    for n in size.actors:
        program.empty()
        points[str(n)] = program("idle", n, size.rest)
    return points


def payloads(program: Program, size: Size) -> Points:
    points = {}
    for bytes_each, n in size.payloads.items():
        program.empty()
        enqueued = program("fill", n, bytes_each)
        points[str(bytes_each)] = {**enqueued, **program("echo", n, bytes_each)}
    return points


def threads(program: Program, size: Size) -> Points:
    points = {}
    for count in size.threads:
        program.fill(size.drained + MARGIN)
        points[str(count)] = program("drain", size.drained, count)
    return points


def load(program: Program, size: Size) -> Points:
    rate = program("capacity", size.capacity, 0)["rate"]
    points = {}
    for share in (50, 90):
        program.empty()
        points[str(share)] = {"capacity": rate, **program("load", rate * share / 100, size.load)}
    return points


def hop(program: Program, size: Size) -> Points:
    figures = program("hop", size.hops, 0)
    ratios = {f"ratio_{q}": figures[f"heroq_{q}"] / figures[f"bare_{q}"] for q in ("p50", "p99")}
    return {"": {**figures, **ratios}}


PARTS: dict[str, Callable[[Program, Size], Points]] = {
    "waiting": waiting,
    "actors": actors,
    "payloads": payloads,
    "threads": threads,
    "load": load,
    "hop": hop,
}


def medians(rounds: Sequence[Points]) -> Points:
    return {
        point: {name: median(one[point][name] for one in rounds) for name in figures}
        for point, figures in rounds[0].items()
    }


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few points, few jobs, one round: whether all of it runs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--parts", default=",".join(PARTS), help="default: all, %(default)s")
    parser.add_argument("--server", default=os.environ.get("HEROQ_TEST_SERVER_KIND", "redis"))
    parser.add_argument("--out", type=Path, help="default: build/scale/<server>")
    arguments = parser.parse_args(argv)
    arguments.parts = arguments.parts.split(",")
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return arguments


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    size = QUICK if arguments.quick else FULL
    count = arguments.rounds or size.rounds
    with Server(arguments.server, ["--enable-debug-command", "local"]) as server:
        setting = Setting(server, size)
        results = setting.head
        results["rounds"] = count
        program = Program(server)
        rounds: dict[str, list[Points]] = {part: [] for part in arguments.parts}
        for number in range(1, count + 1):
            for part, taken in rounds.items():
                say(f"round {number} of {count}, {part}, load {os.getloadavg()[0]:.2f}")
                server.restart()  # or a million jobs of another part are still being cleared away
                taken.append(PARTS[part](program, size))
        results["parts"] = {part: {"rounds": taken, "median": medians(taken)} for part, taken in rounds.items()}
        setting.end()
    return results


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    processes.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends what was started
    curves.write(run(arguments), arguments.out or ROOT / "build" / "scale" / arguments.server)
    return 0


if __name__ == "__main__":
    sys.exit(main())
