"""A blocked command and the TAKE in its pipeline (c/PROTOCOL.md, 2.4): what comes between, and what is lost of it."""

from __future__ import annotations

import re
import time

import pytest
from support.acting import sizes
from support.faultproxy import FaultProxy
from support.faults import H, Q, Runner, enqueue, field, load_scripts, nothing_left, output, word_of
from support.server import Server, wait_until

WAITS = {"block": "20s"}  # it waits until something comes


def waits(server: Server, n: int = 1) -> None:
    wait_until(
        lambda: server.command("CLIENT", "LIST").count(b"cmd=blmove") == n, what=f"{n} wait in their blocked command"
    )


def is_done(server: Server, job_id: str, attempt: int = 1, seconds: float = 15) -> None:
    wait_until(lambda: output(server, job_id), seconds=seconds, what=f"{job_id} is done")
    assert field(server, job_id, "hq_attempt") == str(attempt).encode()
    wait_until(lambda: nothing_left(server), what="nothing is left over")


def its_client(server: Server) -> bytes:
    (line,) = [line for line in server.command("CLIENT", "LIST").splitlines() if b"cmd=blmove" in line]
    return bytes(line.split()[0].partition(b"=")[2])


def takes(server: Server) -> list[list[bytes]]:
    """The arguments of every TAKE since the log was emptied."""
    log = [entry[3] for entry in server.command("SLOWLOG", "GET", 1000)]
    return [words[10:] for words in log if words[:2] == [b"EVALSHA", word_of("take").encode()]]


def test_one_answer_brings_the_id_and_its_token(server: Server) -> None:
    load_scripts(server)
    server.command("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 1000)
    with Runner(server.url, **WAITS):
        waits(server)
        server.command("SLOWLOG", "RESET")
        enqueue(server, "a")
        is_done(server, "a")
        assert takes(server)[-1][3:] == [b"", b"100", b"0", b"1"]
        assert not [one for one in takes(server) if one[3]], "the id was asked for by name"
    server.command("CONFIG", "SET", "slowlog-log-slower-than", 10000)


def test_many_actors_wait_and_each_takes_one(server: Server) -> None:
    runners = [Runner(server.url, **WAITS) for _ in range(4)]
    try:
        waits(server, 4)
        for job_id in "abcd":
            server.command("HSET", f"hero:job:{job_id}", "script", "run", "status", "dispatched")
        server.command("LPUSH", Q, *"abcd")
        for job_id in "abcd":
            is_done(server, job_id)
        assert sorted(job_id for runner in runners for job_id, _ in runner.runs) == list("abcd")
    finally:
        for runner in runners:
            runner.close()


def test_the_scripts_are_flushed_while_it_waits(server: Server) -> None:
    with Runner(server.url, **WAITS):
        waits(server)
        server.command("SCRIPT", "FLUSH")
        enqueue(server, "a")
        is_done(server, "a")
        assert server.command("HLEN", f"{H}:recoveries") == 0


def test_the_queue_is_paused_while_it_waits(server: Server) -> None:
    with Runner(server.url, **WAITS) as runner:
        waits(server)
        server.command("HSET", f"{H}:meta", "paused", 1)
        enqueue(server, "a")
        wait_until(lambda: runner.actor.stats()["paused"], what="the actor knows")
        assert server.command("LRANGE", Q, 0, -1) == [b"a"] and not server.command("EXISTS", f"{H}:handoff")
        assert field(server, "a", "status") == b"dispatched"
        server.command("HDEL", f"{H}:meta", "paused")
        is_done(server, "a")


def test_memory_is_full_when_the_job_comes(server: Server) -> None:
    """BLMOVE has moved the id and its TAKE is refused, or a newer server refuses BLMOVE too; so until there is room."""
    with Runner(server.url, **WAITS, handoff_grace="60s", log="events") as runner:
        waits(server)
        with server.connect() as link:
            link.call("HSET", "hero:job:a", "script", "run", "status", "dispatched")
            link.call("MULTI")
            link.call("LPUSH", Q, "a")
            link.call("CONFIG", "SET", "maxmemory", 1)
            link.call("EXEC")
        try:
            wait_until(lambda: [text for text in runner.said() if "take:" in text], what="the TAKE is refused")
            lies = server.command("LRANGE", f"{H}:handoff", 0, -1), server.command("LRANGE", Q, 0, -1)
            assert lies in (([b"a"], []), ([], [b"a"]))
        finally:
            server.command("CONFIG", "SET", "maxmemory", 0)
        is_done(server, "a")


def test_an_id_that_somebody_left_is_taken_and_then_its_own(server: Server) -> None:
    """Long before the reaper would give it back."""
    with Runner(server.url, **WAITS, handoff_grace="60s"):
        waits(server)
        server.command("HSET", "hero:job:left", "script", "run", "status", "dispatched")
        server.command("LPUSH", f"{H}:handoff", "left")
        enqueue(server, "a")
        is_done(server, "a")
        is_done(server, "left")


@pytest.mark.parametrize("how", ["unblock", "close"])
def test_it_is_unblocked_where_somebody_left_an_id(server: Server, how: str) -> None:
    """Run by an actor that goes on, given back by one that closes."""
    runner = Runner(server.url, **WAITS, handoff_grace="60s")
    try:
        waits(server)
        server.command("HSET", "hero:job:left", "script", "run", "status", "dispatched")
        server.command("LPUSH", f"{H}:handoff", "left")
        if how == "unblock":
            server.command("CLIENT", "UNBLOCK", its_client(server))
            is_done(server, "left")
    finally:
        runner.close()
    if how == "close":
        assert sizes(server)["holders"] == sizes(server)["leases"] == sizes(server)["handoff"] == 0
        assert server.command("LRANGE", Q, 0, -1) == [b"left"]


def test_nothing_came_in_time(server: Server) -> None:
    """Blocked command after blocked command ends empty: nothing is written."""
    with Runner(server.url, block="100ms"):
        waits(server)
        ended = re.compile(rb"cmdstat_blmove:calls=(?:[4-9]|[1-9]\d)")
        wait_until(lambda: ended.search(server.command("INFO", "commandstats")), what="some end")
        assert not any(sizes(server).values())
        enqueue(server, "a")
        is_done(server, "a")
        assert server.command("HLEN", f"{H}:recoveries") == 0


@pytest.mark.parametrize("queues", [1, 2])
def test_a_suspect_comes_while_it_waits(server: Server, queues: int) -> None:
    """The TAKE behind leaves it, the next one takes it alone, also out of an actor's second queue."""
    with Runner(server.url, **WAITS, group="g" if queues == 2 else ""):
        waits(server, queues)
        server.command("HSET", f"{H}:recoveries", "a", 2)
        enqueue(server, "a")
        is_done(server, "a")


def test_what_comes_beside_a_suspect_is_given_back(server: Server) -> None:
    """It runs a suspect out of one queue when its blocked command on another brings a job."""
    group = f"{Q}:group:g"
    seen: list[dict[str, int]] = []

    def handler(job: object) -> None:
        if getattr(job, "id", "") == "s":
            server.command("HSET", "hero:job:a", "script", "run", "status", "dispatched")
            server.command("LPUSH", group, "a")
            wait_until(lambda: server.command("LRANGE", group, 0, -1) == [b"a"], what="it is back in its queue")
            seen.append(sizes(server, group))
        job.finish("done")  # type: ignore[attr-defined]

    with Runner(server.url, handler, threads=2, group="g", **WAITS):
        waits(server, 2)
        server.command("HSET", f"{H}:recoveries", "s", 2)
        enqueue(server, "s")
        is_done(server, "a")
    assert seen and seen[0]["holders"] == seen[0]["leases"] == 0


@pytest.mark.parametrize("at", [None, 7])
def test_the_answer_is_lost(server: Server, at: int | None) -> None:
    """All of it, or that of the TAKE alone: MINE, or the TAKE that names the id, brings what is held already."""
    load_scripts(server)
    with FaultProxy(server.port) as proxy:
        proxy.arm("BLMOVE", "lose" if at is None else "cut", at=at)
        with Runner(proxy.url, **WAITS, lease="30s"):
            waits(server)
            enqueue(server, "a")  # "$1\r\na\r\n" are 7 bytes
            is_done(server, "a")
            assert server.command("HLEN", f"{H}:recoveries") == 0


@pytest.mark.parametrize("harm", ["orphan", "stall"])
def test_its_actor_is_out_of_reach(server: Server, harm: str) -> None:
    """The server carries both out for nobody: another actor has the job after the short lease."""
    load_scripts(server)
    with FaultProxy(server.port) as proxy:
        proxy.arm("BLMOVE", harm)
        first = Runner(proxy.url, **WAITS, lease="5s", handoff_grace="1s", close_timeout="500ms")
        try:
            wait_until(proxy.fired.is_set)
            waits(server, 1 if harm == "stall" else 2)
            proxy.freeze()
            enqueue(server, "a")
            wait_until(lambda: server.command("ZSCORE", f"{H}:leases", "a"), what="it is taken")
            seconds, micros = server.command("TIME")
            left = float(server.command("ZSCORE", f"{H}:leases", "a")) - int(seconds) * 1000 - int(micros) / 1000
            assert left <= 3400  # two heartbeats, of a third of a lease each
            started = time.monotonic()
            with Runner(server.url, lease="2s", threads=1):
                is_done(server, "a", seconds=10)
            assert time.monotonic() - started < 10
        finally:
            proxy.thaw()
            first.close()
