"""Stop, requeue, pause and delay in the middle of things: what each leads to, whatever the others do meanwhile."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import heroq
import pytest
from support.acting import (
    OPTIONS,
    H,
    Q,
    Runner,
    ended,
    enqueue,
    enqueue_many,
    field,
    fields,
    sizes,
    store,
    wait_until_idle,
)
from support.faultproxy import FaultProxy
from support.faults import load_scripts, sends, word_of
from support.server import Server, wait_until

PROGRAM = Path(__file__).with_name("actor.py")
OTHER = "hero:q:work:type:other"
CTL = "hero:q:ctl:type:fault"


@pytest.fixture
def sup(server: Server) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(server.url, lease="600ms", handoff_grace="200ms", log="off") as supervisor:
        yield supervisor


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened in the end, so that a test that fails leaves no handler behind."""
    made = threading.Event()
    yield made
    made.set()


class Waiting:
    """A handler that waits for the gate, or until its job is asked to stop."""

    def __init__(self, gate: threading.Event) -> None:
        self._gate = gate
        self.reasons: list[heroq.StopReason] = []

    def __call__(self, job: heroq.Job) -> None:
        wait_until(lambda: job.stop_reason or self._gate.is_set(), seconds=60)
        if job.stop_reason:
            self.reasons.append(job.stop_reason)
            job.fail("stopped")
        else:
            job.finish(f"done {job.attempt}")


def test_37_stop_by_ctl_list(server: Server, gate: threading.Event) -> None:
    """A sees the list too and leaves it alone; the id that a foreign actor holds stays there."""
    a_handler, b_handler = Waiting(gate), Waiting(gate)
    with Runner(server.url, a_handler) as a:
        enqueue(server, "one")
        wait_until(lambda: a.runs)
        with Runner(server.url, b_handler) as b:
            enqueue(server, "two", hq_reply_to="hero:q:reply:two")
            wait_until(lambda: b.runs)
            store(server, "foreign")
            server.command("HSET", "hero:job:foreign", "status", "started")
            server.command("LPUSH", CTL, "two", "foreign")
            wait_until(lambda: ended(server, ["two"], b"error"), seconds=5)
            wait_until(lambda: server.command("LLEN", CTL) == 1)
            assert server.command("LRANGE", CTL, 0, -1) == [b"foreign"]
            assert b_handler.reasons == [heroq.StopReason.REQUESTED]
            assert field(server, "two", "error") == b"cancelled"
            wait_until(lambda: server.command("LRANGE", "hero:q:reply:two", 0, -1) == [b"cancelled"])
            assert not a_handler.reasons and field(server, "one", "status") == b"started"
            gate.set()
            wait_until(lambda: ended(server, ["one"]))
            wait_until_idle(server)
            assert field(server, "foreign", "status") == b"started"


@pytest.mark.parametrize("how", ["release", "drain"])
def test_37b_stop_then_release(server: Server, sup: heroq.Supervisor, gate: threading.Event, how: str) -> None:
    """The holder has not heard of the stop yet when it gives the job back."""

    def handler(job: heroq.Job) -> None:
        assert gate.wait(30)
        if how == "drain":
            wait_until(lambda: ended(server, ["a"], b"error"))
        job.release()

    # the heartbeat, a third of the lease but at most 2 s, would tell the handler
    with Runner(server.url, handler, lease="60s") as runner:
        enqueue(server, "a", hq_reply_to="hero:q:reply:a")
        wait_until(lambda: runner.runs)
        assert sup.stop_job("a") == "stopping"
        gate.set()
        if how == "drain":
            runner.actor.drain(0)
        wait_until(lambda: ended(server, ["a"], b"error"))
        assert field(server, "a", "error") == b"cancelled"
        wait_until_idle(server)
        runner.close()
    with Runner(server.url) as again:
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["b"]))
        assert again.runs == [("b", 1)]
    assert server.command("LRANGE", "hero:q:reply:a", 0, -1) == [b"cancelled"]
    assert server.command("ZCARD", f"{H}:dead") == 0


def test_released_job_comes_round_before_its_push_is_answered(server: Server) -> None:
    """A canonical actor's own blocked command takes what it has just given back."""
    with (
        FaultProxy(server.port) as proxy,
        heroq.Actor(proxy.url, types="fault", delivery="canonical", **OPTIONS) as actor,
        ThreadPoolExecutor() as pool,
    ):
        enqueue(server, "a")
        job = actor.take(10)
        assert job
        again = pool.submit(actor.take, 5)
        wait_until(lambda: b"cmd=blpop" in server.command("CLIENT", "LIST"), what="the actor blocks")
        proxy.arm("LPUSH", "delay", seconds=0.5)
        job.release()
        assert proxy.fired.wait(10)
        job = again.result()
        assert job and job.id == "a"
        job.finish("done")
        wait_until(lambda: ended(server, ["a"]))


def test_37c_requeue_of_the_dead(server: Server, sup: heroq.Supervisor) -> None:
    """A requeue that is repeated at will runs the job once more, and nothing tells of the failure any more."""

    def handler(job: heroq.Job) -> None:
        if job.attempt == 1:
            job.fail("boom")
        else:
            job.finish(f"done {job.attempt}")

    with Runner(server.url, handler) as runner:
        job = sup.submit("run", script_type="fault")
        with pytest.raises(heroq.JobFailed, match="boom"):
            sup.await_result(job, timeout=10)
        wait_until(lambda: server.command("ZSCORE", f"{H}:dead", job.id))
        queue = heroq.Queue("fault", server.url)
        queue.pause()
        for _ in range(3):
            sup.requeue_job(job)
        # one may be on its way back: a blocked command brought it
        wait_until(lambda: server.command("LLEN", Q) == 3)
        with ThreadPoolExecutor() as pool:
            result = pool.submit(sup.await_result, job, timeout=20)
            queue.resume()
            assert result.result() == b"done 2"
        wait_until_idle(server)
        assert runner.runs == [(job.id, 1), (job.id, 2)]
        assert sizes(server)["dead"] == sizes(server)["reasons"] == 0
        assert server.command("PTTL", f"hero:job:{job.id}") > 0


@pytest.mark.parametrize("harm", ["drop", "lose", "stall"])
@pytest.mark.parametrize("command", ["requeue", "DEL", "push_again"])
def test_37c_a_lost_answer(server: Server, command: str, harm: str) -> None:
    """The caller is told that it may be done, repeats it, and the job runs once more."""
    load_scripts(server)
    with (
        Runner(server.url, lambda job: job.finish(f"done {job.attempt}")) as runner,
        FaultProxy(server.port) as proxy,
        heroq.Supervisor(proxy.url, op_timeout="500ms", log="off") as sup,
    ):
        job = sup.submit("run", script_type="fault")
        assert sup.await_result(job, timeout=20) == b"done 1"
        wait_until_idle(server)
        with heroq.Queue("fault", server.url) as queue:
            queue.pause()
            proxy.arm(word_of(command), harm)
            with contextlib.suppress(heroq.ConnectionError, heroq.TimeoutError):
                sup.requeue_job(job)
            assert proxy.fired.wait(5), f"no {command} was sent"
            sup.requeue_job(job)
            queue.resume()
        assert sup.await_result(job, timeout=20) == b"done 2"
        wait_until_idle(server)
        assert runner.runs == [(job.id, 1), (job.id, 2)]
        assert sizes(server)["dead"] == sizes(server)["reasons"] == 0


def test_37c_requeue_before_the_old_reply(server: Server, sup: heroq.Supervisor, gate: threading.Event) -> None:
    """The first run's reply comes when somebody waits for the second one's result."""
    load_scripts(server)

    def handler(job: heroq.Job) -> None:
        if job.attempt == 2:
            assert gate.wait(30)
        job.finish(f"done {job.attempt}")

    with FaultProxy(server.port) as proxy, Runner(proxy.url, handler, **sends("reply")) as runner:
        proxy.arm(word_of("reply"), "zombie")
        enqueue(server, "a", hq_reply_to="hero:q:reply:a")
        assert proxy.fired.wait(10)
        wait_until_idle(server)
        sup.requeue_job("a", type="fault")
        wait_until(lambda: len(runner.runs) == 2)
        with ThreadPoolExecutor() as pool:
            result = pool.submit(sup.await_result, "a", timeout=30)
            wait_until(lambda: server.command("HGET", "hero:job:a", "hq_reply_to"))
            wait_until(lambda: b"cmd=blpop" in server.command("CLIENT", "LIST"), what="somebody waits")
            proxy.release()
            # a reply alone counts as the result after a second: not so after a requeue
            time.sleep(1.5)
            assert not result.done()
            gate.set()
            assert result.result() == b"done 2"
        assert field(server, "a", "output") == b"done 2"


def test_37d_pause(server: Server) -> None:
    runners = [Runner(server.url) for _ in range(4)]
    queue = heroq.Queue("fault", server.url)
    ids = [f"j{i}" for i in range(2000)]
    try:
        enqueue(server, "warm")
        wait_until(lambda: ended(server, ["warm"]))
        wait_until_idle(server)
        queue.pause()
        enqueue_many(server, ids)
        # a blocked command of each may bring one: it goes back to the right end, and its actor knows
        wait_until(lambda: all(runner.actor.stats()["paused"] for runner in runners))
        wait_until(lambda: server.command("LLEN", Q) == len(ids))
        waiting = server.command("LRANGE", Q, 0, -1)
        kept = [one.decode() for one in reversed(waiting)]
        assert kept[4:] == ids[4:] and sorted(kept) == sorted(ids)
        end = time.monotonic() + 3  # the length of the pause
        while time.monotonic() < end:
            assert server.command("LRANGE", Q, 0, -1) == waiting
            assert server.command("EXISTS", f"{H}:handoff", f"{H}:holders", f"{H}:delayed") == 0
            time.sleep(0.05)
        queue.resume()
        resumed = time.monotonic()
        wait_until(lambda: server.command("LLEN", Q) < len(ids), what="it goes on")
        assert time.monotonic() - resumed < 2 + 1  # a heartbeat, and what a loaded machine needs
        wait_until(lambda: ended(server, ids), seconds=30)
        wait_until_idle(server)
        for runner in runners:
            order = [kept.index(job_id) for job_id, _ in runner.runs if job_id != "warm"]
            assert order == sorted(order)
        assert sum(len(runner.runs) for runner in runners) == len(ids) + 1
    finally:
        for runner in runners:
            runner.close()


def test_37f_lonely_queue(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    """Nobody but the awaiting supervisor is there to notice that the group's only actor has died."""
    ledger, wait = tmp_path / "ledger", tmp_path / "gate"
    queue = f"{Q}:group:lonely"
    options = [f"{name}={value}" for name, value in OPTIONS.items() if name not in ("log", "op_timeout")]
    actor = subprocess.Popen([sys.executable, PROGRAM, server.url, ledger, *options, "group=lonely"])
    try:
        jobs = [sup.submit(f"wait {wait}", script_type="fault", group="lonely") for _ in range(3)]
        wait_until(lambda: ledger.exists() and ledger.read_text())
    finally:
        actor.send_signal(signal.SIGKILL)
        actor.wait()
    held = server.command("HLEN", f"{{{queue}}}:holders")
    assert held >= 1
    with ThreadPoolExecutor() as pool:
        results = [pool.submit(sup.await_result, job, timeout=60) for job in jobs]
        wait_until(lambda: server.command("LLEN", queue) == 3, seconds=15, what="the supervisor gives them back")
        with Runner(server.url, group="lonely"):
            assert [one.result() for one in results] == [f"done {job.id}".encode() for job in jobs]
        wait_until_idle(server, queue=queue)


def test_38_cancel_states(server: Server, sup: heroq.Supervisor, gate: threading.Event) -> None:
    """What a stop answers, what the hash says at once, and what becomes of the job."""
    handler = Waiting(gate)
    with Runner(server.url, handler) as runner:
        running = sup.submit("run", script_type="fault")
        wait_until(lambda: runner.runs)
        finished = sup.create_job("run", script_type="fault")
        finished.set_result(sup.client, "as it was")
        failed = sup.create_job("run", script_type="fault")
        server.command("HSET", f"hero:job:{failed.id}", "status", "Error", "error", "boom")
        queued = sup.submit("run", script_type="other")
        delayed = sup.submit("run", script_type="other", delay=3600)
        created = sup.create_job("run", script_type="fault")
        waits = sup.create_job(heroq.Job("run", "fault", prerequisites=["other"]))
        store(server, "foreign", script_type="fault")
        server.command("HSET", "hero:job:foreign", "status", "started")
        before = {job: server.command("HGETALL", f"hero:job:{job}") for job in (finished.id, failed.id, "foreign")}
        table = [
            (queued.id, "cancelled", b"error", b"cancelled"),
            (delayed.id, "cancelled", b"error", b"cancelled"),
            (created.id, "cancelled", b"error", b"cancelled"),
            (waits.id, "cancelled", b"error", b"cancelled"),
            (finished.id, "ended", b"finished", None),
            (failed.id, "ended", b"Error", b"boom"),
            ("foreign", "asked", b"started", None),
            (running.id, "stopping", None, None),  # its status depends on how quick the handler is
        ]
        for job_id, outcome, status, error in table:
            assert sup.stop_job(job_id) == outcome, job_id
            if status:
                assert (field(server, job_id, "status"), field(server, job_id, "error")) == (status, error), job_id
        with pytest.raises(heroq.NotFoundError):
            sup.stop_job("unknown")
        assert not server.command("EXISTS", "hero:job:unknown")
        wait_until(lambda: ended(server, [running.id], b"error"))
        wait_until_idle(server)
        assert runner.runs == [(running.id, 1)]
        assert field(server, running.id, "error") == b"cancelled"
        with Runner(server.url, types="other") as other:  # finds both, and has nothing to do
            wait_until_idle(server, queue=OTHER)
            assert not other.runs
        assert fields(server, [queued.id, delayed.id], "error") == [b"cancelled"] * 2
        assert handler.reasons == [heroq.StopReason.REQUESTED]
        for job_id, fields_before in before.items():
            assert server.command("HGETALL", f"hero:job:{job_id}") == fields_before
        assert server.command("LRANGE", CTL, 0, -1) == [b"foreign"]
        assert server.command("ZCARD", f"{H}:dead") == 0
        for job_id, outcome, *_ in table:  # once more: what has ended stays as it is
            assert sup.stop_job(job_id) == ("asked" if job_id == "foreign" else "ended"), outcome


def test_42_promote_race(server: Server) -> None:
    """Eight at once make 10,000 due jobs ready: each once, the earliest first."""
    count = 10_000
    with server.connect() as link:
        for first in range(0, count, 500):
            pairs = [part for i in range(first, first + 500) for part in (str(1000 + i * 7919 % count), f"j{i}")]
            link.call("ZADD", f"{H}:delayed", *pairs)
    by_score = server.command("ZRANGE", f"{H}:delayed", 0, -1)
    with ThreadPoolExecutor(8) as pool:

        def promote(_: int) -> None:
            with heroq.Queue("fault", server.url) as queue:
                while server.command("ZCARD", f"{H}:delayed"):
                    queue.tend()

        list(pool.map(promote, range(8)))
    assert server.command("LRANGE", Q, 0, -1) == by_score[::-1]
    assert server.command("EXISTS", f"{H}:delayed") == 0
