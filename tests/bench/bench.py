"""Measures heroq from C and from Python on one private server, each row the median of some rounds, and prints a table.

bench.py [--jobs N] [--rounds R] [--server redis|valkey]    by hand; `tests/run.sh bench` runs it too

Rows marked "bare" are hiredis alone with the same commands and no promise: the limit of the same run. Rates depend on
the machine and on what else it does: compare rows of one run.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from support.server import Server  # noqa: E402

C_PROGRAM = Path(os.environ.get("HEROQ_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "bench"
PYTHON_PROGRAM = Path(__file__).with_name("actor.py")


class Bench:
    def __init__(self, server: Server, jobs: int, rounds: int) -> None:
        self.server, self.jobs, self.rounds = server, jobs, rounds
        self.rows: list[str] = []

    def command(self, language: str, what: str, n: int) -> list[str]:
        if language == "Python":
            return [sys.executable, str(PYTHON_PROGRAM), self.server.url, what, str(n)]
        return [str(C_PROGRAM), self.server.url, str(self.server.port), what, str(n)]

    def once(self, language: str, what: str, n: int) -> list[float]:
        done = subprocess.run(self.command(language, what, n), check=True, capture_output=True, text=True, timeout=300)
        return [float(x) for x in done.stdout.split()]

    @contextmanager
    def serving(self, language: str, what: str):  # type: ignore[no-untyped-def]
        process = subprocess.Popen(self.command(language, what, 1))
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def server_cpu(self) -> float:
        info = str(self.server.cli("INFO", "cpu"))
        values = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        return float(values["used_cpu_user"]) + float(values["used_cpu_sys"])

    def fill(self) -> None:
        self.server.cli("FLUSHALL")
        self.once("C", "bulk", self.jobs)

    def rate(self, name: str, language: str, what: str, n: int, prepare: Callable[[], object]) -> None:
        rates, own, server = [], [], []
        for _ in range(self.rounds):
            prepare()
            before = self.server_cpu()
            seconds, cpu = self.once(language, what, n)[:2]
            rates.append(n / seconds)
            own.append(cpu / n * 1e6)
            server.append((self.server_cpu() - before) / n * 1e6)
        middle = statistics.median
        self.row(name, language, f"{middle(rates):>10,.0f} /s", f"{middle(own):6.1f} / {middle(server):5.1f} ms")

    def round_trip(self, name: str, language: str, what: str, n: int, actor: AbstractContextManager[object]) -> None:
        self.server.cli("FLUSHALL")
        with actor:
            self.once(language, what, 50)
            results = [self.once(language, what, n) for _ in range(self.rounds)]
        p50, p99 = (statistics.median(r[i] for r in results) for i in (2, 3))
        self.row(name, language, f"{p50:.3f} / {p99:.3f} ms", "")

    def row(self, *cells: str) -> None:
        line = f"{cells[0]:<34}{cells[1]:<8}{cells[2]:>18}   {cells[3]}".rstrip()
        self.rows.append(line)
        print(line, flush=True)

    def run(self) -> None:
        few = max(1000, self.jobs // 10)
        flush = lambda: self.server.cli("FLUSHALL")  # noqa: E731
        self.row("what", "from", "result", "CPU per 1000 jobs: own / server")
        for language in ("C", "Python"):
            self.rate("bulk enqueue", language, "bulk", self.jobs, flush)
        self.rate("enqueue one by one, bare", "C", "raw-single", few, flush)
        for language in ("C", "Python"):
            self.rate("enqueue one by one", language, "single", few, flush)
        for delivery in ("", "-canonical"):
            for language in ("C", "Python"):
                name = "drain, canonical" if delivery else "drain, reliable"
                self.rate(name, language, "drain" + delivery, self.jobs, self.fill)
        self.round_trip("round trip p50 / p99, bare", "C", "raw-roundtrip", few, self.serving("C", "raw-serve"))
        for language in ("C", "Python"):
            self.round_trip(
                "round trip p50 / p99, actor in " + language,
                language,
                "roundtrip",
                few,
                self.serving(language, "serve"),
            )


def main(argv: Sequence[str] | None = None) -> list[str]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", default=os.environ.get("HEROQ_TEST_SERVER_KIND", "redis"))
    arguments = parser.parse_args(argv)
    with Server(kind=arguments.server) as server:
        load = os.getloadavg()[0]
        print(
            f"{time.strftime('%Y-%m-%d')}, {server.kind}, {os.cpu_count()} cores, {platform.machine()}, "
            f"load {load:.1f}, {arguments.jobs} jobs, median of {arguments.rounds}"
        )
        bench = Bench(server, arguments.jobs, arguments.rounds)
        bench.run()
        return bench.rows


if __name__ == "__main__":
    main()
