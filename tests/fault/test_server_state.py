"""The server's own troubles: no memory, loading, paused, read-only, busy with a script, its file cut, keys evicted."""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import heroq
import pytest
from support.acting import H, Runner, ended, enqueue, enqueue_many, field, fields, sizes, store, wait_until_idle
from support.server import Connection, Server, ServerError, wait_until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


class Load:
    """Submits jobs one by one until it is stopped; those whose submit was answered."""

    def __init__(self, url: str) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[heroq.HeroqError] = []
        self._sup = heroq.Supervisor(url, op_timeout="10s", log="off")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.acknowledged.append(self._sup.submit("run", script_type="fault").id)
            except heroq.HeroqError as error:
                self.refused.append(error)
            time.sleep(0.002)

    def stop(self) -> list[str]:
        self._stop.set()
        self._thread.join(30)
        self._sup.close()
        return self.acknowledged


def recoveries(server: Server) -> int:
    return sizes(server)["recoveries"]


def findings(server: Server) -> list[dict[str, Any]]:
    with heroq.Client(server.url) as client:
        return [one for one in heroq.doctor.examine(client)["checks"] if one["severity"] in ("warning", "error")]


ACTS = """
import sys, heroq
with heroq.Actor(sys.argv[1], types="fault", lease="600ms", block="200ms") as actor:
    for job in actor:
        job.finish("done")
"""


@contextmanager
def logging_actor(server: Server) -> Iterator[Callable[[], list[bytes]]]:
    """An actor in a process of its own that logs to stderr; called, it ends and tells what it wrote there."""
    with subprocess.Popen([sys.executable, "-c", ACTS, server.url], stderr=subprocess.PIPE) as actor:

        def log() -> list[bytes]:
            actor.kill()
            return actor.communicate()[1].splitlines()

        wait_until(lambda: server.command("ZCARD", f"{H}:actors") >= 1, seconds=30, what="it is there")
        try:
            yield log
        finally:
            actor.kill()


# ---- restarts ----


def aof_file(server: Server) -> Path:
    """The file that the server appends to."""
    folder = server.dir / "appendonlydir"
    return sorted(folder.glob("*.incr.aof"))[-1] if folder.exists() else server.dir / "appendonly.aof"


@pytest.mark.parametrize("cut", [1, 20, 500])
def test_20_aof_truncated(new_server: Callable[..., Server], cut: int) -> None:
    """What the file's end held is lost, a script's writes all or none of them; actors that lived on go on."""
    server = new_server("--appendonly", "yes", "--appendfsync", "always", "--aof-load-truncated", "yes")
    with Runner(server.url, lambda job: job.finish("x" * 50)) as runner:
        load = Load(server.url)
        wait_until(lambda: len(runner.runs) > 200)
        server.kill9()
        load.stop()
        path = aof_file(server)
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - cut)
        server.restart()
        with server.connect() as link:  # a script that was cut in two would leave one without the other
            for job_id in link.call("HKEYS", f"{H}:holders"):
                assert link.call("ZSCORE", f"{H}:leases", job_id) is not None
        enqueue(server, "after")
        wait_until(lambda: ended(server, ["after"]))
        wait_until_idle(server)
        left = [job_id for job_id in load.acknowledged if not ended(server, [job_id])]
        # the last submit may have been cut off, or the end of a job that no queue knows any more
        assert len(left) <= 2
        bad = [one for one in findings(server) if one["check"] in ("leases", "handoff", "queues", "replies")]
        assert not bad


def test_21_loading(new_server: Callable[..., Server]) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    server.command("EVAL", "for i = 1, 20000 do redis.call('SET', 'k' .. i, string.rep('x', 50)) end", 0)
    with logging_actor(server) as log, Runner(server.url), ThreadPoolExecutor() as pool:
        enqueue(server, "before")
        wait_until(lambda: ended(server, ["before"]))
        wait_until_idle(server)
        server.kill9()
        server.args += ["--key-load-delay", "150", "--loading-process-events-interval-bytes", "1024"]
        down = time.monotonic()
        restart = pool.submit(server.restart)
        loading = wait_until(lambda: saw_loading(server), what="the server is loading")
        restart.result(60)
        assert time.monotonic() - loading > 1
        enqueue(server, "after")
        wait_until(lambda: ended(server, ["after"]), seconds=15)
        wait_until_idle(server)
        assert fields(server, ["before", "after"], "hq_attempt") == [b"1", b"1"]
        lines = log()
        assert 1 <= len(lines) <= time.monotonic() - down + 1, lines


def saw_loading(server: Server) -> float:
    try:
        with Connection(server.port, timeout=5) as link:
            link.call("GET", "k1")
    except ServerError as error:
        assert str(error).startswith("LOADING")
        return time.monotonic()
    except OSError:
        pass
    return 0.0


# ---- it does not answer for a while ----


@pytest.mark.parametrize("mode", ["ALL", "WRITE"])
def test_23_client_pause(server: Server, mode: str) -> None:
    """Shorter than the lease: nothing is reaped, everything ends."""
    with Runner(server.url, lease="20s", op_timeout="15s") as runner:
        load = Load(server.url)
        try:
            wait_until(lambda: len(runner.runs) > 20)
            server.command("CLIENT", "PAUSE", 5000, mode)
            time.sleep(1)  # jobs under way when the pause begins, and none for a while
            before = len(runner.runs)
            wait_until(lambda: len(runner.runs) > before + 100, seconds=20, what="it goes on")
        finally:
            ids = load.stop()
        wait_until(lambda: ended(server, ids), seconds=20)
        wait_until_idle(server)
        assert not load.refused and recoveries(server) == 0
        assert set(runner.run_count().values()) == {1}


@pytest.mark.parametrize("mode", ["ALL", "WRITE"])
def test_23_client_pause_longer_than_a_lease(server: Server, mode: str, gate: threading.Event) -> None:
    """The outage grace: whoever holds a job renews before anybody may reap."""

    def handler(job: heroq.Job) -> None:
        assert gate.wait(30)
        job.finish("done")

    with Runner(server.url, handler, op_timeout="10s") as runner, Runner(server.url, op_timeout="10s"):
        enqueue(server, "a")
        wait_until(lambda: server.command("HLEN", f"{H}:holders") == 1)
        server.command("CLIENT", "PAUSE", 2000, mode)
        time.sleep(2)  # the length of the pause
        wait_until(lambda: int(server.command("HGET", f"{H}:meta", "last_reap")) > server_ms(server) - 1000)
        gate.set()
        wait_until(lambda: ended(server, ["a"]))
        wait_until_idle(server)
        assert field(server, "a", "hq_attempt") == b"1" and len(runner.runs) <= 1


def server_ms(server: Server) -> int:
    seconds, micro = server.command("TIME")
    return int(seconds) * 1000 + int(micro) // 1000


@pytest.mark.parametrize("how", ["TIMEOUT", "ERROR"])
def test_24_client_unblock(server: Server, how: str) -> None:
    with Runner(server.url, block="5s") as runner:
        for i in range(5):
            client_id = wait_until(lambda: blocked_client(server), what="it blocks")
            assert server.command("CLIENT", "UNBLOCK", client_id, how) == 1
            enqueue(server, f"j{i}")
            wait_until(partial(ended, server, [f"j{i}"]), what="it takes again")
        wait_until_idle(server)
        assert runner.runs == [(f"j{i}", 1) for i in range(5)]
        assert runner.said() == []


def blocked_client(server: Server) -> int:
    for line in server.command("CLIENT", "LIST").decode().splitlines():
        words = dict(word.split("=", 1) for word in line.split())
        if words["cmd"] == "blmove" and "b" in words["flags"]:
            return int(words["id"])
    return 0


def test_45_slow_script(server: Server, gate: threading.Event) -> None:
    """Somebody's script keeps the server busy for 3 s: it is waited for, and not killed."""

    def handler(job: heroq.Job) -> None:
        assert job.id != "a" or gate.wait(30)
        job.finish("done")

    server.command("CONFIG", "SET", "lua-time-limit", 100)
    spin = """local t = redis.call('TIME')
        repeat local n = redis.call('TIME') until (n[1] - t[1]) * 1000 + (n[2] - t[2]) / 1000 > 3000
        return 'ran to its end'"""
    with (
        Runner(server.url, handler) as runner,
        heroq.Supervisor(server.url, log="off") as sup,
        logging_actor(server) as log,
    ):
        enqueue(server, "a")
        wait_until(lambda: server.command("HLEN", f"{H}:holders") == 1)
        began = time.monotonic()
        with ThreadPoolExecutor() as pool:
            script = pool.submit(server.command, "EVAL", spin, 0)
            wait_until(lambda: is_busy(server), what="the server is busy")
            gate.set()  # the result comes as it is busy
            with pytest.raises(heroq.HeroqError, match="BUSY") as caught:
                sup.submit("run", script_type="fault")
            assert caught.value.retryable
            assert script.result() == b"ran to its end"
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["a", "b"]))
        wait_until_idle(server)
        assert fields(server, ["a", "b"], "hq_attempt") == [b"1", b"1"]
        assert runner.said()
        lines = log()
        assert 1 <= len(lines) <= time.monotonic() - began + 1, lines
        assert b"cmdstat_script|kill" not in server.command("INFO", "commandstats")
    server.command("CONFIG", "SET", "lua-time-limit", 5000)


def is_busy(server: Server) -> bool:
    try:
        server.command("GET", "k")
    except ServerError as error:
        return str(error).startswith("BUSY")
    return False


# ---- it refuses ----


def test_28_replicaof_live(server: Server, gate: threading.Event) -> None:
    """It becomes a replica under a blocked actor that holds a job, and a primary again."""

    def handler(job: heroq.Job) -> None:
        assert job.id != "a" or gate.wait(30)
        job.finish("done")

    with Runner(server.url, handler, block="30s", types="fault,other") as runner:
        enqueue(server, "a")
        wait_until(lambda: runner.runs)
        wait_until(lambda: blocked_client(server) or runner.runs)
        server.command("REPLICAOF", "127.0.0.1", 1)
        try:
            gate.set()
            with heroq.Supervisor(server.url, log="off") as sup, pytest.raises(heroq.HeroqError) as caught:
                sup.submit("run", script_type="fault")
            assert caught.value.retryable and "READONLY" in str(caught.value)
            time.sleep(2)  # the length of the outage
            assert field(server, "a", "status") == b"started"
            assert len(runner.said()) < 40
        finally:
            server.command("REPLICAOF", "NO", "ONE")
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["a", "b"]), seconds=15)
        wait_until_idle(server)
        assert runner.run_count() == {"a": 1, "b": 1}


def test_28_replicaof_while_idle(server: Server) -> None:
    with Runner(server.url, block="60s") as runner:
        wait_until(lambda: blocked_client(server))
        server.command("REPLICAOF", "127.0.0.1", 1)
        wait_until(lambda: runner.said(), what="it is told of")
        server.command("REPLICAOF", "NO", "ONE")
        enqueue(server, "a")
        wait_until(lambda: ended(server, ["a"]), seconds=15)
        wait_until_idle(server)


def test_masterdown(server: Server, gate: threading.Event) -> None:
    """A replica that has lost its primary and may not answer from what it has."""

    def handler(job: heroq.Job) -> None:
        assert job.id != "a" or gate.wait(30)
        job.finish("done")

    with Runner(server.url, handler, block="30s") as runner:
        enqueue(server, "a")
        wait_until(lambda: runner.runs)
        server.command("CONFIG", "SET", "replica-serve-stale-data", "no")
        server.command("REPLICAOF", "127.0.0.1", 1)
        try:
            gate.set()
            with heroq.Supervisor(server.url, log="off", op_timeout="2s") as sup:
                with pytest.raises(heroq.HeroqError, match=r"MASTERDOWN|READONLY") as caught:
                    sup.get_status("a")
                assert caught.value.retryable
            time.sleep(2)  # the length of the outage
            assert len(runner.said()) < 40
        finally:
            server.command("REPLICAOF", "NO", "ONE")
            server.command("CONFIG", "SET", "replica-serve-stale-data", "yes")
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["a", "b"]), seconds=15)
        wait_until_idle(server)
        assert runner.run_count() == {"a": 1, "b": 1}


def test_29_min_replicas(server: Server, gate: threading.Event) -> None:
    def handler(job: heroq.Job) -> None:
        assert gate.wait(30)
        job.finish("done")

    with Runner(server.url, handler) as runner, heroq.Supervisor(server.url, log="off") as sup:
        enqueue(server, "a")
        wait_until(lambda: runner.runs)
        server.command("CONFIG", "SET", "min-replicas-to-write", 1)
        try:
            gate.set()
            for call in (
                lambda: sup.submit("run", script_type="fault"),
                lambda: sup.submit("run", script_type="fault", delay=60, id="guarded"),
                lambda: sup.stop_job("a"),
            ):
                with pytest.raises(heroq.HeroqError, match="NOREPLICAS") as caught:
                    call()
                assert caught.value.retryable and caught.value.name == "HEROQ_E_UNAVAILABLE"
            time.sleep(1)  # the length of the outage
            assert len(runner.said()) < 30
        finally:
            server.command("CONFIG", "SET", "min-replicas-to-write", 0)
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["a", "b"]), seconds=15)
        wait_until_idle(server)
        assert runner.run_count() == {"a": 1, "b": 1}


def test_no_memory(server: Server, gate: threading.Event) -> None:
    """At maxmemory a start is refused; what runs is renewed and ends, with its reply; the rest waits."""

    def handler(job: heroq.Job) -> None:
        assert gate.wait(30)
        job.finish("x" * 1000)

    with Runner(server.url, handler, retries=1) as runner, heroq.Supervisor(server.url, log="off") as sup:
        enqueue(server, "a", hq_reply_to="hero:q:reply:a")
        wait_until(lambda: runner.runs)
        store(server, "later")
        server.command("CONFIG", "SET", "maxmemory", 1)
        try:
            for call in (
                lambda: sup.submit("run", script_type="fault"),
                lambda: sup.submit("run", script_type="fault", id="guarded", urgent=True),
                lambda: sup.create_job("run", script_type="fault"),
                lambda: sup.start_job("later", "fault"),
                lambda: sup.submit_many(["run"], script_type="fault"),
            ):
                with pytest.raises(heroq.HeroqError, match="OOM") as caught:
                    call()
                assert caught.value.retryable
            time.sleep(1.2)  # two leases: the heartbeat has to pass
            assert recoveries(server) == 0
            gate.set()
            wait_until(lambda: ended(server, ["a"]))
            wait_until_idle(server)
            assert server.command("LLEN", "hero:q:reply:a") == 1
        finally:
            server.command("CONFIG", "SET", "maxmemory", 0)
        sup.start_job("later", "fault")
        wait_until(lambda: ended(server, ["later"]))
        wait_until_idle(server)
        assert runner.run_count() == {"a": 1, "later": 1}


# ---- structures that somebody threw away ----


def test_31_eviction_policy(server: Server) -> None:
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    server.command("CONFIG", "SET", "maxmemory", "1gb")
    try:
        (found,) = [one for one in findings(server) if one["check"] == "eviction"]
        assert found["severity"] == "error" and "allkeys-lru" in found["found"]
        with Runner(server.url) as runner:  # whoever starts is warned
            wait_until(lambda: any("allkeys-lru" in text for text in runner.said()), what="the warning")
        # its mend, as it is written
        server.cli(*found["mend"].split()[1:])
        assert not [one for one in findings(server) if one["check"] == "eviction"]
    finally:
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        server.command("CONFIG", "SET", "maxmemory", 0)


HOLDS_THREE = """
import sys, time, heroq
actor = heroq.Actor(sys.argv[1], types="fault", lease="600ms", log="off")
jobs = [actor.take() for _ in range(3)]
print("held", flush=True)
time.sleep(600)
"""


def test_31_evicted_leases(server: Server) -> None:
    """An actor died and the leases are gone: the doctor names the held ids, and its mend gives them back."""
    ids = [f"j{i}" for i in range(3)]
    enqueue_many(server, ids)
    with subprocess.Popen([sys.executable, "-c", HOLDS_THREE, server.url], stdout=subprocess.PIPE) as actor:
        assert actor.stdout and actor.stdout.readline() == b"held\n"
        actor.kill()
    server.command("DEL", f"{H}:leases")
    with Runner(server.url) as runner:
        (bad,) = [one for one in findings(server) if "without a lease" in one["found"]]
        assert "3 held jobs" in bad["found"] and all(job_id in bad["found"] for job_id in ids)
        server.cli(*shlex.split(bad["mend"])[1:])
        wait_until(lambda: ended(server, ids), what="they run again")
        wait_until_idle(server)
        assert runner.run_count() == dict.fromkeys(ids, 1)


def test_31_leases_of_living_actors(server: Server, gate: threading.Event) -> None:
    """The heartbeat writes them again."""

    def handler(job: heroq.Job) -> None:
        assert gate.wait(30)
        job.finish("done")

    with Runner(server.url, handler) as runner:
        enqueue(server, "a")
        wait_until(lambda: runner.runs)
        server.command("DEL", f"{H}:leases")
        wait_until(lambda: server.command("ZSCORE", f"{H}:leases", "a"), seconds=5, what="the lease is there again")
        gate.set()
        wait_until(lambda: ended(server, ["a"]))
        wait_until_idle(server)
        assert runner.runs == [("a", 1)]
