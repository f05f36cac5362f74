"""The peers: who is measured, how each is started, and what has to be said about it.

A driver is `… WHAT N` with WHAT bulk, single or roundtrip; a worker takes jobs until it is killed. Both find the server
in $BENCH_URL, and a worker counts its jobs in $BENCH_TICKS. `single` enqueues one job first that is not counted, and
`roundtrip` some: what is made at the first use is no part of the figures. All run in tests/bench.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
#: where scripts/setup.sh bench puts them
INSTALLED = Path(os.environ.get("HEROQ_BENCH_PEERS", ROOT / "build" / "peers"))


@dataclass(frozen=True)
class Peer:
    """`how`: its configuration. `note`: what is not comparable. `pins`: the file that names its versions.

    In commands {url} and {port} stand for the server's. `prefix`: before each WHAT.
    """

    name: str
    driver: Sequence[str]
    worker: Sequence[str]
    how: str
    note: str = ""
    bulk: bool = True
    pins: str = ""
    prefix: str = ""

    @property
    def family(self) -> str:
        return self.name.partition(" ")[0]

    def driver_command(self, what: str, n: int) -> list[str]:
        return [*self.driver, self.prefix + what, str(n)]

    def missing(self) -> str:
        """Why it cannot run, or nothing."""
        installed = self.pins.partition("/")[0].removesuffix(".txt")
        reason = INSTALLED / f"{installed}.missing"
        if not installed:
            return ""
        if reason.exists():
            return reason.read_text(errors="replace").strip() or "could not be installed"
        return "" if (INSTALLED / installed / ".sum").exists() else "not installed: scripts/setup.sh bench"

    def versions(self) -> str:
        if not self.pins:
            return ""
        text = (HERE / self.pins).read_text()
        pairs = re.findall(r'^\s*(?:require )?"?([\w./-]+)"?(?:==|: "| v)"?([\d.]+)', text, re.MULTILINE)
        return " ".join(f"{name.rpartition('/')[2]} {version}" for name, version in pairs)


def c_program() -> Path:
    return Path(os.environ.get("HEROQ_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "bench"


def heroq(name: str, delivery: str, how: str, note: str = "") -> Peer:
    driver = [str(c_program()), "{url}", "{port}"] if name == "heroq C" else [sys.executable, "actor.py", "{url}"]
    return Peer(f"{name} {delivery}", driver, [*driver, f"serve-{delivery}", "1"], how, note)


def handler(kind: str, how: str) -> Peer:
    driver = [sys.executable, "handlers.py", "{url}"]
    return Peer(f"heroq handler {kind}", driver, [*driver, f"{kind}-serve", "1"], how, prefix=f"{kind}-")


def python(name: str, worker: Sequence[str], how: str, note: str, bulk: bool = False) -> Peer:
    family = name.partition(" ")[0]
    program = str(INSTALLED / family / "bin" / "python")
    driver = [program, "-m", f"peers.{family}"]
    return Peer(name, driver, [program, "-m", *worker], how, note, bulk, f"{family}.txt")


def by_hand(name: str, worker: str, how: str, note: str) -> Peer:
    driver = [sys.executable, "-m", "peers.redis_py"]
    return Peer(name, driver, [*driver, worker, "0"], how, note)


CELERY = ["celery", "-A", "peers.celery", "worker", "-l", "warning", "--without-gossip", "--without-mingle"]
CELERY += ["--without-heartbeat"]
NO_BULK = "no call for many jobs"

ASYNCIO = "heroq asyncio reliable"

ALL = [
    heroq("heroq C", "reliable", "one loop of take and finish; pipelined acknowledgements"),
    heroq("heroq Python", "reliable", "one loop of take and finish; pipelined acknowledgements"),
    handler("plain", "@heroq.actor and heroq.run, one thread"),
    handler("typed", "the same with a dataclass for its payload, and JSON for its result"),
    Peer(
        ASYNCIO,
        [sys.executable, "actor.py", "{url}"],
        [sys.executable, "aio_actor.py", "{url}", "serve", "1"],
        "heroq.aio.run, a task for each job, 200 at once, asyncio's own loop",
    ),
    heroq("heroq C", "canonical", "delivery=canonical", "at most once"),
    heroq("heroq Python", "canonical", "delivery=canonical", "at most once"),
    Peer(
        "hiredis by hand",
        [str(c_program()), "{url}", "{port}"],
        [str(c_program()), "{url}", "{port}", "raw-serve", "1"],
        "BLPOP, HGETALL, HSET + LPUSH, one job at a time, in C",
        "at most once: the limit of one by one and of the round trip",
        prefix="raw-",
    ),
    by_hand("redis-py by hand", "work", "BRPOP, HGETALL, HSET: three round trips a job", "at most once"),
    by_hand("redis-py held", "work-reliable", "BRPOPLPUSH, HGETALL, HSET + LREM", "nothing brings back what is held"),
    by_hand("redis-py batch", "work-batch", "the same for up to 64 jobs at once", "at most once, 64 jobs at stake"),
    python(
        "celery",
        [*CELERY, "-P", "prefork", "-c", "1"],
        "prefork, 1 child, prefetch 64, no gossip, mingle or heartbeat",
        f"acknowledged before it runs (the default): at most once; {NO_BULK}",
    ),
    python(
        "celery solo",
        [*CELERY, "-P", "solo"],
        "solo (no child), prefetch 64, no gossip, mingle or heartbeat",
        f"as above; {NO_BULK}",
    ),
    python("rq", ["peers.rq", "work", "0"], "Worker: a fork for each job", "a lost job is marked failed", bulk=True),
    python("rq simple", ["peers.rq", "work-simple", "0"], "SimpleWorker: no fork", "a lost job is marked failed", True),
    python(
        "dramatiq", ["dramatiq", "-p", "1", "-t", "16", "peers.dramatiq"], "1 process, 16 threads, results", NO_BULK
    ),
    python(
        "huey",
        ["huey.bin.huey_consumer", "-w", "2", "-k", "thread", "-q", "-n", "peers.huey.huey"],
        "2 threads, no periodic tasks, notify_result",
        f"at most once; {NO_BULK}",
    ),
    python(
        "taskiq",
        ["taskiq", "worker", "-w", "1", "--log-level", "WARNING", "--max-async-tasks", "100", "peers.taskiq:broker"],
        "stream broker, 1 process, 100 tasks at once, uvloop; results asked for every 0.5 ms",
        "bulk: 50 coroutines, no call for many jobs",
        bulk=True,
    ),
    python(
        "arq",
        ["peers.arq", "work", "0"],
        "100 jobs at once, uvloop, polls every 1 ms (its default 500); results asked for every 0.5 ms",
        "bulk: 20 coroutines, no call for many jobs",
        bulk=True,
    ),
    Peer(
        "bullmq",
        ["node", "peers/bullmq/bullmq.js"],
        ["node", "peers/bullmq/bullmq.js", "work", "0"],
        "concurrency 50, ioredis",
        pins="bullmq/package.json",
    ),
    Peer(
        "asynq",
        [str(INSTALLED / "asynq" / "peer")],
        [str(INSTALLED / "asynq" / "peer"), "work", "0"],
        "concurrency 32, retention 1 h, checks every 1 ms (its default 1 s); results asked for every 0.2 ms",
        "bulk: 16 goroutines, no call for many jobs",
        pins="asynq/go.mod",
    ),
]


def chosen(names: str) -> list[Peer]:
    """By name or by family, separated by commas; nothing: all."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if not any(name in (peer.name, peer.family) for peer in ALL)]
    if unknown:
        known = ", ".join(dict.fromkeys(peer.family for peer in ALL))
        raise ValueError(f"no peer {', '.join(unknown)}; there are {known}")
    return [peer for peer in ALL if not wanted or peer.name in wanted or peer.family in wanted]


def tool_versions() -> dict[str, str]:
    """Of the languages."""
    found = {"python": sys.version.split()[0]}
    for name, argv in (("node", ["node", "--version"]), ("go", ["go", "version"])):
        if shutil.which(name):
            said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
            found[name] = re.sub(r"^go version go| .*$|^v|\n", "", said)
    return found
