"""Requests and answers that are lost, late, cut or wrong, for each command an actor sends: one result, nothing lost.

The actor is in this process, behind a proxy that does the harm; the oracle looks at the server itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import heroq
import pytest
from support.faultproxy import FaultProxy
from support.faults import OPTIONS, H, Runner, enqueue, load_scripts, nothing_left, output, word_of
from support.server import Server, wait_until


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    load_scripts(server)
    with FaultProxy(server.port) as made:
        yield made


LOST = ["BLMOVE", "take", "claim", "finish", "reply", "done"]


@pytest.mark.parametrize("harm", ["drop", "lose", "close", "stall", "cut", "corrupt", "drip", "delay"])
@pytest.mark.parametrize("command", LOST)
def test_5_one_command(server: Server, proxy: FaultProxy, command: str, harm: str) -> None:
    # but for the handoff nothing may need the reaper: with this lease it would come too late
    runner = Runner(proxy.url, lease="600ms" if command == "BLMOVE" else "60s")
    try:
        enqueue(server, "warm")
        wait_until(lambda: output(server, "warm") and nothing_left(server), what="the first job")
        proxy.arm(word_of(command), harm)
        enqueue(server, "a")
        assert proxy.fired.wait(5), f"no {command} was sent"
        enqueue(server, "b")
        wait_until(lambda: nothing_left(server), seconds=15, what="the queue is empty")
        for job_id in ("a", "b"):
            assert output(server, job_id) == f"done {job_id}".encode()
            assert server.command("LLEN", f"hero:q:reply:{job_id}") in (1, 2)
        attempts = [attempt for job_id, attempt in runner.runs if job_id == "a"]
        assert len(set(attempts)) == len(attempts)
        # once a job is known to be held here, nobody else runs it because of a lost answer
        if command in ("claim", "finish", "reply", "done"):
            assert attempts == [1]
    finally:
        runner.close()


@pytest.mark.parametrize("harm", ["drop", "lose", "stall", "cut"])
@pytest.mark.parametrize(
    ("command", "script"), [("fail", "fail once"), ("retry", "fail once"), ("unclaim", "release once")]
)
def test_5_ways_back(server: Server, proxy: FaultProxy, command: str, script: str, harm: str) -> None:
    runner = Runner(proxy.url, lease="60s")
    try:
        proxy.arm(word_of(command), harm)
        enqueue(server, "a", script)
        assert proxy.fired.wait(5), f"no {command} was sent"
        wait_until(lambda: nothing_left(server), seconds=15, what="the queue is empty")
        assert output(server, "a") == b"done a"
        assert [attempt for _, attempt in runner.runs] == [1, 2]
        assert server.command("HGET", "hero:job:a", "hq_retries") == (b"1" if script == "fail once" else None)
    finally:
        runner.close()


@pytest.mark.parametrize("harm", ["lose", "stall"])
def test_final_failure_is_buried_once(server: Server, proxy: FaultProxy, harm: str) -> None:
    for command in ("fail", "bury"):
        server.command("FLUSHDB")
        runner = Runner(proxy.url, retries=0)
        try:
            proxy.arm(word_of(command), harm)
            enqueue(server, "a", "fail once")
            assert proxy.fired.wait(5), f"no {command} was sent"
            wait_until(
                lambda: server.command("ZCARD", f"{H}:leases") == 0 and server.command("ZCARD", f"{H}:dead") == 1, 15
            )
            assert server.command("HGET", f"{H}:reasons", "a") == b"failed"
            assert server.command("HGET", "hero:job:a", "status") == b"error"
            assert [attempt for _, attempt in runner.runs] == [1]
        finally:
            runner.close()


@pytest.mark.parametrize("harm", ["lose", "stall", "cut"])
def test_5_taken_ids_are_asked_for(server: Server, proxy: FaultProxy, harm: str) -> None:
    """The first TAKE finds jobs that wait already, so no handoff names them: only MINE can tell which they were."""
    for i in range(20):
        enqueue(server, f"j{i}")
    proxy.arm(word_of("take"), harm)
    runner = Runner(proxy.url, lease="60s")
    try:
        assert proxy.fired.wait(5)
        wait_until(lambda: nothing_left(server), seconds=10)
        assert sorted(runner.runs) == sorted((f"j{i}", 1) for i in range(20))
        assert runner.actor.stats()["connects"] == 2
    finally:
        runner.close()


@pytest.mark.parametrize("command", ["beat", "reap", "promote"])
def test_housekeeping_is_repeated(server: Server, proxy: FaultProxy, command: str) -> None:
    with heroq.Actor(proxy.url, types="fault", **OPTIONS) as actor:
        enqueue(server, "a")
        job = actor.take(5)
        assert job
        proxy.arm(word_of(command), "lose")
        assert proxy.fired.wait(5), f"no {command} was sent"
        time.sleep(0.7)  # a lease: the heartbeat has to come through meanwhile
        job.finish("done a")
        enqueue(server, "b")
        job = actor.take(5)
        assert job and job.id == "b"
        job.finish("done b")
        wait_until(lambda: nothing_left(server), seconds=10)
        assert (output(server, "a"), output(server, "b")) == (b"done a", b"done b")
        assert server.command("HGET", "hero:job:a", "hq_attempt") == b"1"


def test_6_zombie_blmove(server: Server, proxy: FaultProxy) -> None:
    """A connection that died for the actor fires its BLMOVE much later: the reaper returns the id."""
    runner = Runner(proxy.url)
    try:
        proxy.arm("BLMOVE", "zombie")
        assert proxy.fired.wait(5)
        runner.actor.drain(grace=0)  # nobody else takes it
        runner.close()
        enqueue(server, "a")
        proxy.release()
        wait_until(lambda: server.command("LLEN", f"{H}:handoff") == 1, what="the zombie took it")
        released = time.monotonic()
        runner = Runner(proxy.url)
        wait_until(lambda: output(server, "a") == b"done a", seconds=10)
        assert time.monotonic() - released < 3.0
        wait_until(lambda: nothing_left(server), seconds=5)
        assert runner.runs == [("a", 1)]
    finally:
        runner.close()


@pytest.mark.parametrize("command", ["take", "finish"])
def test_zombie_script_changes_nothing(server: Server, proxy: FaultProxy, command: str) -> None:
    """TAKE, or FINISH, arrives when the actor has long done it again on a new connection."""
    runner = Runner(proxy.url)
    try:
        proxy.arm(word_of(command), "zombie")
        enqueue(server, "a")
        assert proxy.fired.wait(5)
        wait_until(lambda: output(server, "a") == b"done a", seconds=10)
        enqueue(server, "b")
        proxy.release()
        wait_until(lambda: output(server, "b") == b"done b" and nothing_left(server), seconds=10)
        assert output(server, "a") == b"done a"
    finally:
        runner.close()
