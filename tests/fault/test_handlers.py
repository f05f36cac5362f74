"""Handlers that hang, fail, or are told to go: what becomes of the job, of the actor, and of its neighbours."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import heroq
import pytest
from support.crew import Crew
from support.faults import FULL, H, Q, Runner, enqueue, field, nothing_left, output
from support.server import Server, wait_until

HANGING: dict[str, Any] = {"timeout": "300ms", "timeout_grace": "200ms", "retries": 1}


@contextmanager
def program(*argv: str, server: Server) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "HEROQ_URL": server.url + "?log=off", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *argv], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def held(server: Server) -> list[int]:
    with server.connect() as link:
        return [link.call("ZCARD", f"{H}:leases"), link.call("HLEN", f"{H}:holders"), link.call("LLEN", f"{H}:handoff")]


# ---- 11: a handler that loops for ever ----


class Hanging:
    """Hangs in the first run of a job "hang" until the gate opens, and notes what its late result was told."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.late: list[str] = []

    def __call__(self, job: heroq.Job) -> None:
        if job.text == "hang" and job.attempt == 1:
            self.gate.wait(60)
            try:
                job.finish("late")
            except heroq.SettledError as error:
                self.late.append(error.name)
                raise
        job.finish(f"run {job.attempt}")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.gate.set()


def test_11_handler_hangs(server: Server, hanging: Hanging) -> None:
    runner = Runner(server.url, hanging, threads=2, **HANGING)
    try:
        enqueue(server, "a", "hang")
        wait_until(lambda: output(server, "a") == b"run 2", what="another run ends it")
        assert runner.actor.stats()["stuck"] == 1
        for i in range(20):
            enqueue(server, f"b{i}")
        wait_until(lambda: nothing_left(server), what="the actor goes on with what it has left")
        hanging.gate.set()
        wait_until(lambda: hanging.late, what="the late result is refused")
        assert hanging.late == ["HEROQ_E_LOST"]
        assert output(server, "a") == b"run 2"
        assert field(server, "a", "hq_retries") == b"1"
        wait_until(lambda: runner.actor.stats()["stuck"] == 0, what="the slot is back")
    finally:
        runner.close()


def test_11_hanging_without_a_retry_is_an_error(server: Server, hanging: Hanging) -> None:
    runner = Runner(server.url, hanging, **{**HANGING, "retries": 0})
    try:
        enqueue(server, "a", "hang")
        wait_until(lambda: field(server, "a", "status") == b"error")
        wait_until(lambda: server.command("HGET", f"{H}:reasons", "a") == b"failed")
        hanging.gate.set()
        wait_until(lambda: hanging.late)
        assert field(server, "a", "error") == b"timeout"
        assert server.command("LRANGE", "hero:q:reply:a", 0, -1) == [b"timeout"]
        enqueue(server, "b")
        wait_until(lambda: output(server, "b") == b"run 1", what="the thread that came back works again")
    finally:
        runner.close()


def test_11_at_max_stuck_take_is_an_error(server: Server, hanging: Hanging) -> None:
    runner = Runner(server.url, hanging, threads=3, **HANGING, max_stuck=2)
    try:
        enqueue(server, "a", "hang")
        enqueue(server, "b", "hang")
        wait_until(lambda: runner.ends, what="the thread that is left is told")
        assert [getattr(error, "name", "") for error in runner.ends] == ["HEROQ_E_STUCK"]
        with pytest.raises(heroq.StateError, match="2 handlers hang"):
            runner.actor.take(0)
        hanging.gate.set()
        wait_until(lambda: output(server, "a") == output(server, "b") == b"run 2", what="they came back")
    finally:
        runner.close()


APP = """
import time, heroq
@heroq.actor("fault", timeout="300ms", timeout_grace="200ms", retries=1, max_stuck=1, lease="600ms", backoff="50ms")
def handler(job):
    while job.text == "hang" and job.attempt == 1:
        time.sleep(0.01)
    return f"run {job.attempt}"
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_11_a_worker_that_hangs_is_started_again(server: Server, tmp_path: Path, threads: int) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP)
    enqueue(server, "a", "hang")
    argv = ["-m", "heroq", "worker", str(app), "--threads", str(threads), "--grace", "5"]
    with program(*argv, server=server) as worker:
        wait_until(lambda: output(server, "a") == b"run 2", seconds=20, what="a new process runs it")
        worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=20)
        assert worker.returncode == 0
    assert errors.count("ended (exit status 6) and is started again") == 1, errors
    wait_until(lambda: nothing_left(server))


@pytest.mark.parametrize("threads", [1, 2])
def test_11_run_ends_with_an_error(server: Server, threads: int) -> None:
    enqueue(server, "a", "hang")
    with program("-c", f"{APP}\nheroq.run(handler, threads={threads}, grace=5)", server=server) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "StateError" in errors and "hang" in errors, errors
    assert held(server) == [0, 0, 0]
    assert field(server, "a", "status") == b"dispatched"


# ---- 13, 14: crashes and failures are counted apart ----


@pytest.fixture
def world(server: Server, tmp_path: Path) -> Iterator[Crew]:
    made = Crew(server, tmp_path)
    yield made
    made.close()


def test_13_crash_does_not_spend_retries(server: Server, world: Crew) -> None:
    gate = world.folder / "gate"
    first = world.start()
    enqueue(server, "a", f"wait {gate}", retries=0)
    wait_until(lambda: world.lines("start", "a"))
    world.kill(first)
    world.start()
    wait_until(lambda: len(world.lines("start", "a")) == 2, seconds=15, what="it runs again")
    assert server.command("HGET", f"{H}:recoveries", "a") == b"1"
    gate.touch()
    wait_until(lambda: nothing_left(server))
    assert field(server, "a", "status") == b"finished"
    assert field(server, "a", "hq_retries") is None
    assert server.command("HLEN", f"{H}:recoveries") == 0


def test_14_retry_backoff_dead(server: Server) -> None:
    times: list[tuple[float, bytes | None]] = []

    def fail(job: heroq.Job) -> None:
        times.append((time.monotonic(), field(server, job.id, "status")))
        job.fail(f"failure {job.attempt}")

    runner = Runner(server.url, fail, retries=0, backoff="100ms")
    try:
        enqueue(server, "a", retries=3)
        seen = set()
        while len(times) < 4:
            status = field(server, "a", "status")
            seen.add((len(times), status))  # in this order: the status is from before that look at the runs
            assert time.monotonic() < (times[0][0] if times else time.monotonic()) + 20
        assert {status for runs, status in seen if runs < 4} <= {b"dispatched", b"started"}
        wait_until(lambda: server.command("ZCARD", f"{H}:dead") == 1)
        assert [status for _, status in times] == [b"started"] * 4
        gaps = [after[0] - before[0] for before, after in itertools.pairwise(times)]
        print(f"gaps {gaps}")
        for gap, mean in zip(gaps, (0.1, 0.2, 0.4), strict=True):
            assert mean * 0.5 - 0.005 < gap < mean * 1.5 + 0.5  # half a second is for a loaded machine
        assert field(server, "a", "status") == b"error"
        assert field(server, "a", "error") == b"failure 4"
        assert server.command("LRANGE", "hero:q:reply:a", 0, -1) == [b"failure 4"]
        assert server.command("ZRANGE", f"{H}:dead", 0, -1) == [b"a"]
        assert server.command("HGET", f"{H}:reasons", "a") == b"failed"
        assert runner.runs == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]
    finally:
        runner.close()


# ---- 15, 16: told to go ----

TERMED = r"""
import os, sys, time, heroq
@heroq.actor("fault", lease="5s", backoff="50ms")
def handler(job):
    what, _, gate = job.text.partition(" ")
    if what == "wait":
        os.write(1, f"started {job.id}\n".encode())
    while what == "wait" and not os.path.exists(gate):
        time.sleep(0.005)
    return "done " + job.id
print("ready", flush=True)
heroq.run(handler, threads=3, grace=10)
print("ended", flush=True)
"""


def test_15_graceful_term(server: Server, tmp_path: Path) -> None:
    """SIGTERM while three jobs run and others are taken ahead: the former end, the latter go back at once."""
    ahead = 0
    for attempt in range(10):
        server.command("FLUSHALL")
        gate = tmp_path / f"gate{attempt}"
        with program("-c", TERMED, server=server) as process:
            assert process.stdout and process.stdout.readline() == "ready\n"
            ids = [f"q{i}" for i in range(300)] + ["w1", "w2", "w3"] + [f"z{i}" for i in range(40)]
            with server.connect() as link:
                for job_id in ids:
                    script = f"wait {gate}" if job_id[0] == "w" else "ok"
                    link.call("HSET", f"hero:job:{job_id}", "script", script, "status", "dispatched")
                link.call("LPUSH", Q, *ids)
            started = [process.stdout.readline().split()[1] for _ in range(3)]
            ahead = server.command("ZCARD", f"{H}:leases") - 3
            if ahead < 2:  # it could not be seen when the signal has come
                continue
            process.send_signal(signal.SIGTERM)
            assert sorted(started) == ["w1", "w2", "w3"]
            # what was not begun goes back while the three still run
            wait_until(lambda: held(server) == [3, 3, 0], what="only what runs is held")
            assert field(server, "w1", "status") == b"started"
            gate.touch()
            assert process.communicate(timeout=20)[0] == "ended\n"
            assert process.returncode == 0
        assert held(server) == [0, 0, 0]
        waiting = [job_id.decode() for job_id in server.command("LRANGE", Q, 0, -1)]
        done = {job_id for job_id in ids if field(server, job_id, "status") == b"finished"}
        assert done == {job_id for job_id in ids if job_id[0] != "z"}
        assert sorted(waiting) == sorted(set(ids) - done)
        assert all(field(server, job_id, "status") == b"dispatched" for job_id in waiting)
        # what had been taken ahead is next again, the others did not move
        assert waiting[: max(0, 40 - ahead)] == [f"z{i}" for i in range(39, ahead - 1, -1)]
        assert server.command("HLEN", f"{H}:recoveries") == server.command("ZCARD", f"{H}:delayed") == 0
        break
    print(f"{ahead} were taken ahead")
    assert ahead >= 2, "in ten rounds nothing had been taken ahead"


def test_16_double_term(server: Server) -> None:
    """Two signals, a millisecond apart, at any moment of a take: nothing stays held when the process is gone."""
    seed = int(os.environ.get("HEROQ_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    ids = []
    for turn in range(60 if FULL else 12):
        with program("-c", TERMED, server=server) as process:
            assert process.stdout and process.stdout.readline() == "ready\n"
            if turn % 2:
                wait_until(lambda: server.command("ZCARD", f"{H}:actors"), what="it is there")
            for i in range(20):
                ids.append(f"j{turn}.{i}")
                enqueue(server, ids[-1], "ok")
            time.sleep(chance.uniform(0, 0.01))  # when the signal comes is the test's input
            process.send_signal(signal.SIGTERM)
            time.sleep(0.001)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        assert process.returncode in (0, -signal.SIGTERM)  # the second signal may meet the interpreter's end
        assert held(server) == [0, 0, 0], turn
        server.command("DEL", f"{H}:actors")
    assert server.command("HLEN", f"{H}:recoveries") == 0
    runner = Runner(server.url)
    try:
        wait_until(lambda: nothing_left(server), seconds=20)
        assert all(field(server, job_id, "status") == b"finished" for job_id in ids)
    finally:
        runner.close()


ROUNDS = 1000 if FULL else 150


@pytest.mark.timeout(240)
@pytest.mark.parametrize("delivery", ["reliable", "canonical"])
def test_16_drain_between_take_and_start(server: Server, delivery: str) -> None:
    seed = int(os.environ.get("HEROQ_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    runs: list[str] = []
    ids = [f"j{i}" for i in range(20 * ROUNDS)]
    with server.connect() as link:
        for job_id in ids:
            link.call("HSET", f"hero:job:{job_id}", "script", "run", "status", "dispatched")

        def note(job: heroq.Job) -> None:
            time.sleep(0.0003)  # work, so that some jobs lie between take and start
            job.finish("done")
            runs.append(job.id)

        for turn in range(0, len(ids), 20):
            runner = Runner(server.url, note, delivery=delivery, lease="60s")
            wait_until(lambda: b"blocked_clients:1" in link.call("INFO", "clients"), what="it waits for jobs")
            link.call("LPUSH", Q, *ids[turn : turn + 20])
            time.sleep(chance.uniform(0, 0.008))  # when it is told is the test's input
            runner.actor.drain(10)
            runner.actor.drain(10)
            runner.close()
            assert held(server) == [0, 0, 0], turn
    queued = {job_id.decode() for job_id in server.command("LRANGE", Q, 0, -1)}
    print(f"{len(runs)} ran, {len(queued)} wait")
    assert len(runs) == len(set(runs)) and not queued & set(runs)
    assert queued | set(runs) == set(ids)
    assert server.command("HLEN", f"{H}:recoveries") == 0
