"""Wall clocks that are wrong or jump: the client's has no say, the server's is borne."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import heroq
import pytest
from support.acting import LEASE, OPTIONS, H, Q, Runner, ended, enqueue, field, sizes, wait_until_idle
from support.clock import Clock
from support.server import Server, wait_until

PROGRAM = Path(__file__).with_name("actor.py")
DAY, HOUR = 86400, 3600

pytestmark = pytest.mark.skipif(
    "ASAN_OPTIONS" in os.environ or sys.platform != "linux",
    reason="the clock is preloaded, which the sanitizer's own preload, and other systems, do not allow",
)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def server_with_clock(new_server: Callable[..., Server], clock: Clock) -> Server:
    with clock.inside():
        server = new_server()
    shift_server(server, clock, 1000)
    shift_server(server, clock, 0)
    return server


def shift_server(server: Server, clock: Clock, seconds: int) -> None:
    clock.shift(seconds)
    # a server may read its clock a few times a second only
    wait_until(lambda: abs(server_seconds(server) - time.time() - seconds) < 100, what="the server's clock is wrong")


def server_seconds(server: Server) -> int:
    return int(server.command("TIME")[0])


SUBMITS = """
import sys, time, heroq
print(int(time.time()), flush=True)
with heroq.Supervisor(sys.argv[1]) as sup:
    began = time.monotonic()
    job = sup.submit("ok there", script_type="fault", delay=1.0)
    sup.await_result(job, timeout=30)
    print(round((time.monotonic() - began) * 1000))
    try:
        sup.await_result(sup.create_job("x", script_type="nobody"), timeout=1.0)
    except heroq.TimeoutError:
        print(round((time.monotonic() - began) * 1000))
"""


@pytest.mark.parametrize("shift", [DAY, -DAY])
def test_43_clock_client(server: Server, clock: Clock, tmp_path: Path, shift: int) -> None:
    """An actor and a supervisor a day off, the actor's clock jumping: leases, delays and deadlines are as ever."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    ledger.touch()
    clock.shift(shift)
    options = [f"{name}={value}" for name, value in OPTIONS.items() if name not in ("log", "op_timeout")]
    actor = subprocess.Popen([sys.executable, PROGRAM, server.url, ledger, *options], env=clock.environment)
    try:
        with Runner(server.url, types="other"):  # a reaper with the right clock
            enqueue(server, "a", f"wait {gate}")
            wait_until(lambda: "start a" in ledger.read_text(), seconds=30)
            for jump in (-shift, 0, shift):
                clock.shift(jump)
                time.sleep(1.5 * LEASE)  # held for longer than a lease under each clock
                assert sizes(server)["recoveries"] == 0
            gate.touch()
            wait_until(lambda: ended(server, ["a"]))
            done = subprocess.run(
                [sys.executable, "-c", SUBMITS, server.url],
                env=clock.environment,
                capture_output=True,
                timeout=60,
                check=True,
            )
            seen, delayed, waited = (int(line) for line in done.stdout.split())
            assert abs(seen - time.time() - shift) < 60, "the clock was not wrong"
            assert 1000 <= delayed < 6000
            assert 990 <= waited - delayed < 3000  # two differences of rounded times
            wait_until_idle(server)
        assert field(server, "a", "hq_attempt") == b"1"
        assert "start a 2" not in ledger.read_text()
    finally:
        actor.kill()
        actor.wait()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def test_44_clock_server_forward(server_with_clock: Server, clock: Clock, gate: threading.Event) -> None:
    """All leases end at once, by the server's clock: the grace lets their living holders renew them first."""
    server = server_with_clock

    def handler(job: heroq.Job) -> None:
        assert gate.wait(30)
        job.finish("done")

    runners = [Runner(server.url, handler) for _ in range(5)]
    try:
        for i in range(5):
            enqueue(server, f"j{i}")
        wait_until(lambda: sum(len(runner.runs) for runner in runners) == 5)
        shift_server(server, clock, HOUR)
        before = server_seconds(server)
        wait_until(lambda: int(server.command("HGET", f"{H}:meta", "last_reap")) / 1000 >= before, what="a reaper")
        time.sleep(2 * LEASE)  # and what comes later is as ever
        assert sizes(server)["recoveries"] == 0
        gate.set()
        ids = [f"j{i}" for i in range(5)]
        wait_until(lambda: ended(server, ids))
        wait_until_idle(server)
        assert sum(len(runner.runs) for runner in runners) == 5
        with heroq.Supervisor(server.url) as sup:
            assert sup.run_job_and_await_result("run", script_type="fault", delay=0.3, timeout=10) == b"done"
    finally:
        gate.set()
        for runner in runners:
            runner.close()


def test_44_clock_server_back(server_with_clock: Server, clock: Clock, gate: threading.Event) -> None:
    """Leases of the dead stand an hour ahead and are clamped; what is delayed comes late and is not lost."""
    server = server_with_clock

    def handler(job: heroq.Job) -> None:
        assert job.id != "held" or gate.wait(30)
        job.finish(f"done {job.id}")

    with Runner(server.url, handler) as runner, heroq.Supervisor(server.url, log="off") as sup:
        enqueue(server, "held")
        wait_until(lambda: runner.runs)
        # a dead actor's, and one for soon
        enqueue(server, "dead", queue="nowhere")
        due = server_seconds(server) * 1000 + 1000
        server.command("ZADD", f"{H}:leases", due, "dead")
        server.command("HSET", f"{H}:holders", "dead", "5:gone")
        late = sup.submit("run", script_type="fault", delay=5)
        shift_server(server, clock, -HOUR)
        with Runner(server.url) as other, ThreadPoolExecutor() as pool:
            wait_until(lambda: ended(server, ["dead"]), seconds=20, what="the dead actor's job runs")
            assert field(server, "held", "status") == b"started"
            token = field(server, "dead", "hq_token")
            assert token and int(token.split(b":")[0]) > due * 1000 - 60_000_000, "tokens go on from where they were"
            # starts and waits go on, in the hour that came back
            assert sup.run_job_and_await_result("run", script_type="fault", timeout=10)
            result = pool.submit(sup.await_result, late, timeout=60)
            gate.set()
            wait_until(lambda: ended(server, ["held"]))
            assert server.command("ZCARD", f"{H}:delayed") == 1 and not result.done()
            shift_server(server, clock, 0)
            assert result.result() == f"done {late.id}".encode()
            wait_until_idle(server)
            counts = runner.run_count() + other.run_count()
            assert max(counts.values()) == 1
    assert server.command("LLEN", Q) == 0
    server.command("DEL", "nowhere")
