"""Of the idle actors of a queue one looks for what is due (c/PROTOCOL.md, 2.9), and another when that one is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.faults import H, Runner, load_scripts, output, word_of
from support.server import Server, wait_until

PROMOTE = word_of("promote").encode()


def watcher(server: Server) -> tuple[float, bytes]:
    """For how many ms from now, and who; nobody: −1."""
    till, _, who = (server.command("HGET", f"{H}:meta", "watch") or b"0 ").partition(b" ")
    seconds, micros = server.command("TIME")
    return max(-1.0, int(till) - int(seconds) * 1000 - int(micros) / 1000), who


def delay(server: Server, job_id: str, ms: int) -> None:
    """As a foreign program would, which wakes nobody."""
    server.command("HSET", f"hero:job:{job_id}", "script", "run", "status", "dispatched")
    seconds, micros = server.command("TIME")
    server.command("ZADD", f"{H}:delayed", int(seconds) * 1000 + int(micros) // 1000 + ms, job_id)


@pytest.fixture
def idle(server: Server) -> Iterator[list[Runner]]:
    load_scripts(server)
    runners: list[Runner] = []
    yield runners
    for runner in runners:
        runner.close()


def test_idle_actors_leave_it_to_one(server: Server, idle: list[Runner]) -> None:
    actors, seconds = 8, 5.0
    idle += [Runner(server.url, block="5s") for _ in range(actors)]
    wait_until(lambda: server.command("ZCARD", f"{H}:actors") == actors, what="all are there")
    wait_until(lambda: watcher(server)[0] > 0, what="one keeps watch")
    server.command("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 100000)
    try:
        server.command("SLOWLOG", "RESET")
        time.sleep(seconds)
        asked = [entry[3][1] for entry in server.command("SLOWLOG", "GET", 100000) if entry[3][0] == b"EVALSHA"]
    finally:
        server.command("CONFIG", "SET", "slowlog-log-slower-than", 10000)
    # All of them each second would be 40 times. One does, the others each 2.3 to 3.5 s, but each second at first.
    assert 3 <= asked.count(PROMOTE) <= 32, asked.count(PROMOTE)


def test_what_another_delays_comes_in_time(server: Server, idle: list[Runner]) -> None:
    idle += [Runner(server.url, block="5s") for _ in range(3)]
    wait_until(lambda: watcher(server)[0] > 0, what="one keeps watch")
    for job_id, ms in (("a", 0), ("b", 1500)):
        delay(server, job_id, ms)
        wait_until(lambda job_id=job_id: output(server, job_id), seconds=10, what=f"{job_id} is promoted")


@pytest.mark.parametrize("how", ["closes", "is gone"])
def test_another_takes_the_watch_over(server: Server, idle: list[Runner], how: str) -> None:
    with ExitStack() as last:
        first = last.enter_context(Runner(server.url, block="5s"))
        wait_until(lambda: watcher(server)[0] > 0, what="the first keeps watch")
        who = watcher(server)[1]
        idle.append(Runner(server.url, block="5s"))
        wait_until(lambda: server.command("ZCARD", f"{H}:actors") == 2, what="both are there")
        assert watcher(server)[1] == who
        if how == "is gone":  # its watch stays, as a killed process leaves it
            first.actor.close(0)
            seconds, _ = server.command("TIME")
            server.command("HSET", f"{H}:meta", "watch", f"{int(seconds) * 1000 + 2500} {who.decode()}")
        else:
            first.close()
            assert watcher(server)[0] <= 0 or watcher(server)[1] != who, "it did not give the watch up"
    delay(server, "a", 100)
    wait_until(lambda: output(server, "a"), seconds=15, what="the other one promotes it")
    assert watcher(server)[1] != who


def test_who_works_looks_for_himself(server: Server, idle: list[Runner]) -> None:
    """Somebody keeps watch and does nothing: what an actor delays itself comes when it is due."""
    with server.connect() as link:
        seconds, _ = link.call("TIME")
        link.call("HSET", f"{H}:meta", "watch", f"{int(seconds) * 1000 + 50_000} nobody")
        idle.append(Runner(server.url, retries=1, backoff="200ms", block="5s"))
        link.call("HSET", "hero:job:r", "script", "fail once", "status", "dispatched", "retries", 1)
        link.call("LPUSH", "hero:q:work:type:fault", "r")
        wait_until(lambda: output(server, "r"), seconds=10, what="the retry is promoted")
