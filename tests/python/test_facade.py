"""Supervisors, actors, jobs, waiters and queues against a real server."""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Callable
from typing import Any

import heroq
import pytest
from support.server import Server, wait_until

Acting = Callable[..., Any]
BINARY = bytes(range(256)) * 3


def test_create_start_take_finish(server: Server, sup: heroq.Supervisor) -> None:
    job = sup.create_job("print(40 + 2)", script_type="python")
    assert server.command("LLEN", "hero:q:work:type:python") == 0
    sup.start_job(job)
    assert server.command("LRANGE", "hero:q:work:type:python", 0, -1) == [job.id.encode()]
    with heroq.Actor(server.url, actor_id="python_1") as actor:
        taken = actor.take(timeout=5)
        assert taken is not None
        assert (taken.id, taken.script, taken.attempt, taken.script_type) == (job.id, b"print(40 + 2)", 1, "python")
        assert sup.get_status(job) == "started"
        taken.finish(b"42\n")
        assert sup.await_result(job, timeout=5) == b"42\n"
    read = sup.get_job(job)
    assert (read.status, read.output, read.is_terminal) == ("finished", b"42\n", True)


@pytest.mark.parametrize(
    "result,output",
    [(BINARY, BINARY), ("ä", "ä".encode()), (None, b""), ({"a": [1]}, b'{"a": [1]}'), (bytearray(b"\0x"), b"\0x")],
)
def test_results(sup: heroq.Supervisor, acting: Acting, result: object, output: bytes) -> None:
    with acting("osis", lambda job: job.finish(result)):
        assert sup.run_job_and_await_result(BINARY, "osis", timeout=5) == output


def test_the_script_arrives_byte_for_byte(sup: heroq.Supervisor, acting: Acting) -> None:
    with acting("osis", lambda job: job.finish(job.script)):
        for script in (BINARY, b"", b"\0", b"x" * (1 << 20)):
            assert sup.run_job_and_await_result(script, "osis", timeout=10) == script


def test_a_failed_job_has_its_whole_error(sup: heroq.Supervisor, acting: Acting) -> None:
    error = "ä" + "x" * 5000
    with acting("osis", lambda job: job.fail(error)), pytest.raises(heroq.JobFailed) as caught:
        sup.run_job_and_await_result("s", "osis", timeout=5)
    assert caught.value.error.decode() == error
    assert caught.value.name == "HEROQ_E_FAILED"


def test_retries_then_success(sup: heroq.Supervisor, acting: Acting) -> None:
    attempts = []

    def handler(job: heroq.Job) -> None:
        attempts.append(job.attempt)
        job.retry(0.0, "again") if job.attempt < 3 else job.finish("third")

    with acting("osis", handler):
        job = heroq.Job("s", "osis", retries=5)
        assert sup.run_job_and_await_result(job, timeout=10) == b"third"
    assert attempts == [1, 2, 3]


def test_settled_once(server: Server, sup: heroq.Supervisor) -> None:
    sup.submit("s", "osis")
    with heroq.Actor(server.url, types="osis") as actor:
        job = actor.take(5)
        assert job is not None
        job.finish("a", sync=True)
        with pytest.raises(heroq.SettledError):
            job.fail("b")
    assert sup.get_output(job) == b"a"


def test_released_job_comes_again(server: Server, sup: heroq.Supervisor) -> None:
    sup.submit("s", "osis")
    with heroq.Actor(server.url, types="osis") as actor:
        first = actor.take(5)
        assert first is not None
        first.release()
        second = actor.take(5)
        assert second is not None and second.id == first.id
        second.finish()


def test_a_dropped_job_comes_again(server: Server, sup: heroq.Supervisor) -> None:
    sup.submit("s", "osis")
    with heroq.Actor(server.url, types="osis") as actor:
        job = actor.take(5)
        assert job is not None
        del job
        again = actor.take(10)
        assert again is not None
        again.finish()


def test_submit_many_from_a_generator(sup: heroq.Supervisor, server: Server) -> None:
    ids = sup.submit_many((str(i) for i in range(4500)), script_type="osis", retries=2)
    assert len(set(ids)) == 4500
    assert server.command("LLEN", "hero:q:work:type:osis") == 4500
    assert sup.get_job(ids[4321]).script == b"4321"
    assert sup.get_job(ids[0]).retries == 2
    assert sup.submit_many([], "osis") == []


def test_submit_many_tells_what_failed(sup: heroq.Supervisor) -> None:
    taken = heroq.Job("one", "osis", id="same")
    sup.submit(taken)
    with pytest.raises(heroq.PartialError) as caught:
        sup.submit_many([heroq.Job("a", "osis"), heroq.Job("another", "osis", id="same"), heroq.Job("c", "osis")])
    assert caught.value.failed == {1: "HEROQ_E_EXISTS"}
    assert sup.get_status(caught.value.ids[2]) == "dispatched"


def test_await_in_vain(sup: heroq.Supervisor) -> None:
    start = time.monotonic()
    with pytest.raises(builtins.TimeoutError) as caught:
        sup.run_job_and_await_result("s", "osis", timeout=0.3)
    assert isinstance(caught.value, heroq.TimeoutError)
    assert 0.25 < time.monotonic() - start < 2


def test_what_is_not_there(sup: heroq.Supervisor) -> None:
    for call in (sup.get_job, sup.get_status, sup.stop_job, sup.start_job):
        with pytest.raises(heroq.NotFoundError):
            call("nothing")


def test_stop_delete_requeue(server: Server, sup: heroq.Supervisor, acting: Acting) -> None:
    job = sup.submit("s", "osis")
    assert sup.stop_job(job) == "cancelled"
    assert sup.get_status(job) == "error"
    assert sup.stop_job(job) == "ended"
    sup.requeue_job(job)
    with acting("osis", lambda taken: taken.finish("done")):
        assert sup.await_result(job, timeout=5) == b"done"
    sup.delete_job(job)


def test_a_running_job_hears_that_it_is_to_stop(sup: heroq.Supervisor, acting: Acting) -> None:
    running = threading.Event()

    def handler(job: heroq.Job) -> None:
        running.set()
        wait_until(lambda: job.is_stopping, what="the stop")
        assert job.stop_reason == heroq.StopReason.REQUESTED
        job.fail("stopped")

    with acting("osis", handler, lease=1.0):
        job = sup.submit("s", "osis")
        assert running.wait(5)
        assert sup.stop_job(job) == "stopping"
        with pytest.raises(heroq.JobFailed):
            sup.await_result(job, timeout=5)


def test_list_jobs_by_cursor(sup: heroq.Supervisor) -> None:
    ids = set(sup.submit_many(["x"] * 350, "osis")) | {sup.create_job("y", "sal").id}
    assert {row["id"] for row in sup.list_jobs(count=50)} == ids
    assert len({row["id"] for row in sup.list_jobs(type="sal")}) == 1
    assert list(sup.list_jobs(status="finished")) == []


def test_groups_and_instances(server: Server, sup: heroq.Supervisor) -> None:
    sup.submit("g", "osis", group="blue")
    with heroq.Actor(server.url, types="osis", group="blue") as actor:
        job = actor.take(5)
        assert job is not None and job.script == b"g"
        job.finish()
    with heroq.Queue("osis", server.url, group="blue") as queue:
        assert queue.key == heroq.keys.work_group("osis", "blue")
        assert len(queue) == 0


def test_the_waiter(server: Server, sup: heroq.Supervisor, acting: Acting) -> None:
    def handler(job: heroq.Job) -> None:
        job.finish(job.script) if job.script != b"bad" else job.fail("no")

    with heroq.Waiter(server.url) as waiter, acting("osis", handler):
        waiter.submit_many([str(i) for i in range(500)], 1000, "osis", timeout=20)
        waiter.submit(heroq.Job("bad", "osis"), 7, timeout=20)
        done: dict[int, dict[str, Any]] = {}
        while len(done) < 501:
            completion = waiter.take(10)
            assert completion is not None
            done[completion["tag"]] = completion
        assert done[7]["status"] == -15
        assert done[1499]["output"] in ("499", b"499")
        assert len(waiter) == 0
        waiter.submit(heroq.Job("never", "nobody"), 8, timeout=0.2)
        late = waiter.take(5)
        assert late is not None and late["status"] == -18


def test_take_from_many_threads(server: Server, sup: heroq.Supervisor) -> None:
    seen: list[str] = []
    with heroq.Actor(server.url, types="osis") as actor:

        def work() -> None:
            for job in actor:
                seen.append(job.id)
                job.finish(job.script)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        ids = sup.submit_many(["x"] * 2000, "osis")
        for job_id in ids[::50]:
            sup.await_result(job_id, timeout=20)
        wait_until(lambda: len(seen) == 2000, what="all jobs")
        assert sorted(seen) == sorted(ids)
        actor.drain(1.0)
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()


def test_queues_pause_and_doctor(server: Server, sup: heroq.Supervisor) -> None:
    sup.submit_many(["x"] * 3, "osis")
    rows = {row["script_type"]: row for row in heroq.list_queues(sup.client)}
    assert rows["osis"]["waiting"] == 3
    with heroq.Queue("osis", sup.client) as queue:
        assert [len(list(queue.page("waiting"))), queue.stats()["waiting"]] == [3, 3]
        queue.pause()
        with heroq.Actor(server.url, types="osis") as actor:
            assert actor.take(0.3) is None
            queue.resume()
            job = actor.take(5)
            assert job is not None
            job.finish()
    assert {"worst", "checks"} <= set(heroq.examine(sup.client))


def test_the_guides_two(server: Server) -> None:
    with heroq.Client(server.url) as client:
        job = heroq.Job("s", "osis", fields={"callerId": b"\0me"})
        job.store_in_redis(client)
        assert server.command("HGET", f"hero:job:{job.id}", "callerId") == b"\0me"
        job.set_result(client, b"out")
        assert server.command("HMGET", f"hero:job:{job.id}", "status", "output") == [b"finished", b"out"]
        with pytest.raises(heroq.SettledError):
            job.set_result(client, b"other")
        assert client.ping() > 0
        assert client.server_info()["server"] in ("redis", "valkey")


def test_closed_is_closed(server: Server) -> None:
    client = heroq.Client(server.url)
    supervisor = heroq.Supervisor(client)
    actor = heroq.Actor(client, types="osis")
    client.close()
    client.close()
    with pytest.raises(heroq.ClosedError):
        supervisor.submit("x", "osis")
    with pytest.raises(heroq.ClosedError):
        actor.take(1)
    assert list(actor) == []


def test_close_wakes_a_waiting_take(server: Server) -> None:
    actor = heroq.Actor(server.url, types="osis")
    thread = threading.Thread(target=lambda: list(actor))
    thread.start()
    time.sleep(0.1)
    actor.close(0)
    thread.join(2)
    assert not thread.is_alive()


def test_events_and_stats(server: Server, sup: heroq.Supervisor) -> None:
    actor = heroq.Actor(server.url, types="osis")
    sup.submit("x", "osis")
    job = actor.take(5)
    assert job is not None
    job.finish(sync=True)
    assert actor.stats()["finished"] == 1
    actor.drain(0)
    events = iter(lambda: actor.next_event(5), None)
    assert any(event["event"] == "drained" for event in events if event)
    actor.close(0)
