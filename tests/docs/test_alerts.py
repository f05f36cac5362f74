"""examples/deploy/prometheus/heroq-alerts.yml: each alert by a system that is broken in that way on purpose.

What is scraped of the real system before and after goes through Prometheus's own evaluation of the rules (`promtool
test rules`), as if it had stayed so for an hour.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heroq
import pytest
import yaml
from heroq.metrics import table
from heroq.metrics.board import BoardCollector
from heroq.metrics.serving import text_of
from support.scrape import Scrape, fired, free_port, promtool, scrape
from support.server import Server, wait_until

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "examples" / "deploy" / "prometheus" / "heroq-alerts.yml"
APP = """
import time
import heroq


@heroq.actor("osis", timeout=1, timeout_grace=0.1, lease=1)
def osis(text: str) -> None:
    if text == "hang":
        time.sleep(600)
"""
QUEUE = "hero:q:work:type:osis"


class System:
    """A server, what `heroq metrics` tells of it, and a worker's port where there is one."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.sup = heroq.Supervisor(server.url, op_timeout="1s")
        self.collector = BoardCollector(self.sup.client, pause=0)
        self.port: int | None = None
        self.before = self.look()

    def look(self) -> Scrape:
        text = text_of(self.collector)
        if self.port is None:
            return Scrape(text)
        return Scrape(text + "".join(re.findall(r"^heroq_worker.*\n", scrape(self.port).text, re.MULTILINE)))

    def until(self, name: str, condition: Callable[[float], bool], **labels: str) -> Scrape:
        """The first look at which that metric is so."""
        return wait_until(  # type: ignore[no-any-return]
            lambda: (s := self.look()) and any(condition(value) for _, value in s.all(name, **labels)) and s,
            seconds=30,
            what=name,
        )

    def fires(self, after: Scrape, **expected: int) -> None:
        """These alerts, and no others."""
        fired(RULES, self.before, after, expected, self.folder)

    @contextlib.contextmanager
    def acting(self, handle: Callable[[heroq.Job], object], **options: Any) -> Iterator[None]:
        with heroq.Actor(self.server.url, types="osis", grace=0, **options) as actor:

            def work() -> None:
                for job in actor:
                    handle(job)

            thread = threading.Thread(target=work)
            thread.start()
            self.until(table.ACTORS.name, lambda count: count == 1)
            self.before = self.look()
            yield
            actor.drain(0)
            thread.join()

    @contextlib.contextmanager
    def working(self, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
        app, self.port = self.folder / "app.py", free_port()
        app.write_text(APP)
        command = [
            sys.executable,
            "-m",
            "heroq",
            "worker",
            str(app),
            "--metrics",
            str(self.port),
            "--grace",
            "0",
            *argv,
        ]
        with subprocess.Popen(command, env={**os.environ, "HEROQ_URL": self.server.url}) as process:

            def is_up() -> bool:
                with contextlib.suppress(OSError):
                    return bool(scrape(self.port or 0).one(table.WORKER_UP.name))
                return False

            try:
                wait_until(is_up, seconds=30)
                self.before = self.look()
                yield process
            finally:
                process.terminate()
                process.wait(30)


@pytest.fixture
def system(new_server: Callable[..., Server], tmp_path: Path) -> Iterator[System]:
    made = System(new_server("--appendonly", "yes"), tmp_path)
    yield made
    made.sup.close()


def finish(job: heroq.Job) -> None:
    job.finish(b"")


def submit_old(system: System, job_id: str = "old") -> None:
    """A foreign program's job, of ten minutes ago."""
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    fields = ("jobId", job_id, "script", "x", "script_type", "osis", "status", "dispatched", "createdAt", made)
    system.server.command("HSET", f"hero:job:{job_id}", *fields)
    system.server.command("LPUSH", QUEUE, job_id)


def test_the_rules_are_right() -> None:
    promtool("check", "rules", str(RULES))
    known = {metric.name for metric in (*table.OF_BOARD, *table.OF_WORKER)}
    for rule in rules():
        used = set(re.findall(r"heroq_\w+", rule["expr"]))
        assert used and used <= known, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_a_healthy_system_has_none(system: System) -> None:
    with system.working():
        heroq.gather(system.sup.submit_many(["x"] * 20, "osis"), timeout=30, server=system.sup)
        system.until(table.FINISHED_RATE.name, lambda rate: rate > 0)
        system.fires(system.until(table.WORKER_JOBS.name, lambda count: count == 20, outcome="finished"))


def test_no_server(system: System) -> None:
    with system.working():
        system.server.stop()
        after = system.until(table.WORKER_UP.name, lambda value: value == 0)
        system.fires(after, HeroqServerDown=1, HeroqWorkerProcessDown=1)
        system.server.restart()


def test_no_metrics(system: System) -> None:
    system.before = Scrape("")
    system.fires(Scrape("up 0\n"), HeroqMetricsMissing=1)


def test_no_actor(system: System) -> None:
    system.sup.submit("x", script_type="osis")
    system.fires(system.look(), HeroqNoActor=1)


def test_stuck(system: System) -> None:
    """An actor that is stopped from outside is known for ten seconds yet."""
    code = f"import heroq; heroq.Actor({system.server.url!r}, types='osis', block=0.2).take()"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            system.until(table.ACTORS.name, lambda count: count == 1)
            process.send_signal(signal.SIGSTOP)
            wait_until(lambda: b"blocked_clients:0" in system.server.command("INFO", "clients"))
            submit_old(system)
            after = system.until(table.STATE.name, lambda value: value == 1, state="stuck")
        finally:
            process.kill()
    system.fires(after, HeroqStuck=1, HeroqWaitTooLong=1)


def test_the_oldest_waits_too_long(system: System) -> None:
    gate = threading.Event()

    def handle(job: heroq.Job) -> None:
        gate.wait(60)
        finish(job)

    with system.acting(handle, concurrency=1, prefetch=1):
        system.sup.submit("x", script_type="osis")
        system.until(table.IN_FLIGHT.name, lambda count: count == 1)
        for number in range(5):
            submit_old(system, str(number))
        after = system.until(table.OLDEST.name, lambda seconds: seconds > 500)
        gate.set()
        heroq.gather([str(number) for number in range(5)], timeout=30, server=system.sup)
    system.fires(after, HeroqWaitTooLong=1)


def test_paused(system: System) -> None:
    with heroq.Queue("osis", system.sup.client) as queue:
        queue.pause()
    system.sup.submit("x", script_type="osis")
    system.fires(system.look(), HeroqPaused=1)


def test_jobs_die(system: System) -> None:
    with system.acting(lambda job: job.fail("no")):
        system.sup.submit("x", script_type="osis")
        after = system.until(table.DEAD.name, lambda count: count == 1)
    system.fires(after, HeroqDeadJobs=1)


def test_jobs_fail(system: System) -> None:
    with system.acting(lambda job: job.fail("no") if job.text == "bad" else job.finish(b""), dead=False):
        system.sup.submit_many(["x"] * 50 + ["bad"] * 10, "osis")
        system.until(table.FINISHED_RATE.name, lambda rate: rate > 5)
        after = system.until(table.FAILED_RATE.name, lambda rate: rate > 1.5)
    system.fires(after, HeroqErrors=1)


def lose_an_actor(system: System) -> float:
    """With a job in hand, which another one then does; answers how many leases are known to have run out."""
    system.sup.submit("x", script_type="osis")
    code = f"import heroq, time; actor = heroq.Actor({system.server.url!r}, types='osis', lease=1)"
    argv = [sys.executable, "-c", f"{code}; print(actor.take(), flush=True); time.sleep(60)"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        process.kill()
    with heroq.Actor(system.server.url, types="osis", lease=1, grace=0) as actor:
        taken = actor.take(timeout=30)
        assert taken is not None and taken.attempt == 2
        finish(taken)
        finished = system.before.one(table.ENDED.name, outcome="finished")
        after = system.until(table.ENDED.name, lambda count: count > finished, outcome="finished")
        return after.one(table.ENDED.name, outcome="lost")


def test_actors_die_with_jobs(system: System) -> None:
    """Several, since a job can also come back in ways that are not counted as a lease that ran out."""
    with heroq.Queue("osis", system.sup.client) as queue:
        queue.resume()
    system.server.command("ZADD", "{heroq}:queues", int(time.time() * 1000), QUEUE)
    system.before = system.look()
    end = time.monotonic() + 60
    while not lose_an_actor(system):
        assert time.monotonic() < end
    system.fires(system.look(), HeroqLeasesLost=1)


def test_the_memory_ends(system: System) -> None:
    used = system.look().one(table.MEMORY.name)
    system.server.command("CONFIG", "SET", "maxmemory", int(used * 1.05))
    system.fires(system.look(), HeroqMemoryNearLimit=1)


def test_keys_are_thrown_away(system: System) -> None:
    used = int(system.look().one(table.MEMORY.name))
    system.server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    system.fires(system.look(), HeroqEvictionPolicy=1)
    system.server.command("CONFIG", "SET", "maxmemory", used + (1 << 20))
    for number in range(64):
        system.server.command("SET", f"filler:{number}", "x" * 65536)
    after = system.until(table.EVICTED.name, lambda count: count > 0)
    system.fires(after, HeroqEvictionPolicy=1, HeroqKeysEvicted=1, HeroqMemoryNearLimit=1)


def test_no_append_only_file(system: System) -> None:
    system.server.command("CONFIG", "SET", "appendonly", "no")
    system.fires(system.look(), HeroqNoAppendOnlyFile=1)


def test_more_queues_than_are_shown(system: System) -> None:
    system.collector = BoardCollector(system.sup.client, pause=0, max_queues=1)
    for name in ("osis", "sal"):
        with heroq.Queue(name, system.sup.client) as queue:
            queue.resume()
        system.server.command("ZADD", "{heroq}:queues", int(time.time() * 1000), f"hero:q:work:type:{name}")
    system.fires(system.look(), HeroqQueuesLeftOut=1)


def test_a_worker_that_crashes(system: System) -> None:
    with system.working() as process:
        [child] = subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(process.pid)]).split()
        os.kill(int(child), signal.SIGKILL)
        system.until(table.WORKER_CRASHES.name, lambda count: count == 1)
        system.fires(system.until(table.WORKER_UP.name, lambda value: value == 1), HeroqWorkerCrashes=1)


def test_a_handler_that_hangs(system: System) -> None:
    with system.working("--threads", "2"):
        system.sup.submit("hang", script_type="osis")
        after = system.until(table.WORKER_STUCK.name, lambda count: count == 1)
        system.fires(after, HeroqHandlersHang=1, HeroqDeadJobs=1)


def test_takes_are_refused(system: System) -> None:
    """A server that may not be written to any more."""
    with system.working():
        system.server.command("CONFIG", "SET", "min-replicas-to-write", "1")
        after = system.until(table.WORKER_STARVED.name, lambda seconds: seconds > 0)
        system.server.command("CONFIG", "SET", "min-replicas-to-write", "0")
        system.fires(after, HeroqTakesRefused=1)


def test_each_alert_was_seen_to_fire() -> None:
    """By the tests above, which name them; without it a new alert would need none."""
    text = Path(__file__).read_text()
    named = set(re.findall(r"\b(Heroq[A-Z]\w+)=\d", text))
    assert named == {rule["alert"] for rule in rules()}
