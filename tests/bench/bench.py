"""Measures heroq and its peers in one run on one private server, by turns, and writes tables and plots.

bench.py [--peers a,b] [--quick] [--rounds R] [--server redis|valkey] [--out FOLDER]   `tests/run.sh bench` runs it too

Every peer does the same: a job with an argument of 100 bytes that does nothing, its result stored where the peer stores
results. Compare rows of one run: rates depend on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]
import heroq  # noqa: E402
import limit  # noqa: E402
import peers  # noqa: E402
import processes  # noqa: E402
import report  # noqa: E402
from peers import ASYNCIO, ROOT, Peer  # noqa: E402
from setting import Setting  # noqa: E402
from support.server import Server  # noqa: E402

PATIENCE = 60.0  # seconds for a first job, and for all beyond what the trial foretells
DRIVER_SECONDS = 180.0
LONGEST = 16 * 60.0  # of all: on a busy machine a round is left out rather than an hour spent

Figures = dict[str, float]


@dataclass(frozen=True)
class Size:
    """How long the parts of a measurement are to last, in seconds, and how often they are repeated."""

    rounds: int
    enqueue: float
    warm_up: float
    drain: float
    round_trip: float
    trial: float


FULL = Size(rounds=3, enqueue=0.8, warm_up=0.4, drain=1.3, round_trip=1.0, trial=0.15)
QUICK = Size(rounds=1, enqueue=0.1, warm_up=0.0, drain=0.2, round_trip=0.1, trial=0.02)


@dataclass
class Plan:
    """How many jobs a peer gets, from its trial."""

    bulk: int
    single: int
    drain: int
    round_trips: int


def bounded(rate: float, seconds: float, least: int, most: int) -> int:
    return max(least, min(most, int(rate * seconds)))


class Bench:
    def __init__(self, server: Server, size: Size, folder: Path) -> None:
        self.server, self.size, self.folder = server, size, folder
        self._folders = 0

    # ---- parts ----

    def _filled_in(self, argv: Sequence[str]) -> list[str]:
        return [a.replace("{url}", self.server.url).replace("{port}", str(self.server.port)) for a in argv]

    @property
    def _environment(self) -> dict[str, str]:
        return {"BENCH_URL": self.server.url, "NODE_PATH": str(peers.INSTALLED / "bullmq" / "node_modules")}

    def drive(self, peer: Peer, what: str, n: int) -> list[float]:
        done = subprocess.run(
            self._filled_in(peer.driver_command(what, n)),
            env={**os.environ, **self._environment},
            cwd=Path(__file__).parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DRIVER_SECONDS,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise RuntimeError(f"{what}: exit status {done.returncode}: {''.join(last)}")
        return [float(x) for x in done.stdout.split()]

    @contextmanager
    def workers(self, peer: Peer, count: int) -> Iterator[list[processes.Worker]]:
        with ExitStack() as stack:
            started = []
            for _ in range(count):
                self._folders += 1
                ticks = self.folder / f"ticks-{self._folders}"
                ticks.mkdir()
                log = self.folder / f"{peer.name.replace(' ', '-')}.log"
                argv = self._filled_in(peer.worker)
                one = processes.Worker(argv, self._environment, ticks, Path(__file__).parent, log)
                stack.callback(shutil.rmtree, ticks)
                stack.callback(one.end)
                started.append(one)
            yield started

    def server_cpu(self) -> float:
        return processes.cpu_seconds([self.server.pid])

    def empty(self) -> None:
        self.server.command("FLUSHALL")

    # ---- measurements ----

    def enqueue(self, peer: Peer, what: str, n: int) -> Figures:
        self.empty()
        before = self.server_cpu()
        seconds, cpu = self.drive(peer, what, n)[:2]
        return {
            "rate": n / seconds,
            "client_cpu": cpu / n * 1e6,
            "server_cpu": (self.server_cpu() - before) / n * 1e6,
        }

    def drain(self, peer: Peer, n: int, count: int = 1) -> Figures:
        """Of n jobs, or more if those are done before it is seen that they are begun."""
        for more in (1, 4, 16, 64):
            if figures := self.drain_once(peer, n * more, count):
                return figures
        raise RuntimeError(f"{n * more} jobs were done before it was seen that they were begun")

    def drain_once(self, peer: Peer, n: int, count: int = 1) -> Figures | None:
        """From some time after each of the workers has done a job to the last job.

        So neither their start counts nor what a just-in-time compiler does at first.

        None if there was nothing left to measure at that moment.
        """
        self.empty()
        self.drive(peer, "bulk", n)
        with self.workers(peer, count) as workers:
            self._wait_for_first(workers, n)
            time.sleep(self.size.warm_up)
            pids = [pid for one in workers for pid in one.pids()]
            done, start = sum(one.jobs for one in workers), time.perf_counter()
            own, server = processes.cpu_seconds(pids), self.server_cpu()
            end = start + PATIENCE + 10 * self.size.drain
            while sum(one.jobs for one in workers) < n:
                for one in workers:
                    one.must_live()
                if time.perf_counter() > end:
                    raise RuntimeError(f"{sum(one.jobs for one in workers)} of {n} jobs were done")
                time.sleep(0.005)  # on two cores who looks more often takes from those who work
            seconds, jobs = time.perf_counter() - start, n - done
            own, server = processes.cpu_seconds(pids) - own, self.server_cpu() - server
            resident, shared = processes.memory(pids)
        if jobs <= 0:
            return None
        return {
            "rate": jobs / seconds,
            "seconds": seconds,
            "jobs": jobs,
            "worker_cpu": own / jobs * 1e6,
            "server_cpu": server / jobs * 1e6,
            "rss": resident,
            "pss": shared,
        }

    @staticmethod
    def _wait_for_first(workers: Sequence[processes.Worker], n: int) -> None:
        """Of each worker; some of them may have done all n jobs before another was there."""
        end = time.perf_counter() + PATIENCE
        while not all(counts := [one.jobs for one in workers]) and sum(counts) < n:
            for one in workers:
                one.must_live()
            if time.perf_counter() > end:
                raise RuntimeError(f"no job was done in {PATIENCE:.0f} s")
            time.sleep(0.0005)

    def latency(self, peer: Peer, n: int) -> Figures:
        """A worker's start with one job that waits; then one job after another, each awaited; then its memory."""
        self.empty()
        self.drive(peer, "bulk", 1)
        with self.workers(peer, 1) as [worker]:
            self._wait_for_first([worker], 1)
            start = time.perf_counter() - worker.started
            p50, p99 = self.drive(peer, "roundtrip", n)[2:]
            resident, shared = processes.memory(worker.pids())
        return {"start": start, "p50": p50, "p99": p99, "rss": resident, "pss": shared}

    # ---- rounds ----

    def trial(self, peer: Peer) -> Plan:
        size = self.size
        n, most = 100, 400_000
        single = self.enqueue(peer, "single", n)["rate"]
        drained = None
        while n < most and not (drained and drained["seconds"] >= size.trial):
            bulk = self.enqueue(peer, "bulk", n)["rate"]
            drained = self.drain_once(peer, n)
            n *= 5
        if not drained:
            raise RuntimeError(f"{n // 5} jobs were done before it was seen that they were begun")
        p50 = self.latency(peer, 20)["p50"]
        return Plan(
            bounded(bulk, size.enqueue, 200, most),
            bounded(single, size.enqueue, 100, most),
            bounded(drained["rate"], size.warm_up + size.drain, 50, most),
            bounded(1000 / p50, size.round_trip, 50, 2000),
        )

    def round(self, peer: Peer, plan: Plan) -> dict[str, Figures]:
        return {
            "bulk": self.enqueue(peer, "bulk", plan.bulk),
            "single": self.enqueue(peer, "single", plan.single),
            "drain": self.drain(peer, plan.drain),
            "drain2": self.drain(peer, 2 * plan.drain, count=2),
            "latency": self.latency(peer, plan.round_trips),
        }


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def medians(rounds: Sequence[dict[str, Figures]]) -> dict[str, Figures]:
    return {
        part: {name: statistics.median(one[part][name] for one in rounds) for name in rounds[0][part]}
        for part in rounds[0]
    }


def measure(bench: Bench, wanted: Sequence[Peer], results: dict[str, Any]) -> None:
    """Fills in results: what is missing or fails is a row with its reason."""
    started = time.perf_counter()
    plans: dict[str, Plan] = {}
    rows = {peer.name: dict[str, Any](rounds=[]) for peer in wanted}
    results["peers"] = rows

    def attempt(peer: Peer, what: str, action: Any) -> Any:
        row = rows[peer.name]
        if "missing" in row or "failed" in row:
            return None
        try:
            return action()
        except Exception as error:
            row["failed"] = f"{what}: {error}"
            say(f"{peer.name} failed: {what}: {error}")
            return None

    for peer in wanted:
        rows[peer.name].update(how=peer.how, note=peer.note, bulk=peer.bulk, versions=peer.versions())
        if reason := peer.missing():
            rows[peer.name]["missing"] = reason
            say(f"{peer.name} is missing: {reason}")
        elif plan := attempt(peer, "trial", lambda peer=peer: bench.trial(peer)):
            plans[peer.name] = plan
            rows[peer.name]["plan"] = vars(plan)
    begun = time.perf_counter()
    for number in range(1, bench.size.rounds + 1):
        now = time.perf_counter()
        if number > 1 and now + (now - begun) / (number - 1) > started + LONGEST:
            say(f"round {number} and those after it are left out: they would take too long")
            break
        say(f"round {number} of {bench.size.rounds}, load {os.getloadavg()[0]:.2f}")
        for peer in wanted:
            if peer.name in plans:
                figures = attempt(peer, "round", lambda peer=peer: bench.round(peer, plans[peer.name]))
                if figures:
                    rows[peer.name]["rounds"].append(figures)
    results["rounds"] = max((len(row["rounds"]) for row in rows.values()), default=0)
    for row in rows.values():
        if row["rounds"]:
            row["median"] = medians(row["rounds"])


def naps(server: Server, rounds: int, n: int) -> float:
    """Jobs a second of heroq.aio's actor whose coroutines sleep."""
    rates = []
    for _ in range(rounds):
        with heroq.Supervisor(server.url) as supervisor:
            supervisor.submit_many([b"x" * 100] * n, script_type="bench")
        argv = [sys.executable, "aio_actor.py", server.url, "nap", str(n)]
        done = subprocess.run(
            argv, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=True
        )
        rates.append(n / float(done.stdout.split()[0]))
    return statistics.median(rates)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="", help="names, separated by commas; default: all")
    parser.add_argument("--quick", action="store_true", help="few jobs and one round: whether all of it runs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--server", default=os.environ.get("HEROQ_TEST_SERVER_KIND", "redis"))
    parser.add_argument("--out", type=Path, help="default: build/bench/<server>")
    return parser.parse_args(argv)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    wanted = peers.chosen(arguments.peers)
    size = QUICK if arguments.quick else FULL
    if arguments.rounds:
        size = Size(**{**vars(size), "rounds": arguments.rounds})
    with (
        tempfile.TemporaryDirectory(prefix="heroq-bench-", dir="/dev/shm") as folder,
        Server(arguments.server) as server,
    ):
        setting = Setting(server, size)
        results = setting.head
        measure(Bench(server, size, Path(folder)), wanted, results)
        server.command("FLUSHALL")
        if any(one.name == ASYNCIO for one in wanted):
            results["naps"] = naps(server, size.rounds, 400 if arguments.quick else 16_000)
            server.command("FLUSHALL")
        results["limit"] = limit.measure(server, size.rounds, quick=arguments.quick)
        setting.end()
    return results


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    processes.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends what was started
    try:
        results = run(arguments)
    except ValueError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 64
    out = arguments.out or ROOT / "build" / "bench" / arguments.server
    report.write(results, out)
    return 1 if any("failed" in row for row in results["peers"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
