"""Running a delayed job now, and clearing a queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import heroq
import pytest
from support.server import Server, wait_until

Q = "hero:q:work:type:osis"
H = f"{{{Q}}}"
PARTS = ("handoff", "leases", "holders", "delayed", "clear")


def is_empty(server: Server, queue: str = Q) -> bool:
    return not any(server.command("EXISTS", key) for key in (queue, *(f"{{{queue}}}:{part}" for part in PARTS)))


# ---- retry ----


def test_a_delayed_job_runs_now(server: Server, sup: heroq.Supervisor, acting: Callable[..., Any]) -> None:
    job = sup.submit("x", "osis", group="g", delay=3600)
    queue = f"{Q}:group:g"
    assert server.command("LLEN", queue) == 0
    sup.retry_job(job)
    assert server.command("LRANGE", queue, 0, -1) == [job.id.encode()]
    assert server.command("EXISTS", f"{{{queue}}}:delayed") == 0
    with pytest.raises(heroq.StateError, match="is not delayed: it waits already"):
        sup.retry_job(job)
    with acting("osis", lambda job: job.finish("done"), group="g"):
        assert sup.await_result(job, timeout=20) == b"done"
    with pytest.raises(heroq.StateError, match="requeue it"):
        sup.retry_job(job)
    with pytest.raises(heroq.NotFoundError):
        sup.retry_job("nobody")


def test_a_job_that_waits_for_its_next_try(sup: heroq.Supervisor, acting: Callable[..., Any]) -> None:
    runs: list[int] = []

    def handle(job: heroq.Job) -> None:
        runs.append(job.attempt)
        job.finish("done") if job.attempt > 1 else job.fail("not yet")

    with acting("osis", handle, backoff=3600):
        job = sup.submit("x", "osis", retries=3)
        wait_until(lambda: heroq.Queue("osis", sup.client).stats()["delayed"], what="it is delayed")
        sup.retry_job(job)
        assert sup.await_result(job, timeout=20) == b"done" and runs == [1, 2]


def test_a_job_that_runs(sup: heroq.Supervisor) -> None:
    with heroq.Actor(sup.client, types="osis", grace=0.0) as actor:
        job = sup.submit("x", "osis")
        taken = actor.take(10)
        assert taken
        with pytest.raises(heroq.StateError, match="runs"):
            sup.retry_job(job)
        taken.finish("done")


# ---- clear ----


def test_all_that_waits_ends(server: Server, sup: heroq.Supervisor) -> None:
    waiting = sup.submit_many(["x"] * 2500, "osis")
    delayed = sup.submit_many(["x"] * 450, "osis", delay=3600)
    other = sup.submit("x", "osis", group="g")
    told: list[int] = []
    assert sup.clear(Q, progress=told.append) == 2950
    assert told == sorted(told) and told[-1] == 2950 and len(told) > 2
    assert {sup.get_error(job_id) for job_id in waiting[::100] + delayed[::10]} == {b"cancelled"}
    assert is_empty(server) and sup.get_status(other) == "dispatched"
    assert sup.clear(Q) == 0


def test_a_paused_queue(server: Server, sup: heroq.Supervisor, acting: Callable[..., Any]) -> None:
    """It stays paused, and what comes later is served as before."""
    queue = heroq.Queue("osis", sup.client)
    queue.pause()
    sup.submit_many(["x"] * 10, "osis")
    assert sup.clear(Q) == 10 and queue.stats()["paused"] and is_empty(server)
    queue.resume()
    with acting("osis", lambda job: job.finish("done")):
        assert sup.run_job_and_await_result("x", "osis", timeout=20) == b"done"


def test_who_waits_is_told(sup: heroq.Supervisor) -> None:
    caught: list[BaseException] = []
    job, delayed = sup.create_job("x", "osis"), sup.create_job("x", "osis")
    sup.start_job(job)
    sup.start_job(delayed, delay=3600)

    def wait(one: heroq.Job) -> None:
        try:
            sup.await_result(one, timeout=20)
        except heroq.JobFailed as error:
            caught.append(error)

    threads = [threading.Thread(target=wait, args=(one,)) for one in (job, delayed)]
    for thread in threads:
        thread.start()
    wait_until(lambda: sup.get_job(job).fields.get("hq_reply_to") or True)
    began = time.monotonic()
    assert sup.clear(Q) == 2
    for thread in threads:
        thread.join()
    assert [str(error) for error in caught] == ["cancelled"] * 2 and time.monotonic() - began < 10


def test_what_runs_goes_on(server: Server, sup: heroq.Supervisor) -> None:
    with heroq.Actor(sup.client, types="osis", grace=0.0, prefetch=0) as actor:
        job = sup.submit("x", "osis")
        taken = actor.take(10)
        assert taken
        server.command("LPUSH", Q, job.id)  # a copy
        heroq.Queue("osis", sup.client).pause()
        waiting = sup.submit_many(["x"] * 5, "osis")
        assert sup.clear(Q) == 5 and sup.get_status(waiting[0]) == "error"
        assert sup.get_status(job) == "started" and taken.stop_reason == heroq.StopReason.NONE
        taken.finish("done", sync=True)
    assert sup.get_output(job) == b"done"


def test_jobs_that_lost_their_actor(server: Server, sup: heroq.Supervisor) -> None:
    """They are begun in their hash, and wait again: also those that are suspects."""
    for i in range(5):
        server.command("HSET", f"hero:job:j{i}", "script", "x", "script_type", "osis", "status", "started")
        server.command("HSET", f"hero:job:j{i}", "hq_token", "1:gone", "hq_queue", Q, "hq_attempt", 1)
        server.command("LPUSH", Q, f"j{i}")
        server.command("HSET", f"{H}:recoveries", f"j{i}", i)
    assert sup.clear(Q) == 5
    assert {sup.get_error(f"j{i}") for i in range(5)} == {b"cancelled"}
    assert is_empty(server) and not server.command("EXISTS", f"{H}:recoveries")


def test_ids_of_foreign_programs(server: Server, sup: heroq.Supervisor) -> None:
    """Without a hash, ended, begun by an actor that writes no token."""
    server.command("HSET", "hero:job:old", "script", "x", "status", "finished", "output", "42")
    server.command("HSET", "hero:job:begun", "script", "x", "script_type", "osis", "status", "started")
    server.command("LPUSH", Q, "nobody", "old", "begun", "nobody")
    assert sup.clear(Q) == 1
    assert sup.get_output("old") == b"42" and sup.get_error("begun") == b"cancelled" and is_empty(server)


def test_one_that_runs_through_another_queue(server: Server, sup: heroq.Supervisor) -> None:
    other = f"{Q}:group:g"
    server.command("HSET", "hero:job:a", "script", "x", "script_type", "osis", "status", "started")
    server.command("HSET", "hero:job:a", "hq_token", "1:b", "hq_queue", other, "hq_attempt", 1)
    server.command("LPUSH", Q, "a")
    assert sup.clear(Q) == 0
    assert sup.get_status("a") == "stopping" and server.command("ZSCORE", f"{{{other}}}:stops", "a")
    assert server.command("ZRANGE", f"{H}:delayed", 0, -1) == [b"a"] and not server.command("EXISTS", f"{H}:leases")


def test_while_jobs_come_in_it_ends(sup: heroq.Supervisor) -> None:
    ended = threading.Event()

    def produce() -> None:
        while not ended.is_set():
            sup.submit_many(["x"] * 200, "osis")

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        wait_until(lambda: heroq.Queue("osis", sup.client).stats()["waiting"] > 1000)
        assert sup.clear(Q) >= 1000
    finally:
        ended.set()
        thread.join()


def test_each_job_ends_or_runs_beside_an_actor(sup: heroq.Supervisor, acting: Callable[..., Any]) -> None:
    ran: list[str] = []

    def handle(job: heroq.Job) -> None:
        ran.append(job.id)
        job.finish("done")

    jobs = sup.submit_many(["x"] * 3000, "osis")
    with acting("osis", handle):
        cancelled = sup.clear(Q)
        wait_until(lambda: heroq.Queue("osis", sup.client).stats()["in_flight"] == 0, seconds=20)
    states = [sup.get_status(job_id) for job_id in jobs]
    assert states.count("error") == cancelled and states.count("finished") == len(ran) == 3000 - cancelled


def test_the_exact_name(sup: heroq.Supervisor) -> None:
    sup.submit("x", "osis")
    for wrong in ("osis", "", "hero:q:work:type:", "hero:q:reply:a", "hero:q:work:type:o*"):
        with pytest.raises(heroq.InvalidError, match="name it exactly"):
            sup.clear(wrong)
    with pytest.raises(heroq.NotFoundError, match="there is no queue"):
        sup.clear(f"{Q}x")
    for cursor in ("1", "x1.2", "d1", "w-1.2", "w1.2x"):
        with pytest.raises(heroq.InvalidError, match="a cursor is what"):
            heroq._heroq.heroq_supervisor_clear(sup._handle, Q, cursor, None)


def test_an_end_in_the_middle(server: Server, sup: heroq.Supervisor) -> None:
    """What it had taken comes back by its lease, ended or not, and the next clear has the rest."""
    jobs = sup.submit_many(["x"] * 300, "osis")
    _, taken = server.command("TIME"), server.command("LRANGE", Q, -3, -1)
    handle = heroq.options.handle({"count": 1})
    page = heroq._heroq.heroq_supervisor_clear(sup._handle, Q, None, handle)
    assert 0 < page["cancelled"] < 300 and page["cursor"] != "0" and taken
    assert sup.clear(Q) == 300 - page["cancelled"]
    assert {sup.get_status(job_id) for job_id in jobs} == {"error"} and is_empty(server)
