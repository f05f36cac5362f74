"""Many at once on one server: reapers, replies that nobody reads, awaits that race with everything."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import heroq
import pytest
from support.acting import OPTIONS, H, Q, Runner, ended, enqueue, enqueue_many, field, fields, store, wait_until_idle
from support.faults import FULL
from support.server import Server, wait_until


def hold_by_the_dead(server: Server, ids: list[str], actor: str) -> None:
    """What an actor leaves behind that died with these jobs."""
    due = int(server.command("TIME")[0]) * 1000 - 1000
    with server.connect() as link:
        link.call("ZADD", f"{H}:leases", *[part for job_id in ids for part in (due, job_id)])
        link.call("HSET", f"{H}:holders", *[part for job_id in ids for part in (job_id, f"1:{actor}")])


def test_65_reaper_storm(server: Server) -> None:
    """Fifty actors find what two hundred dead ones held: each id is given back once and runs once."""
    dead, each = 200, 100 if FULL else 49
    ids = [f"j{i}" for i in range(dead * each)]
    with server.connect() as link:
        for job_id in ids:
            link.send("HSET", f"hero:job:{job_id}", "script", "run", "status", "dispatched")
        for _ in ids:
            link.read()
    for i in range(dead):
        hold_by_the_dead(server, ids[i * each : (i + 1) * each], f"gone.{i}.x")
    # all is paused meanwhile, so that the sum of the recoveries can be read before jobs end
    server.command("HSET", f"{H}:meta", "paused", 1, "last_reap", int(server.command("TIME")[0]) * 1000)
    client = heroq.Client(server.url, log="off")
    actors = [heroq.Actor(client, types="fault", **OPTIONS) for _ in range(50)]
    taken: Counter[str] = Counter()
    try:
        wait_until(lambda: server.command("LLEN", Q) == len(ids), seconds=60, what="all are given back")
        assert server.command("EXISTS", f"{H}:leases", f"{H}:holders", f"{H}:delayed") == 0
        assert len(set(server.command("LRANGE", Q, 0, -1))) == len(ids)
        found = server.command("HVALS", f"{H}:recoveries")
        assert set(found) == {b"1"}
        assert len(found) == len(ids) or len(ids) > 10_000  # above that they are trimmed at random
        server.command("HDEL", f"{H}:meta", "paused")

        def run(actor: heroq.Actor) -> list[str]:
            got = []
            while job := actor.take(3):
                got.append(job.id)
                job.finish(b"done")
            return got

        with ThreadPoolExecutor(8) as pool:
            for got in pool.map(run, actors[:8]):
                taken.update(got)
    finally:
        for actor in actors:
            actor.close(0)
        client.close()
    assert ended(server, ids)
    assert taken == dict.fromkeys(ids, 1)
    assert set(fields(server, ids, "hq_attempt")) == {b"1"}
    wait_until_idle(server)


def test_61_reply_leak(server: Server) -> None:
    """Ten thousand replies that nobody reads: each list goes by itself."""
    ids = [f"j{i}" for i in range(10_000)]
    enqueue_many(server, ids)
    with Runner(server.url, lambda job: job.finish(b"x"), reply="always"):
        wait_until(lambda: server.command("LLEN", Q) == 0 and ended(server, ids), seconds=60)
        wait_until_idle(server)
    with server.connect() as link:
        for job_id in ids:
            link.send("PTTL", f"hero:q:reply:{job_id}")
        left = [link.read() for _ in ids]
        assert min(left) > 3_000_000 and max(left) <= 3_600_000
        # the end of that time, without waiting for it
        for job_id in ids:
            link.send("PEXPIRE", f"hero:q:reply:{job_id}", 1)
        for _ in ids:
            link.read()
    wait_until(lambda: not server.command("KEYS", "hero:q:reply:*"), what="none is left")


def test_61_replies_of_one_job_are_bounded(server: Server) -> None:
    with Runner(server.url, reply="always"), heroq.Supervisor(server.url) as sup:
        enqueue(server, "a", hq_queue=Q)
        for _ in range(40):
            wait_until(lambda: ended(server, ["a"]))
            wait_until_idle(server)
            # what a foreign program does to run it again: the list is not deleted then
            server.command("HSET", "hero:job:a", "status", "dispatched")
            server.command("HDEL", "hero:job:a", "hq_token")
            server.command("LPUSH", Q, "a")
        wait_until_idle(server)
        assert server.command("LLEN", "hero:q:reply:a") == 16
        assert sup.await_result("a", timeout=5) == b"done a"


# ---- awaits that race ----


class Awaiting:
    """An await on a thread, begun when the server has seen it."""

    def __init__(self, server: Server, pool: ThreadPoolExecutor, sup: heroq.Supervisor, job: str, seconds: float):
        store(server, job)
        self.future: Future[bytes] = pool.submit(sup.await_result, job, timeout=seconds)
        wait_until(lambda: field(server, job, "hq_reply_to"), what="it waits")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as made:
        yield made


@pytest.fixture
def sup(server: Server) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(server.url, log="off") as made:
        yield made


def finish_hash(server: Server, job_id: str, output: str = "done") -> None:
    server.command("HSET", f"hero:job:{job_id}", "output", output, "status", "finished")


def reply(server: Server, job_id: str, text: str = "done") -> None:
    server.command("LPUSH", f"hero:q:reply:{job_id}", text)


ORDERS: dict[str, list[Callable[[Server, str], None]]] = {
    "hash": [finish_hash],
    "reply": [reply],
    "hash then reply": [finish_hash, reply],
    "reply then hash": [reply, finish_hash],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_62_await_orders(
    server: Server, sup: heroq.Supervisor, pool: ThreadPoolExecutor, order: str, when: str
) -> None:
    if when == "before":
        store(server, "a")
        for write in ORDERS[order]:
            write(server, "a")
        began = time.monotonic()
        assert sup.await_result("a", timeout=20) == b"done"
    else:
        waiting = Awaiting(server, pool, sup, "a", 20)
        began = time.monotonic()
        for write in ORDERS[order]:
            write(server, "a")
        assert waiting.future.result() == b"done"
    # a reply alone counts after 1 s, a hash is seen at the latest with the next look
    assert time.monotonic() - began < 8
    assert field(server, "a", "status") == b"finished" and field(server, "a", "output") == b"done"
    wait_until(lambda: not server.command("EXISTS", "hero:q:reply:a"), what="the waiter's list is gone")


def test_62_hash_and_reply_disagree(server: Server, sup: heroq.Supervisor, pool: ThreadPoolExecutor) -> None:
    waiting = Awaiting(server, pool, sup, "a", 20)
    with server.connect() as link:
        link.send("MULTI")
        link.send("LPUSH", "hero:q:reply:a", "of the reply")
        link.send("HSET", "hero:job:a", "output", "of the hash", "status", "finished")
        link.send("EXEC")
        for _ in range(4):
            link.read()
    assert waiting.future.result() == b"of the hash"


def test_62_two_waiters(server: Server, sup: heroq.Supervisor, pool: ThreadPoolExecutor) -> None:
    """One list and one reply: whoever does not get it sees the hash."""
    with heroq.Supervisor(server.url, log="off") as other:
        store(server, "a")
        futures = [pool.submit(one.await_result, "a", timeout=30) for one in (sup, other, sup, other)]
        wait_until(lambda: field(server, "a", "hq_reply_to"))
        with Runner(server.url):
            server.command("LPUSH", Q, "a")
            assert [one.result() for one in futures] == [b"done a"] * 4


def test_62_hash_expires(server: Server, sup: heroq.Supervisor, pool: ThreadPoolExecutor) -> None:
    waiting = Awaiting(server, pool, sup, "a", 30)
    server.command("DEL", "hero:job:a")
    with pytest.raises(heroq.NotFoundError):
        waiting.future.result(20)
    assert not server.command("EXISTS", "hero:job:a")


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.7, 2.0])
def test_62_deadline(server: Server, sup: heroq.Supervisor, seconds: float) -> None:
    store(server, "a")
    began = time.monotonic()
    with pytest.raises(heroq.TimeoutError):
        sup.await_result("a", timeout=seconds)
    took = time.monotonic() - began
    assert seconds - 0.1 <= took < seconds + 1  # 0.1, and what a loaded machine needs
    assert field(server, "a", "status") == b"dispatched"


@pytest.mark.parametrize("kill", [False, True])
def test_62_restart_during_the_wait(new_server: Callable[..., Server], pool: ThreadPoolExecutor, kill: bool) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    with heroq.Supervisor(server.url, log="off") as sup:
        waiting = Awaiting(server, pool, sup, "a", 30)
        (server.kill9 if kill else server.stop)()
        time.sleep(0.5)  # the length of the outage
        server.restart()
        assert not waiting.future.done()
        with Runner(server.url):
            server.command("LPUSH", Q, "a")
            assert waiting.future.result() == b"done a"


def test_62_restart_without_its_data(new_server: Callable[..., Server], pool: ThreadPoolExecutor) -> None:
    server = new_server()
    with heroq.Supervisor(server.url, log="off") as sup:
        waiting = Awaiting(server, pool, sup, "a", 30)
        server.kill9()
        server.restart()
        with pytest.raises(heroq.NotFoundError):
            waiting.future.result(25)


def test_62_many_races(server: Server, sup: heroq.Supervisor, pool: ThreadPoolExecutor) -> None:
    """Results come at any moment around the beginning of the wait."""
    with Runner(server.url, lambda job: job.finish(f"done {job.id}")):
        for i in range(200):
            job_id = f"j{i}"
            store(server, job_id)
            push = pool.submit(partial(server.command, "LPUSH", Q, job_id))
            assert sup.await_result(job_id, timeout=20) == f"done {job_id}".encode()
            push.result()
        wait_until_idle(server)
    # a reply that comes when its waiter has read the hash and is gone lives for an hour
    assert all(0 < server.command("PTTL", key) <= 3_600_000 for key in server.command("KEYS", "hero:q:reply:*"))
