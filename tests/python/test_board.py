"""All queues at one look."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import heroq
import pytest
from heroq.board import Board, Row, View, name_of, span
from support.server import Server, wait_until

Q = "hero:q:work:type:osis"
H = f"{{{Q}}}"
FOREVER = 10**13  # Unix ms


@pytest.fixture
def board(sup: heroq.Supervisor) -> Board:
    return Board(sup.client)


def row(view: View, queue: str = Q) -> Row:
    (found,) = [r for r in view.queues if r.queue == queue]
    return found


def texts(view: View) -> list[str]:
    return [f"{alert.severity} {alert.subject.rpartition(':')[2]} {alert.text}" for alert in view.alerts]


def minute(server: Server, back: int = 0) -> int:
    """A minute of the server's clock; never one that is about to end."""
    wait_until(lambda: int(server.command("TIME")[0]) % 60 < 55, seconds=10)
    return int(server.command("TIME")[0]) // 60 - back


def test_nothing_is_there(board: Board) -> None:
    view = board.read()
    assert view.queues == () and view.alerts == () and view.whole
    assert (view.totals.queues, view.totals.waiting, view.totals.finished_per_minute) == (0, 0, 0)
    assert abs(view.now - time.time()) < 60


def test_rows_sums_and_order(server: Server, sup: heroq.Supervisor, board: Board) -> None:
    sup.submit("x", "osis-b")
    sup.submit_many(["x"] * 3, "osis")
    sup.submit("x", "osis", group="g", delay=60)
    sup.submit("x", "osis", group="g", instance="i")
    server.command("ZADD", f"{H}:dead", 1, "a", 2, "b")
    view = board.read()
    assert [r.name for r in view.queues] == ["osis", "group g of osis", "instance i of group g of osis", "osis-b"]
    whole, group, instance, other = view.queues
    assert (whole.waiting, whole.dead, group.delayed, instance.waiting, other.waiting) == (3, 2, 1, 1, 1)
    assert (group.script_type, group.group, instance.instance) == ("osis", "g", "i")
    sums = view.totals
    assert (sums.queues, sums.waiting, sums.delayed, sums.dead) == (4, 5, 1, 2)
    assert json.loads(json.dumps(view.as_dict()))["queues"][0] == json.loads(json.dumps(whole.as_dict()))


def test_the_last_minutes(server: Server, board: Board) -> None:
    last = minute(server, 1)
    counts = {last: "100 10 3 2", last - 12: "7 0 0 0", last - 14: "9 9 9 9"}
    for at, text in counts.items():
        server.command("HSET", f"{H}:minutes", at, text)
    server.command("HSET", f"{H}:minutes", f"{last}:w", "35:9", f"{last}:r", "45:9")
    server.command("ZADD", "{heroq}:queues", 1, Q)
    found = row(board.read())
    assert found.finished == (0, 7, *[0] * 11, 100, 0) and found.failed == (*[0] * 13, 10, 0)
    assert (found.retried[-2], found.lost[-2], len(found.retried)) == (3, 2, 15)
    assert 20 <= found.finished_per_minute <= 25 and 2 <= found.failed_per_minute <= 2.5
    assert found.error_percent == pytest.approx(100 * 10 / 110)
    assert found.wait_p95 and 0.9 <= found.wait_p95 <= 1.024 and found.run_p95 and 5 <= found.run_p95 <= 6.2
    server.command("DEL", f"{H}:minutes")
    found = row(board.read())
    assert found.error_percent is found.wait_p95 is found.run_p95 is None and set(found.finished) == {0}


def test_a_healthy_system(sup: heroq.Supervisor, board: Board, acting: Callable[..., Any]) -> None:
    def finish(job: heroq.Job) -> None:
        job.finish("done")

    with acting("osis", finish):
        sup.run_job_and_await_result("x", "osis", timeout=20)
        view = wait_until(lambda: (v := board.read()) and v.totals.finished_per_minute and v, what="it is counted")
        assert row(view).state == "idle" and view.alerts == () and view.totals.actors == 1
    with acting("osis", lambda job: wait_until(lambda: job.stop_reason, seconds=20)):
        sup.submit("x", "osis")
        view = wait_until(lambda: (v := board.read()) and v.totals.in_flight and v, what="it runs")
        assert row(view).state == "ok" and view.alerts == ()


def ago(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))


@pytest.fixture
def waiting(server: Server) -> Iterator[None]:
    """A job that was made three minutes ago, still in its queue."""
    server.command("HSET", "hero:job:old", "script", "x", "createdAt", ago(180))
    server.command("LPUSH", Q, "old")
    yield


def test_no_actor(server: Server, waiting: None, board: Board) -> None:
    view = board.read()
    assert row(view).state == "no actor" and 170 < (row(view).oldest or 0) < 200
    assert texts(view) == ["error osis osis: no actor listens (1 waiting, the oldest for 3 min)"]
    server.command("HSET", "hero:job:old", "hq_due", int(time.time() * 1000))
    view = board.read()
    assert row(view).state == "no actor" and (row(view).oldest or 0) < 60 and view.alerts == ()


def test_somebody_takes_whom_heroq_does_not_know(server: Server, waiting: None, board: Board) -> None:
    server.command("LPUSH", Q, "old", "old")
    assert row(board.read()).state == "no actor"
    server.command("LPOP", Q)
    view = board.read()
    assert row(view).state == "ok" and view.alerts == ()
    assert row(board.read()).state == "no actor"


def test_when_a_job_that_was_run_before_came_back_is_not_known(server: Server, waiting: None, board: Board) -> None:
    for field in ("hq_attempt", "hq_requeued"):
        server.command("HSET", "hero:job:old", field, 1)
        assert row(board.read()).oldest is None
        server.command("HDEL", "hero:job:old", field)
    assert row(board.read()).oldest


def test_stuck(server: Server, waiting: None, board: Board) -> None:
    server.command("ZADD", f"{H}:actors", FOREVER, "a")
    view = board.read()
    assert row(view).state == "stuck"
    assert texts(view) == ["error osis osis: its actors take nothing (1 waiting, the oldest for 3 min)"]
    server.command("ZADD", f"{H}:leases", FOREVER, "b")
    assert row(board.read()).state == "ok"
    server.command("ZADD", f"{H}:leases", 1, "b")
    assert row(board.read()).state == "stuck"
    server.command("HSET", f"{H}:meta", "last_reap", int(time.time() * 1000))
    assert row(board.read()).state == "ok"


def test_paused(server: Server, sup: heroq.Supervisor, board: Board) -> None:
    heroq.Queue("osis", sup.client).pause()
    view = board.read()
    assert row(view).state == "paused" and view.alerts == ()
    sup.submit("x", "osis")
    assert texts(board.read()) == ["warning osis osis is paused (1 waiting, the oldest for 0 s)"]


def test_no_list(server: Server, board: Board) -> None:
    server.command("SET", Q, "x")
    server.command("ZADD", "{heroq}:queues", 1, Q)
    view = board.read()
    assert row(view).state == "stuck" and texts(view)[0].startswith("error osis osis: its key is no list")


def test_failures_and_lost_leases(server: Server, board: Board) -> None:
    server.command("ZADD", "{heroq}:queues", 1, Q)
    server.command("HSET", f"{H}:minutes", minute(server, 1), "4 5 0 0")
    assert board.read().alerts == ()  # too few to say
    server.command("HSET", f"{H}:minutes", minute(server, 1), "4 6 0 3")
    assert texts(board.read()) == [
        "warning osis osis: 60 % of the jobs of the last 5 minutes failed",
        "warning osis osis: 3 leases ran out in the last 5 minutes, actors die or hang",
    ]


def test_errors_come_first(server: Server, waiting: None, board: Board) -> None:
    server.command("HSET", "hero:job:other", "script", "x", "createdAt", ago(180))
    heroq.Queue("a", board._client).pause()
    server.command("LPUSH", "hero:q:work:type:a", "other")
    assert [alert.severity for alert in board.read().alerts] == ["error", "warning"]


def test_a_look_at_many_queues_is_few_commands(server: Server, board: Board) -> None:
    now = minute(server)
    with server.connect() as link:
        for i in range(200):
            key = f"hero:q:work:type:t{i:03}"
            link.call("LPUSH", key, *(f"j{n}" for n in range(50)))
            link.call("ZADD", "{heroq}:queues", 1, key)
            link.call("HSET", f"{{{key}}}:minutes", now, "1 1 1 1")
        board.read()
        link.call("CONFIG", "RESETSTAT")
        view = board.read()
        stats = link.call("INFO", "commandstats").decode()
    calls = {name: int(n) for name, n in re.findall(r"cmdstat_(\w+):calls=(\d+)", stats)}
    assert view.totals.queues == 200 and view.totals.waiting == 10_000
    assert not calls.keys() & {"keys", "hgetall", "lrange", "smembers", "eval", "evalsha"}
    assert sum(calls.values()) < 200 * 12 + 20


def test_words() -> None:
    assert name_of("osis") == "osis" and name_of("osis", "g") == "group g of osis"
    assert [span(s) for s in (0, 119, 120, 7199, 7200, 172_800)] == [
        "0 s",
        "119 s",
        "2 min",
        "120 min",
        "2 h",
        "2 days",
    ]
