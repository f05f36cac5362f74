"""Requests and answers that are lost, late, cut or wrong, for each command an actor sends: one result, nothing lost.

The actor is in this process, behind a proxy that does the harm; the oracle looks at the server itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import heroq
import pytest
from support.crew import Crew
from support.faultproxy import FaultProxy
from support.faults import (
    OPTIONS,
    H,
    Q,
    Runner,
    enqueue,
    field,
    load_scripts,
    nothing_left,
    output,
    sanitizer,
    sends,
    word_of,
)
from support.server import Server, wait_until

LOST = ["BLMOVE", "take", "claim", "finish_reply", "finish", "reply", "done"]


@pytest.mark.parametrize("harm", ["drop", "lose", "close", "stall", "cut", "corrupt", "drip", "delay"])
@pytest.mark.parametrize("command", LOST)
def test_5_one_command(server: Server, proxy: FaultProxy, command: str, harm: str) -> None:
    # but for the handoff nothing may need the reaper: with this lease it would come too late
    runner = Runner(proxy.url, lease="600ms" if command == "BLMOVE" else "60s", **sends(command))
    try:
        enqueue(server, "warm")
        wait_until(lambda: output(server, "warm") and nothing_left(server), what="the first job")
        proxy.arm(word_of(command), harm)
        enqueue(server, "a")
        assert proxy.fired.wait(5), f"no {command} was sent"
        enqueue(server, "b")
        wait_until(lambda: nothing_left(server), seconds=15, what="the queue is empty")
        for job_id in ("a", "b"):
            assert output(server, job_id) == f"done {job_id}".encode()
            assert server.command("LLEN", f"hero:q:reply:{job_id}") in (1, 2)
            assert field(server, job_id, "hq_retries") is None
        attempts = [attempt for job_id, attempt in runner.runs if job_id == "a"]
        assert len(set(attempts)) == len(attempts)
        # once a job is known to be held here, nobody else runs it because of a lost answer
        if command in ("claim", "finish", "reply", "done"):
            assert attempts == [1]
    finally:
        runner.close()


@pytest.mark.parametrize("harm", ["drop", "lose", "stall", "cut"])
@pytest.mark.parametrize(
    ("command", "script"), [("fail", "fail once"), ("retry", "fail once"), ("unclaim", "release once")]
)
def test_5_ways_back(server: Server, proxy: FaultProxy, command: str, script: str, harm: str) -> None:
    runner = Runner(proxy.url, lease="60s")
    try:
        proxy.arm(word_of(command), harm)
        enqueue(server, "a", script)
        assert proxy.fired.wait(5), f"no {command} was sent"
        wait_until(lambda: nothing_left(server), seconds=15, what="the queue is empty")
        assert output(server, "a") == b"done a"
        assert [attempt for _, attempt in runner.runs] == [1, 2]
        assert server.command("HGET", "hero:job:a", "hq_retries") == (b"1" if script == "fail once" else None)
    finally:
        runner.close()


@pytest.mark.parametrize("harm", ["lose", "stall"])
def test_final_failure_is_buried_once(server: Server, proxy: FaultProxy, harm: str) -> None:
    for command in ("fail", "bury"):
        server.command("FLUSHDB")
        runner = Runner(proxy.url, retries=0)
        try:
            proxy.arm(word_of(command), harm)
            enqueue(server, "a", "fail once")
            assert proxy.fired.wait(5), f"no {command} was sent"
            wait_until(
                lambda: server.command("ZCARD", f"{H}:leases") == 0 and server.command("ZCARD", f"{H}:dead") == 1, 15
            )
            assert server.command("HGET", f"{H}:reasons", "a") == b"failed"
            assert server.command("HGET", "hero:job:a", "status") == b"error"
            assert [attempt for _, attempt in runner.runs] == [1]
        finally:
            runner.close()


@pytest.mark.parametrize("harm", ["lose", "stall", "cut"])
def test_5_taken_ids_are_asked_for(server: Server, proxy: FaultProxy, harm: str) -> None:
    """The first TAKE finds jobs that wait already, so no handoff names them: only MINE can tell which they were."""
    for i in range(20):
        enqueue(server, f"j{i}")
    proxy.arm(word_of("take"), harm)
    runner = Runner(proxy.url, lease="60s")
    try:
        assert proxy.fired.wait(5)
        wait_until(lambda: nothing_left(server), seconds=10)
        assert sorted(runner.runs) == sorted((f"j{i}", 1) for i in range(20))
        assert runner.actor.stats()["connects"] == 2
    finally:
        runner.close()


@pytest.mark.parametrize("command", ["beat", "reap", "promote"])
def test_housekeeping_is_repeated(server: Server, proxy: FaultProxy, command: str) -> None:
    with heroq.Actor(proxy.url, types="fault", **OPTIONS) as actor:
        enqueue(server, "a")
        job = actor.take(5)
        assert job
        proxy.arm(word_of(command), "lose")
        assert proxy.fired.wait(5), f"no {command} was sent"
        time.sleep(0.7)  # a lease: the heartbeat has to come through meanwhile
        job.finish("done a")
        enqueue(server, "b")
        job = actor.take(5)
        assert job and job.id == "b"
        job.finish("done b")
        wait_until(lambda: nothing_left(server), seconds=10)
        assert (output(server, "a"), output(server, "b")) == (b"done a", b"done b")
        assert server.command("HGET", "hero:job:a", "hq_attempt") == b"1"


def test_6_zombie_blmove(server: Server, proxy: FaultProxy) -> None:
    """A connection that died for the actor fires its BLMOVE and TAKE much later: the short lease runs out."""
    runner = Runner(proxy.url)
    try:
        proxy.arm("BLMOVE", "zombie")
        assert proxy.fired.wait(5)
        runner.actor.drain(grace=0)  # nobody else takes it
        runner.close()
        enqueue(server, "a")
        proxy.release()
        wait_until(lambda: server.command("HEXISTS", f"{H}:holders", "a") == 1, what="the zombie took it")
        released = time.monotonic()
        runner = Runner(proxy.url)
        wait_until(lambda: output(server, "a") == b"done a", seconds=10)
        assert time.monotonic() - released < 3.0
        wait_until(lambda: nothing_left(server), seconds=5)
        assert runner.runs == [("a", 1)]
    finally:
        runner.close()


def test_6_orphaned_blmove(server: Server, proxy: FaultProxy) -> None:
    """The actor has a new connection, and on the server the old one still waits, before the new one, for an id."""
    proxy.arm("BLMOVE", "orphan")
    runner = Runner(proxy.url, block="20s")
    try:
        assert proxy.fired.wait(5)
        wait_until(lambda: b"blocked_clients:2" in server.command("INFO", "clients"), what="the actor waits again")
        enqueue(server, "a")
        pushed = time.monotonic()
        wait_until(lambda: output(server, "a") == b"done a", seconds=10)
        # the short lease, the reap interval with jitter, and what a loaded machine needs
        assert time.monotonic() - pushed < 0.4 + 0.6 / 4 * 1.25 + 1.5
        assert proxy.kept.startswith(b"$1\r\na\r\n*3\r\n$2\r\nOK\r\n$1\r\na\r\n")
        wait_until(lambda: nothing_left(server), seconds=5)
        assert runner.runs == [("a", 1)]
        assert server.command("HLEN", f"{H}:recoveries") == 0
    finally:
        runner.close()


@pytest.mark.parametrize("command", ["take", "finish", "finish_reply"])
def test_zombie_script_changes_nothing(server: Server, proxy: FaultProxy, command: str) -> None:
    """TAKE, or FINISH, arrives when the actor has long done it again on a new connection."""
    runner = Runner(proxy.url, **sends(command))
    try:
        proxy.arm(word_of(command), "zombie")
        enqueue(server, "a")
        assert proxy.fired.wait(5)
        wait_until(lambda: output(server, "a") == b"done a", seconds=10)
        enqueue(server, "b")
        proxy.release()
        wait_until(lambda: output(server, "b") == b"done b" and nothing_left(server), seconds=10)
        assert output(server, "a") == b"done a"
    finally:
        runner.close()


# ---- the consumer never stops ----


@pytest.mark.parametrize("harm", ["garbage", "swallow", "half"])
@pytest.mark.parametrize("command", ["BLMOVE", "take", "claim", "finish_reply", "beat", "reap"])
def test_48_the_consumer_goes_on(server: Server, proxy: FaultProxy, command: str, harm: str) -> None:
    """Nonsense or silence on the blocked or on the command connection: both are left, and work goes on."""
    runner = Runner(proxy.url, lambda job: job.finish(f"done {job.id}") if job.text == "run" else time.sleep(1.5))
    try:
        if command == "beat":
            enqueue(server, "slow", "sleep")
        proxy.arm(word_of(command), harm, data=b"$9\r\nnonsense", times=2)
        for i in range(5):
            enqueue(server, f"j{i}")
        assert proxy.fired.wait(5), f"no {command} was sent"
        enqueue(server, "a")
        ids = [f"j{i}" for i in range(5)] + ["a"]
        wait_until(lambda: all(output(server, i) for i in ids), seconds=20, what="all jobs are done")
        assert [output(server, i) for i in ids] == [f"done {i}".encode() for i in ids]
    finally:
        runner.close()


def connections_to(port: int) -> list[socket.socket]:
    """Copies of this process's sockets that are connected there."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            one = socket.socket(fileno=os.dup(int(name)))
            if one.family == socket.AF_INET and one.getpeername()[1] == port:
                found.append(one)
            else:
                one.close()
    return found


def test_48_blackhole(server: Server, proxy: FaultProxy) -> None:
    """No data and no FIN, on old and new connections: calls end in time, and everybody goes on afterwards."""
    runner = Runner(proxy.url)
    sup = heroq.Supervisor(proxy.url, op_timeout="300ms", connect_timeout="1s", log="off")
    try:
        enqueue(server, "warm")
        wait_until(lambda: output(server, "warm"))
        sup.get_status("warm")
        sockets = connections_to(proxy.port)
        assert len(sockets) >= 3  # the caller's, the actor's two
        for one in sockets:
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > 0
            one.close()
        proxy.freeze()
        began = time.monotonic()
        with pytest.raises(heroq.HeroqError) as caught:
            sup.submit("run", script_type="fault")
        assert 0.25 < time.monotonic() - began < 3.0
        assert isinstance(caught.value, heroq.TimeoutError | heroq.ConnectionError)
        assert caught.value.retryable and caught.value.maybe_done
        began = time.monotonic()
        with pytest.raises(heroq.HeroqError):
            sup.await_result("warm2", timeout=1.0)
        assert time.monotonic() - began < 4.0
        # the command connection by op_timeout, the blocked one by block and a margin of 2 s
        wait_until(lambda: not runner.actor.stats()["connected"], seconds=5, what="the actor notices")
        proxy.thaw()
        enqueue(server, "a")
        wait_until(lambda: output(server, "a") == b"done a", seconds=15)
        assert sup.get_status("a") == "finished"
    finally:
        proxy.thaw()
        sup.close()
        runner.close()


# ---- frozen and late ----


def test_8_sigstop_while_blocked(server: Server, tmp_path: Path) -> None:
    world = Crew(server, tmp_path)
    try:
        frozen = world.start("block=20s")
        wait_until(lambda: b"blocked_clients:1" in server.command("INFO", "clients"), what="it is blocked")
        frozen.send_signal(signal.SIGSTOP)
        enqueue(server, "a", "ok x")
        wait_until(lambda: server.command("HEXISTS", f"{H}:holders", "a") == 1, what="the frozen actor's BLMOVE got it")
        world.start()
        wait_until(lambda: field(server, "a", "status") == b"finished", seconds=15, what="another actor gets it")
        frozen.send_signal(signal.SIGCONT)
        enqueue(server, "b", "ok y")
        wait_until(lambda: field(server, "b", "status") == b"finished")
        wait_until(lambda: nothing_left(server), seconds=15)
        assert [line[1] for line in world.lines("start")] == ["a", "b"]
        assert server.command("HLEN", f"{H}:recoveries") == 0
        assert frozen.poll() is None
    finally:
        world.close()


@pytest.mark.parametrize("seconds", [1.2, 2.8])
def test_9_late_blmove(server: Server, proxy: FaultProxy, seconds: float) -> None:
    """The request reaches the server two leases late; with 2.8 s its client has given the connection up by then."""
    runner = Runner(proxy.url)
    try:
        proxy.arm("BLMOVE", "late", seconds=seconds)
        assert proxy.fired.wait(5)
        enqueue(server, "a")
        wait_until(lambda: output(server, "a") == b"done a", seconds=15)
        enqueue(server, "b")
        wait_until(lambda: output(server, "b") == b"done b", seconds=15)
        wait_until(lambda: nothing_left(server), seconds=10)
        assert runner.runs == [("a", 1), ("b", 1)]
    finally:
        runner.close()


# ---- the job's server is away, the queue's is not ----


def test_67_syncer(server: Server) -> None:
    """Results are kept while they cannot be written, the leases live, DONE waits, and takes stop at max_pending."""
    gate = threading.Event()

    def handle(job: heroq.Job) -> None:
        gate.wait(30)
        job.finish(b"x" * 600)

    runner = Runner(server.url, handle, threads=3, **{**OPTIONS, "max_pending": "1KiB"})
    try:
        for job_id in "abc":
            enqueue(server, job_id)
        wait_until(lambda: len(runner.runs) == 3)
        holders = server.command("HMGET", f"{H}:holders", "a", "b", "c")
        # the user may touch queues and replies, but no job's hash
        server.command("ACL", "SETUSER", "default", "resetkeys", "~{*", "~hero:q:*")
        gate.set()
        wait_until(lambda: runner.actor.stats()["unsettled"] == 3)
        server.command("LPUSH", Q, *(f"new{i}" for i in range(5)))
        end = time.monotonic() + 3.0  # five leases: how long the server is away
        while time.monotonic() < end:
            assert server.command("HMGET", f"{H}:holders", "a", "b", "c") == holders
            # a blocked command that was under way may bring one more
            assert server.command("LLEN", Q) >= 4, "a new job was taken though the results do not fit"
            assert not any(server.command("EXISTS", f"hero:q:reply:{job_id}") for job_id in "abc")
            time.sleep(0.05)
        seconds, micros = (int(part) for part in server.command("TIME"))
        scores = [float(server.command("ZSCORE", f"{H}:leases", job_id)) for job_id in "abc"]
        assert min(scores) > seconds * 1000 + micros / 1000, "a lease ran out"
        stats = runner.actor.stats()
        assert (stats["unsettled"], stats["finished"], stats["pending_bytes"]) == (3, 0, 1800)
        server.command("ACL", "SETUSER", "default", "allkeys")
        for i in range(5):
            server.command("HSET", f"hero:job:new{i}", "script", "run", "status", "dispatched")
        wait_until(lambda: nothing_left(server), seconds=20)
        for job_id in "abc":
            assert output(server, job_id) == b"x" * 600
            assert field(server, job_id, "hq_attempt") == b"1"
            assert server.command("LLEN", f"hero:q:reply:{job_id}") == 1
        assert all(output(server, f"new{i}") == b"x" * 600 for i in range(5))
        assert runner.actor.stats()["finished"] == 8
    finally:
        server.command("ACL", "SETUSER", "default", "allkeys")
        runner.close()


# ---- servers that cannot be reached, or refuse ----

SECRET = "s3cret-Passw0rd"


def refused(url: str, name: str, within: float) -> str:
    """Opening a client fails with this code in this time; the text never holds the password."""
    began = time.monotonic()
    with pytest.raises(heroq.HeroqError) as caught:
        heroq.Client(url, connect_timeout="500ms", log="off")
    assert time.monotonic() - began < within
    assert caught.value.name == name
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_49_refused(server: Server) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        text = refused(f"redis://:{SECRET}@127.0.0.1:{port}", "HEROQ_E_CONNECTION", 1.0)
    assert str(port) in text and "refused" in text.lower()


def test_49_filtered() -> None:
    """A full accept queue: the kernel drops the SYN, as a firewall does."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        refused(f"redis://:{SECRET}@127.0.0.1:{listener.getsockname()[1]}", "HEROQ_E_CONNECTION", 2.0)


def test_49_no_such_name() -> None:
    text = refused(f"redis://:{SECRET}@no-such-host.invalid:6379", "HEROQ_E_CONNECTION", 30.0)
    assert "no-such-host.invalid" in text


def test_50_an_answer_that_is_long_under_way(server: Server, proxy: FaultProxy) -> None:
    """A large output on a slow line: an await does not cut it off at the same point again and again."""
    proxy.arm("BLPOP", "delay", occurrence=2, times=100, seconds=3)

    def handler(job: heroq.Job) -> None:
        proxy.fired.wait(20)  # the first slice waits in vain
        job.finish("done")

    runner = Runner(server.url, handler)
    try:
        with heroq.Supervisor(proxy.url, log="off") as sup:
            assert sup.run_job_and_await_result("x", script_type="fault", timeout=40) == b"done"
        wait_until(lambda: nothing_left(server))
    finally:
        runner.close()


def test_50_large_values_on_a_slow_line(server: Server, proxy: FaultProxy) -> None:
    """A script and an output take longer than op_timeout: while bytes come or go, nobody begins anew."""
    load_scripts(server)  # or each would be sent twice
    proxy.slow(2_000_000)
    runner = Runner(proxy.url, lambda job: job.finish(job.script), op_timeout="1s", lease="60s")
    large = b"x" * 6_000_000
    try:
        with heroq.Supervisor(server.url, log="off") as sup:
            job = sup.submit(large, script_type="fault")
            assert sup.await_result(job, timeout=60) == large
        wait_until(lambda: nothing_left(server))
        assert runner.runs == [(job.id, 1)]
        assert runner.actor.stats()["connects"] == 1
    finally:
        runner.close()


@pytest.mark.skipif(
    bool(sanitizer()), reason="the names are preloaded, which the sanitizer's own preload does not allow"
)
def test_49_the_first_address_is_dead(server: Server, tmp_path: Path) -> None:
    """A name with an IPv6 address that nobody listens on, and an IPv4 one that answers."""
    library = tmp_path / "two_addresses.so"
    source = Path(__file__).parents[1] / "support" / "two_addresses.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    program = "import heroq, socket, sys\nassert len(socket.getaddrinfo('two.test', 1)) >= 2\nheroq.Client(sys.argv[1])"
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", program, f"redis://two.test:{server.port}/0"],
        env={**os.environ, "LD_PRELOAD": str(library)},
        check=True,
        timeout=20,
    )
    assert time.monotonic() - began < 5


def test_49_unix_socket_is_gone(new_server: Callable[..., Server]) -> None:
    server = new_server()
    runner = Runner(server.unix_url)
    try:
        enqueue(server, "a")
        wait_until(lambda: output(server, "a"))
        (server.dir / "server.sock").unlink()
        enqueue(server, "b")  # connections that stand do not need the file
        wait_until(lambda: output(server, "b"))
        refused(server.unix_url, "HEROQ_E_CONNECTION", 1.0)
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: not runner.actor.stats()["connected"])
        server.restart()
        enqueue(server, "c")
        wait_until(lambda: output(server, "c"), seconds=20, what="the socket is there again")
    finally:
        runner.close()


def test_49_wrong_password(new_server: Callable[..., Server]) -> None:
    server = new_server("--requirepass", "right")
    place = f"127.0.0.1:{server.port}"
    assert "password" in refused(f"redis://:{SECRET}@{place}", "HEROQ_E_AUTH", 1.0)
    refused(f"redis://nobody:{SECRET}@{place}", "HEROQ_E_AUTH", 1.0)
    refused(f"redis://{place}", "HEROQ_E_AUTH", 1.0)


def test_49_the_rules_change_while_actors_work(new_server: Callable[..., Server]) -> None:
    """A user is deleted, gets another password, is made anew: the actor says so, tries again, and goes on."""
    server = new_server()
    rules = ["on", f">{SECRET}", "allkeys", "allchannels", "allcommands"]
    server.command("ACL", "SETUSER", "someone", *rules)
    runner = Runner(f"redis://someone:{SECRET}@127.0.0.1:{server.port}", **{**OPTIONS, "log": "events"})
    said: list[str] = []

    def says(piece: str) -> bool:
        while event := runner.actor.client.next_event(0):
            said.append(str(event))
        return any(piece in text for text in said)

    try:
        enqueue(server, "a")
        wait_until(lambda: output(server, "a"))
        for change in (["DELUSER", "someone"], ["SETUSER", "someone", "resetpass", ">other"]):
            server.command("ACL", *change)
            server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            wait_until(lambda: says("refused the user or the password"), what="the refusal is told")
            enqueue(server, change[0])
            server.command("ACL", "SETUSER", "someone", *rules)
            wait_until(lambda: output(server, change[0]), seconds=20, what="it goes on")  # noqa: B023
            said.clear()
        # what it may do is taken away and given back
        server.command("ACL", "SETUSER", "someone", "-@scripting")
        enqueue(server, "b")
        wait_until(lambda: says("NOPERM"), what="the refusal is told")
        assert len(said) < 200, "an error storm"
        server.command("ACL", "SETUSER", "someone", "+@all")
        wait_until(lambda: output(server, "b"), seconds=20, what="it goes on")
        wait_until(lambda: nothing_left(server), seconds=10)
        assert not any(SECRET in text for text in said)
    finally:
        runner.close()


def test_49_a_password_is_asked_for_since(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with heroq.Supervisor(server.url, log="off") as sup:
        sup.submit("x", script_type="fault", id="a")
        server.command("CONFIG", "SET", "requirepass", SECRET)
        server.password = SECRET
        assert sup.get_status("a") == "dispatched"  # a connection that stands is let alone
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with pytest.raises(heroq.ServerError) as caught:
            sup.get_status("a")
        assert caught.value.name == "HEROQ_E_AUTH"
        server.command("CONFIG", "SET", "requirepass", "")
        server.password = ""
        assert sup.get_status("a") == "dispatched"
