"""What actors say ended: minutes, histograms, history."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import heroq
import pytest
from support.server import Server, wait_until

Q = "hero:q:work:type:osis"
H = f"{{{Q}}}"
Acting = Callable[..., Any]


@pytest.fixture
def queue(server: Server) -> Iterator[heroq.Queue]:
    with heroq.Queue("osis", server.url) as made:
        yield made


def handle(job: heroq.Job) -> None:
    if job.script == b"fail":
        job.fail("no")
    else:
        time.sleep(0.02)
        job.finish("done")


def ids(queue: heroq.Queue, what: str, **filters: Any) -> list[str]:
    return [row["id"] for row in queue.page(what, **filters)]


@pytest.mark.parametrize("delivery", ["reliable", "canonical"])
def test_what_ends_is_counted(sup: heroq.Supervisor, queue: heroq.Queue, acting: Acting, delivery: str) -> None:
    good = sup.submit_many(["ok"] * 20, script_type="osis")
    bad = sup.submit_many(["fail"] * 5, script_type="osis")
    time.sleep(0.3)  # how long they wait is what is measured
    with acting("osis", handle, delivery=delivery):
        wait_until(lambda: queue.counters()["finished"] == 20 and queue.counters()["failed"] == 5, seconds=20)
    told = queue.counters()
    assert (told["finished"], told["failed"], told["retried"], told["lost"]) == (20, 5, 0, 0)
    assert sum(row["finished"] for row in told["rows"]) == 20
    assert all(told["since"] <= row["time"] <= told["now"] and row["time"] % 60_000 == 0 for row in told["rows"])
    assert told["run"]["count"] == told["wait"]["count"] == 25
    assert 15 < told["run"]["p50"] < 2000 and 250 < told["wait"]["p50"] < 20_000
    assert sum(row["count"] for row in told["run"]["rows"] if row["from"] > 15) >= 20
    assert sorted(ids(queue, "finished")) == sorted(good) and sorted(ids(queue, "failed")) == sorted(bad)


def test_a_run_that_is_tried_again_is_no_end(sup: heroq.Supervisor, queue: heroq.Queue, acting: Acting) -> None:
    def once(job: heroq.Job) -> None:
        job.fail("once") if job.attempt == 1 else job.finish("done")

    job = sup.submit("x", script_type="osis", retries=1)
    with acting("osis", once, backoff="20ms"):
        sup.await_result(job, timeout=20)
    told = queue.counters()
    assert (told["finished"], told["failed"], told["retried"]) == (1, 0, 1)
    assert told["run"]["count"] == 2 and told["wait"]["count"] == 1
    assert ids(queue, "finished") == [job.id] and ids(queue, "failed") == []


def test_lost_holders_and_stopped_jobs(
    server: Server, sup: heroq.Supervisor, queue: heroq.Queue, acting: Acting
) -> None:
    """A lease that ran out is one, a job that is ended as lost or expired is a failed one; neither of the two ran."""
    server.command("HSET", "hero:job:a", "script", "ok", "status", "started", "hq_token", "5:gone", "hq_queue", Q)
    server.command("HSET", f"{H}:holders", "a", "5:gone")
    server.command("ZADD", f"{H}:leases", 1000, "a")
    server.command("HSET", f"{H}:recoveries", "a", 3)
    late = sup.submit("ok", script_type="osis", expires=0.001)
    with acting("osis", handle, lease="2s"):
        wait_until(lambda: sorted(ids(queue, "failed")) == sorted(["a", late.id]), seconds=20)
    told = queue.counters()
    assert (told["finished"], told["failed"], told["lost"], told["run"]["count"]) == (0, 2, 1, 0)


def test_waits_that_are_not_known_are_not_counted(
    server: Server, sup: heroq.Supervisor, queue: heroq.Queue, acting: Acting
) -> None:
    """A foreign id has no time in it. A delay is no wait. A job that was requeued before its first run has waited for
    nobody knows how long."""
    sup.submit("ok", script_type="osis", id="mine")
    again = sup.submit("ok", script_type="osis")
    sup.stop_job(again)
    sup.requeue_job(again)
    delayed = sup.submit("ok", script_type="osis", delay=1.5)
    assert abs(int(server.command("HGET", f"hero:job:{delayed.id}", "hq_due")) / 1000 - time.time() - 1.5) < 5
    with acting("osis", handle):
        for job_id in ("mine", again.id, delayed.id):
            sup.await_result(job_id, timeout=20)
    told = queue.counters()
    assert told["run"]["count"] == 3 and told["wait"]["count"] == 1
    assert told["wait"]["p50"] < 1400  # since it was due


def test_history_by_age_and_pages(server: Server, queue: heroq.Queue) -> None:
    now = time.time() * 1000
    for age in range(250):
        server.command("ZADD", f"{H}:failed", now - age * 60_000, f"j{age}")
    assert ids(queue, "failed", count=100) == [f"j{age}" for age in range(250)]
    hour = ids(queue, "failed", older="30m", newer="1h", count=7)
    assert hour in ([f"j{age}" for age in range(30, 60)], [f"j{age}" for age in range(30, 61)])
    assert ids(queue, "finished") == []
    with pytest.raises(heroq.InvalidError, match='"older" has no effect on a page'):
        ids(queue, "waiting", older="1h")


def test_counters_of_other_times(server: Server, queue: heroq.Queue) -> None:
    """A day at most; histograms of an hour; what is no number counts as none."""
    minute = queue.counters()["now"] // 60_000
    fields = {minute - 2: "1 0 0 0", minute - 70: "10 1 2 3", minute - 1400: "100 0 0 0", minute - 3: "x -1 7"}
    for n, text in fields.items():
        server.command("HSET", f"{H}:minutes", n, text)
    server.command("HSET", f"{H}:minutes", f"{minute - 2}:w", "35:4", f"{minute - 70}:w", "35:4")
    for newer, finished in ((None, 1), ("10m", 1), ("80m", 11), ("24h", 111), ("30d", 111)):
        told = queue.counters(newer)
        assert (told["finished"], told["wait"]["count"]) == (finished, 4), newer
    assert [row["finished"] for row in told["rows"]] == [100, 10, 0, 1]
    assert told["rows"][2]["retried"] == 7 and 0.9 <= told["wait"]["p95"] <= 1.024
    with pytest.raises(heroq.InvalidError, match="has no effect on counters"):
        heroq._heroq.heroq_queue_counters(queue._handle, heroq.options.handle({"count": 5}))
    server.command("DEL", f"{H}:minutes")
    server.command("SET", f"{H}:minutes", "x")
    with pytest.raises(heroq.ServerError, match="WRONGTYPE"):
        queue.counters()


def test_listings_tell_of_the_last_minutes(server: Server, queue: heroq.Queue, cli: Callable[..., Any]) -> None:
    minute = queue.counters()["now"] // 60_000
    server.command(
        "HSET", f"{H}:minutes", minute - 1, "100 10 0 0", f"{minute - 1}:w", "35:9", f"{minute - 1}:r", "45:9"
    )
    server.command("ZADD", "{heroq}:queues", 1, Q)
    (row,) = heroq.list_queues(server.url)
    assert 20 <= row["finished_per_minute"] <= 25 and 2 <= row["failed_per_minute"] <= 2.5
    assert 0.9 <= row["wait_p95"] <= 1.024 and 5 <= row["run_p95"] <= 6.2
    assert queue.stats()["wait_p95"] == row["wait_p95"]
    (said,) = json.loads(cli("queues", "--json").stdout)
    assert said["name"] == "osis" and 20 <= said["finished_per_minute"] <= 25 and 5 <= said["run_p95"] <= 6.2


def test_a_sample_of_the_finished_and_all_of_the_failed(
    sup: heroq.Supervisor, queue: heroq.Queue, acting: Acting
) -> None:
    def quick(job: heroq.Job) -> None:
        job.fail("no") if job.script == b"fail" else job.finish("done")

    good = sup.submit_many(["ok"] * 5000, script_type="osis")
    bad = sup.submit_many(["fail"] * 2500, script_type="osis")
    with acting("osis", quick):
        wait_until(lambda: queue.counters()["failed"] == 2500 and queue.counters()["finished"] == 5000, seconds=40)
        wait_until(lambda: len(ids(queue, "failed", count=10_000)) == 2500, seconds=10)
    assert sorted(ids(queue, "failed", count=10_000)) == sorted(bad)
    kept = ids(queue, "finished", count=10_000)
    assert 1000 < len(kept) <= 5000 and set(kept) <= set(good)


def test_a_server_without_memory_is_told_later(
    server: Server, sup: heroq.Supervisor, queue: heroq.Queue, acting: Acting
) -> None:
    """TALLY is refused, results are not; what ended meanwhile is told when there is room."""
    jobs = [sup.submit("ok", script_type="osis") for _ in range(3)]
    client = heroq.Client(server.url, log="events")
    with heroq.Actor(client, types="osis", grace=1.0) as actor:
        taken = [actor.take(10) for _ in jobs]
        server.command("CONFIG", "SET", "maxmemory", 1)
        for job in taken:
            assert job
            job.finish("done", sync=True)
        wait_until(lambda: "statistics: " in str(client.next_event(0.5)), seconds=20, what="it is told")
        assert queue.counters()["finished"] == 0
        server.command("CONFIG", "SET", "maxmemory", 0)
        wait_until(lambda: queue.counters()["finished"] == 3, seconds=10)
    assert sorted(ids(queue, "finished")) == sorted(job.id for job in jobs)
    client.close()


def test_a_key_of_a_wrong_type_harms_nothing(
    server: Server, sup: heroq.Supervisor, queue: heroq.Queue, acting: Acting
) -> None:
    for name in ("minutes", "finished"):
        server.command("SET", f"{H}:{name}", "x")
    with acting("osis", handle, log="off"):
        assert sup.run_job_and_await_result("ok", script_type="osis", timeout=20) == b"done"
        server.command("DEL", f"{H}:minutes", f"{H}:finished")
        sup.run_job_and_await_result("ok", script_type="osis", timeout=20)
        wait_until(lambda: queue.counters()["finished"] >= 1 and ids(queue, "finished"), seconds=10)


def test_many_queues_cost_little(server: Server, sup: heroq.Supervisor) -> None:
    """No command grows with what lies in the queues, and all go in few pipelines: 200 queues, many keys beside them."""
    with server.connect() as link:
        link.call("EVAL", "for i = 1, 100000 do redis.call('SET', 'k' .. i, i) end", 0)
        for i in range(200):
            link.call("LPUSH", f"hero:q:work:type:t{i:03}", *(f"j{n}" for n in range(50)))
            link.call("ZADD", "{heroq}:queues", 1, f"hero:q:work:type:t{i:03}")
        link.call("CONFIG", "RESETSTAT")
        assert len(list(heroq.list_queues(server.url))) == 200
        stats = link.call("INFO", "commandstats").decode()
    calls = {name: int(n) for name, n in re.findall(r"cmdstat_(\w+):calls=(\d+)", stats)}
    assert not calls.keys() & {"keys", "hgetall", "lrange", "smembers"}
    assert calls.pop("scan") < 150 and sum(calls.values()) < 200 * 13 + 50


def test_actors_say_what_they_do(sup: heroq.Supervisor, queue: heroq.Queue) -> None:
    """Host and pid at once, jobs and counts every ten seconds."""
    with heroq.Actor(sup.client, actor_id="me_osis", types="osis", grace=0) as actor:
        (row,) = wait_until(lambda: list(queue.actors()), what="it is there")
        assert row["actor_id"] == "me_osis" and row["pid"] == os.getpid() and row["host"] == os.uname().nodename
        assert row["jobs"] == [] and row["rss"] > 1_000_000 and row["finished"] == 0
        ids = sup.submit_many(["x"] * 20, script_type="osis")
        taken = [actor.take(10) for _ in ids]
        taken.pop(0).finish("done")  # type: ignore[union-attr]
        (row,) = wait_until(lambda: [r for r in queue.actors() if r["jobs"]], seconds=30, what="it says so")
        assert row["running"] == row["held"] == 19 and row["finished"] == 1
        assert len(row["jobs"]) == 16 and {job["id"] for job in row["jobs"]} < set(ids)
        assert all(0 <= job["ms"] < 40_000 for job in row["jobs"])


def test_an_actor_of_another_make(server: Server, queue: heroq.Queue) -> None:
    """What it writes about itself need be no JSON."""
    server.command("ZADD", f"{H}:actors", 10**13, "a", 10**13, "b", 10**13, "c")
    server.command("SET", f"{H}:actor:a", "hello")
    server.command("SET", f"{H}:actor:b", "[1]")
    assert sorted(row["actor"] for row in queue.actors()) == ["a", "b", "c"]
