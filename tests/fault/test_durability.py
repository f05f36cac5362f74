"""What a server's settings can lose: replicas with and without durability=wait, and an AOF with `everysec`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import heroq
import pytest
from support.acting import Runner, ended, wait_until_idle
from support.server import Server, wait_until

Q = "hero:q:work:type:fault"
H = f"{{{Q}}}"
OPTIONS = {"lease": "2s", "recheck": "100ms", "block": "200ms"}
DURABLE = {"durability": "wait", "replica_timeout": "3s", "log": "off"}


def replicas_have_all(primary: Server, ms: int = 5000) -> bool:
    """WAIT speaks of the writes of its own connection."""
    with primary.connect() as link:
        link.call("SET", "mark", 1)
        return bool(link.call("WAIT", 1, ms) >= 1)


def replica_of(new_server: Callable[..., Server], primary: Server) -> Server:
    replica = new_server("--replicaof", f"127.0.0.1 {primary.port}", "--repl-diskless-sync-delay", "0")
    wait_until(lambda: replicas_have_all(primary), seconds=20, what="the replica follows")
    return replica


@pytest.fixture
def primary(new_server: Callable[..., Server]) -> Server:
    return new_server("--repl-diskless-sync-delay", "0", "--repl-timeout", "60")


@pytest.fixture
def replica(new_server: Callable[..., Server], primary: Server) -> Server:
    return replica_of(new_server, primary)


@pytest.fixture
def sup(primary: Server) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(primary.url, **DURABLE) as supervisor:
        yield supervisor


def test_a_caller_is_told_that_replicas_have_it(sup: heroq.Supervisor, primary: Server, replica: Server) -> None:
    sup.submit("a", script_type="fault", id="a")
    assert replica.command("HGET", "hero:job:a", "script") == b"a"
    assert replica.command("LRANGE", Q, 0, -1) == [b"a"]
    sup.submit_many(["b", "c"], script_type="fault")
    assert replica.command("LLEN", Q) == 3
    sup.start_job(sup.create_job("d", script_type="fault"))
    assert replica.command("LLEN", Q) == 4


def test_too_few_replicas_are_an_error_that_may_be_repeated(
    sup: heroq.Supervisor, primary: Server, replica: Server
) -> None:
    patient = sup
    replica.pause()
    sup = heroq.Supervisor(primary.url, **{**DURABLE, "replica_timeout": "200ms"})
    for call in (
        lambda: sup.submit("a", script_type="fault", id="a"),
        lambda: sup.create_job("b", script_type="fault"),
        lambda: sup.submit_many(["c"], script_type="fault"),
    ):
        with pytest.raises(heroq.HeroqError, match="0 of 1 replicas") as caught:
            call()
        assert caught.value.retryable and caught.value.maybe_done
    assert primary.command("HGET", "hero:job:a", "status") == b"dispatched"
    sup.close()
    replica.cont()
    assert replicas_have_all(primary)
    patient.submit("a", script_type="fault", id="a")


def test_results_wait_for_replicas(primary: Server, replica: Server) -> None:
    with (
        heroq.Actor(primary.url, types="fault", **OPTIONS, **DURABLE) as actor,
        heroq.Supervisor(primary.url, log="off") as sup,
    ):
        job = sup.submit("a", script_type="fault")
        primary.command("HSET", f"hero:job:{job.id}", "hq_reply_to", f"hero:q:reply:{job.id}")
        taken = actor.take(5)
        assert taken
        assert replicas_have_all(primary)
        replica.pause()
        taken.finish("done")
        wait_until(lambda: primary.command("HGET", f"hero:job:{job.id}", "status") == b"finished")
        # longer than a lease: neither DONE nor the reply may go, and the lease has to stay
        assert not replicas_have_all(primary, 2500)
        assert primary.command("ZCARD", f"{H}:leases") == 1
        assert primary.command("EXISTS", f"hero:q:reply:{job.id}") == 0
        assert actor.stats()["unsettled"] == 1
        replica.cont()
        wait_until(lambda: primary.command("ZCARD", f"{H}:leases") == 0)
        assert primary.command("LRANGE", f"hero:q:reply:{job.id}", 0, -1) == [b"done"]
        assert actor.stats()["finished"] == 1


def test_a_result_that_a_failover_undid_is_written_again(
    new_server: Callable[..., Server], primary: Server, replica: Server
) -> None:
    with (
        heroq.Actor(primary.url, types="fault", **{**OPTIONS, "lease": "20s"}, **DURABLE) as actor,
        heroq.Supervisor(primary.url, log="off") as sup,
    ):
        job = sup.submit("a", script_type="fault")
        taken = actor.take(5)
        assert taken
        assert replicas_have_all(primary)
        replica.pause()
        taken.finish("done")
        wait_until(lambda: primary.command("HGET", f"hero:job:{job.id}", "status") == b"finished")
        primary.kill9()
        replica.cont()
        replica.command("REPLICAOF", "NO", "ONE")
        with replica.connect() as link:
            # what reached the stopped replica's socket would be read now: a real failover has lost it
            link.call("HSET", f"hero:job:{job.id}", "status", "started")
            link.call("HDEL", f"hero:job:{job.id}", "output")
            link.call("CONFIG", "SET", "port", primary.port)
        replica.port = primary.port
        wait_until(lambda: replica.command("HGET", f"hero:job:{job.id}", "status") == b"finished")
        assert replica.command("ZCARD", f"{H}:leases") == 1
        replica_of(new_server, replica)
        wait_until(lambda: replica.command("ZCARD", f"{H}:leases") == 0)
        assert replica.command("HGET", f"hero:job:{job.id}", "output") == b"done"
        assert replica.command("HGET", f"hero:job:{job.id}", "hq_attempt") == b"1"
        assert actor.stats()["stale"] == 0


# ---- without durability=wait ----


def test_a_failover_loses_what_the_replica_did_not_have(primary: Server, replica: Server) -> None:
    gate = threading.Event()

    def handle(job: heroq.Job) -> None:
        gate.wait(60)
        job.finish("done")

    with heroq.Supervisor(primary.url, log="off") as sup, Runner(primary.url, handle) as runner:
        before = sup.submit_many(["run"] * 50, script_type="fault")
        wait_until(lambda: runner.runs, what="one is being run")
        assert replicas_have_all(primary)
        replica.command("REPLICAOF", "NO", "ONE")  # the cut: from here on it hears nothing
        after = sup.submit_many(["run"] * 50, script_type="fault")
        assert ended(primary, after, b"dispatched")
        primary.kill9()
        replica.command("CONFIG", "SET", "port", primary.port)
        replica.port = primary.port
        gate.set()
        wait_until(lambda: ended(replica, before), seconds=40, what="all from before the cut end")
        wait_until_idle(replica)
        assert ended(replica, after, None)
        assert {job_id for job_id, _ in runner.runs} == set(before)


# ---- an append-only file with everysec ----

WINDOW = 2.5  # the server writes each turn and syncs each second; it never puts either off for more than two


@pytest.mark.parametrize("cut", ["process", "power"])
def test_everysec_loses_the_last_moments_at_most(new_server: Callable[..., Server], cut: str) -> None:
    """A power cut is the file as it was a window ago. A killed process loses what it had not written to the file yet:
    mostly nothing, but while a sync is under way the server answers first and writes later."""
    server = new_server("--appendonly", "yes", "--appendfsync", "everysec")
    with heroq.Supervisor(server.url, log="off") as sup, Runner(server.url) as runner:
        first = sup.submit_many(["run"] * 50, script_type="fault")
        wait_until(lambda: ended(server, first))
        server.command("HSET", f"{H}:meta", "paused", 1)
        early = sup.submit_many(["run"] * 50, script_type="fault")
        # a blocked command may bring one: it goes back, and the actor knows
        wait_until(lambda: runner.actor.stats()["paused"] and server.command("LLEN", Q) == len(early))
        time.sleep(WINDOW)  # the length of the window
        (file,) = server.dir.glob("appendonlydir/*.incr.aof")
        synced = file.stat().st_size
        late = sup.submit_many(["run"] * 50, script_type="fault")
        if cut == "power":
            wait_until(lambda: file.stat().st_size > synced, what="there is something to lose")
        server.kill9()
        if cut == "power":
            os.truncate(file, synced)
        server.restart()
        server.command("HDEL", f"{H}:meta", "paused")
        wait_until(lambda: ended(server, first + early), seconds=40, what="what was acknowledged earlier ends")
        wait_until_idle(server)
        there = [job_id for job_id in late if server.command("EXISTS", f"hero:job:{job_id}")]
        assert there == [] if cut == "power" else there == late[: len(there)]
        if there and not ended(server, there):  # stored, and the start is lost: for all, since they had one push
            assert ended(server, there, b"dispatched")
            for job_id in there:
                sup.start_job(job_id)
            wait_until(lambda: ended(server, there), seconds=40, what="what is started again ends")
            wait_until_idle(server)
        assert all(n == 1 for n in runner.run_count().values())
