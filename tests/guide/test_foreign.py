"""Programs that know nothing of heroq, and heroq's own, on one queue: whoever runs it, each id runs once."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable
from typing import Any

import heroq
import pytest
from support.guide import Ledger, run_of
from support.server import Server, wait_until

OSIS = "hero:q:work:type:osis"
DELIVERIES = ["reliable", "canonical"]
ACTORS = ["actor_hash", "actor_output", "actor_reply", "actor_both"]
StartActor = Callable[..., heroq.Actor]
Foreign = Callable[..., Any]


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_producer_that_only_stores_and_pushes(
    server: Server, foreign: Foreign, heroq_actor: StartActor, ledger: Ledger, delivery: str
) -> None:
    heroq_actor(delivery)
    assert foreign("producer", "osis", "foreign", 50).wait(30) == 0
    ids = {f"foreign-{i}" for i in range(50)}
    wait_until(lambda: all(server.command("HGET", f"hero:job:{i}", "status") == b"finished" for i in ids))
    for i in range(50):
        assert server.command("HGET", f"hero:job:foreign-{i}", "output") == f"{delivery} ran work {i}".encode()
        assert server.command("HGET", f"hero:job:foreign-{i}", "colour") == b"blue"
    ledger.assert_once_each(ids)


@pytest.mark.parametrize("name", ACTORS)
def test_a_supervisor_with_foreign_actors(
    server: Server, supervisor: heroq.Supervisor, foreign: Foreign, ledger: Ledger, name: str
) -> None:
    foreign(name, "osis", ledger.path)
    jobs = [heroq.Job(f"work {i}", "osis") for i in range(20)]
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        outputs = list(pool.map(lambda job: supervisor.run_job_and_await_result(job, timeout=30), jobs))
    assert outputs == [f"{name} ran work {i}".encode() for i in range(20)]
    for job, output in zip(jobs, outputs, strict=True):  # whatever the actor wrote, the hash tells it in the end
        assert supervisor.get_status(job) == "finished"
        assert supervisor.get_output(job) == output
    ledger.assert_once_each({job.id for job in jobs})
    if name != "actor_both":  # whose reply may come after its hash was read, when nobody waits any more
        assert server.cli("KEYS", "hero:q:*") == ""


@pytest.mark.parametrize("name", ACTORS)
def test_a_waiter_with_foreign_actors(server: Server, foreign: Foreign, ledger: Ledger, name: str) -> None:
    foreign(name, "osis", ledger.path)
    with heroq.Client(server.url) as client, heroq.Waiter(client) as waiter:
        for tag in range(20):
            waiter.submit(heroq.Job(f"work {tag}", "osis"), tag, timeout=30)
        seen = {}
        while len(seen) < 20:
            completion = waiter.take(30)
            assert completion is not None
            assert completion["status"] == 0, completion
            assert completion["tag"] not in seen
            seen[completion["tag"]] = completion["output"]
    assert {tag: _bytes(output) for tag, output in seen.items()} == {
        tag: f"{name} ran work {tag}".encode() for tag in range(20)
    }
    assert len(ledger.rows()) == 20


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


@pytest.mark.parametrize("who", [*DELIVERIES, "actor_hash", "actor_output", "actor_both"])
def test_a_supervisor_that_only_pushes_and_polls(
    foreign: Foreign, heroq_actor: StartActor, ledger: Ledger, who: str
) -> None:
    if who in DELIVERIES:
        heroq_actor(who)
    else:
        foreign(who, "osis", ledger.path)
    asking = foreign("supervisor", "osis", "asked", 20)
    printed = asking.communicate(timeout=60)[0]
    assert asking.returncode == 0
    assert printed.splitlines() == [f"asked-{i}\t{who} ran ask {i}" for i in range(20)]
    ledger.assert_once_each({f"asked-{i}" for i in range(20)})


def test_36_all_on_one_queue(
    server: Server, supervisor: heroq.Supervisor, foreign: Foreign, heroq_actor: StartActor, ledger: Ledger
) -> None:
    """Six kinds of actors share the queue with three kinds of supervisors."""
    for delivery in DELIVERIES:
        heroq_actor(delivery, prefetch=4)
    for name in ACTORS:
        foreign(name, "osis", ledger.path)
    producing = foreign("producer", "osis", "pushed", 300)
    ids = supervisor.submit_many([f"ours {i}" for i in range(300)], script_type="osis")
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        outputs = list(pool.map(lambda i: supervisor.await_result(i, timeout=60), ids))
    assert producing.wait(60) == 0
    pushed = [f"pushed-{i}" for i in range(300)]
    # Nobody waits for these: what an actor left is the hash, or the reply of the one that writes nothing else.
    wait_until(lambda: all(_has_ended(server, i) for i in pushed), 30)

    who = dict(ledger.rows())
    ledger.assert_once_each({*ids, *pushed})
    assert outputs == [f"{who[job_id]} ran ours {i}".encode() for i, job_id in enumerate(ids)]
    assert set(who.values()) >= {"reliable", "actor_hash"}, who
    # Nothing is left of the reliable actor's work.
    wait_until(lambda: server.command("HLEN", f"{{{OSIS}}}:holders") == 0)
    for part in ("leases", "delayed", "dead"):
        assert server.command("ZCARD", f"{{{OSIS}}}:{part}") == 0, part
    assert server.command("LLEN", f"{{{OSIS}}}:handoff") == 0
    assert server.command("LLEN", OSIS) == 0


def _has_ended(server: Server, job_id: str) -> bool:
    written = server.command("HEXISTS", f"hero:job:{job_id}", "output") == 1
    return written or server.command("EXISTS", f"hero:q:reply:{job_id}") == 1


def test_36_foreign_programs_around_our_actor(
    server: Server, foreign: Foreign, heroq_actor: StartActor, ledger: Ledger
) -> None:
    """redis-cli dispatches, one foreign supervisor polls, another waits for the reply, and a foreign actor helps."""
    heroq_actor("reliable", reply="always", prefetch=4)
    foreign("actor_both", "osis", ledger.path)
    polling, waiting = foreign("supervisor", "osis", "asked", 20), foreign("waiter", "osis", "waited", 20)
    for i in range(20):
        server.cli("HSET", f"hero:job:typed-{i}", "script", f"typed {i}", "status", "dispatched", "callerId", "me")
        server.cli("LPUSH", OSIS, f"typed-{i}")
    polled, replied = (one.communicate(timeout=60)[0].splitlines() for one in (polling, waiting))
    assert polling.returncode == waiting.returncode == 0
    typed = [f"typed-{i}" for i in range(20)]
    wait_until(lambda: all(server.cli("HGET", f"hero:job:{i}", "status").lower() == "finished" for i in typed), 30)
    ledger.assert_once_each({f"{what}-{i}" for what in ("asked", "waited", "typed") for i in range(20)})
    who = dict(ledger.rows())
    assert set(who.values()) <= {"reliable", "actor_both"}
    assert polled == [f"asked-{i}\t{who[f'asked-{i}']} ran ask {i}" for i in range(20)]
    assert replied == [f"waited-{i}\t{who[f'waited-{i}']} ran wait {i}" for i in range(20)]
    for i, job_id in enumerate(typed):
        assert server.cli("HGET", f"hero:job:{job_id}", "output") == f"{who[job_id]} ran typed {i}"
        assert server.cli("HGET", f"hero:job:{job_id}", "callerId") == "me"


@pytest.mark.parametrize(("delivery", "newest"), [("reliable", False), ("canonical", True)])
def test_36_which_end_is_taken(
    server: Server, heroq_actor: StartActor, ledger: Ledger, delivery: str, newest: bool
) -> None:
    """LPUSH and BLPOP are the guide's directions, last in first out; the reliable take is from the other end."""
    ids = [f"j{i}" for i in range(10)]
    for job_id in ids:
        server.cli("HSET", f"hero:job:{job_id}", "script", "x")
        server.cli("LPUSH", OSIS, job_id)
    heroq_actor(delivery, prefetch=0)
    wait_until(lambda: all(server.command("HGET", f"hero:job:{i}", "status") == b"finished" for i in ids))
    assert [job_id for job_id, _ in ledger.rows()] == (ids[::-1] if newest else ids)


def test_36_await_sees_a_hash_only_result_with_its_next_look(server: Server, supervisor: heroq.Supervisor) -> None:
    """Nobody pushes a reply: the looks at the hash are 50 ms apart and double, so the next one is never far."""
    job = supervisor.create_job("x", script_type="osis")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        began = time.monotonic()
        result = pool.submit(supervisor.await_result, job, timeout=30)
        server.command("HSET", f"hero:job:{job.id}", "status", "started")
        time.sleep(0.5)  # how long the foreign actor runs it
        server.command("HSET", f"hero:job:{job.id}", "output", "done", "status", "finished")
        written = time.monotonic()
        assert result.result() == b"done"
        assert time.monotonic() - written < written - began + 0.05 + 1  # a second is for a loaded machine


# ---- stopping ----


def test_a_foreign_supervisor_stops_a_job_of_ours(
    server: Server, supervisor: heroq.Supervisor, foreign: Foreign, heroq_actor: StartActor
) -> None:
    """A message on the control list reaches heroq's actor; messages for others stay there for them."""

    def work(job: heroq.Job) -> None:
        wait_until(lambda: job.stop_reason == heroq.StopReason.REQUESTED, 20, "a stop request")
        job.fail("stopped as asked")

    heroq_actor("reliable", work=work, retries=3)
    job = supervisor.submit("long", script_type="osis")
    wait_until(lambda: supervisor.get_status(job) == "started")
    assert foreign("stopper", "osis", "somebody-elses", job.id).wait(20) == 0
    with pytest.raises(heroq.JobFailed) as failed:
        supervisor.await_result(job, timeout=20)
    assert failed.value.error == b"cancelled"  # whatever the handler said: it was asked to stop
    assert supervisor.get_status(job) == "error"
    wait_until(lambda: server.cli("LRANGE", "hero:q:ctl:type:osis", "0", "-1") == "somebody-elses")


def test_we_stop_a_job_of_a_foreign_actor(
    server: Server, supervisor: heroq.Supervisor, foreign: Foreign, ledger: Ledger
) -> None:
    foreign("actor_slow", "osis", ledger.path)
    job = supervisor.submit("long", script_type="osis")
    wait_until(lambda: supervisor.get_status(job) == "started")
    assert supervisor.stop_job(job) == "asked"
    with pytest.raises(heroq.JobFailed) as failed:
        supervisor.await_result(job, timeout=20)
    assert failed.value.error == b"stopped by a message"


def test_a_stop_message_is_the_plain_id(server: Server, supervisor: heroq.Supervisor) -> None:
    server.command("HSET", "hero:job:theirs", "script", "x", "status", "started", "script_type", "osis")
    assert supervisor.stop_job("theirs") == "asked"
    assert server.cli("LRANGE", "hero:q:ctl:type:osis", "0", "-1") == "theirs"
    assert server.cli("HGET", "hero:job:theirs", "status") == "started"


# ---- what foreign hashes look like ----


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_hash_with_nothing_but_a_script(
    server: Server, supervisor: heroq.Supervisor, heroq_actor: StartActor, delivery: str
) -> None:
    server.command("HSET", "hero:job:bare", "script", b"\x00\xff bytes")
    server.command("LPUSH", OSIS, "bare")
    heroq_actor(delivery)
    assert supervisor.await_result("bare", timeout=20) == delivery.encode() + b" ran \x00\xff bytes"


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_job_that_has_ended_is_not_run_again(
    server: Server, supervisor: heroq.Supervisor, heroq_actor: StartActor, ledger: Ledger, delivery: str
) -> None:
    """Somebody pushes the id of a finished job, in the field's spelling of the status."""
    server.command("HSET", "hero:job:old", "script", "x", "status", "Finished", "output", "first")
    server.command("LPUSH", OSIS, "old")
    heroq_actor(delivery)
    output = supervisor.run_job_and_await_result("next", script_type="osis", timeout=20)
    assert output == f"{delivery} ran next".encode()
    wait_until(lambda: server.command("LLEN", OSIS) == 0)
    assert server.command("HGET", "hero:job:old", "output") == b"first"
    assert "old" not in dict(ledger.rows())


def test_groups_and_instances_of_a_foreign_producer(server: Server, heroq_actor: StartActor) -> None:
    queues = [OSIS, f"{OSIS}:group:g1", f"{OSIS}:group:g1:inst:i1"]
    for n, queue in enumerate(queues):
        server.command("HSET", f"hero:job:n{n}", "script", "x")
        server.command("LPUSH", queue, f"n{n}")
    server.command("HSET", "hero:job:other", "script", "x")
    server.command("LPUSH", f"{OSIS}:group:g2", "other")
    heroq_actor("reliable", group="g1", instance="i1", work=lambda job: run_of("grouped", job.script))
    wait_until(lambda: all(server.command("HGET", f"hero:job:n{n}", "output") == b"grouped ran x" for n in range(3)))
    assert server.command("LLEN", f"{OSIS}:group:g2") == 1
