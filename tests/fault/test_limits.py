"""Sizes, names, descriptors, clients, forks and signals at their limits."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import heroq
import pytest
from support.faults import FULL, OPTIONS, H, Q, Runner, enqueue, field, nothing_left, output, sanitizer
from support.server import Server, wait_until

MIB = 1 << 20


# ---- 50: huge values ----


def test_50_over_the_limit_nothing_is_sent(server: Server) -> None:
    big = b"x" * (2 * MIB + 1)
    with (
        heroq.Supervisor(server.url, max_script="2MiB", log="off") as sup,
        heroq.Actor(server.url, types="fault", **{**OPTIONS, "max_script": "2MiB"}) as actor,
    ):
        with pytest.raises(heroq.InvalidError) as caught:
            sup.submit(big, script_type="fault")
        assert caught.value.name == "HEROQ_E_TOO_BIG"
        assert not server.command("KEYS", "hero:*")
        sup.submit(big[:-1], script_type="fault", id="a")
        job = actor.take(5)
        assert job and len(job.script) == 2 * MIB
        with pytest.raises(heroq.InvalidError) as caught:
            job.finish(big)
        assert caught.value.name == "HEROQ_E_TOO_BIG"
        job.finish(big[:-1])  # the refused call settled nothing
        wait_until(lambda: nothing_left(server))
        assert sup.get_output("a") == big[:-1]


LARGE = [(64 * MIB, 64 * MIB)]  # script, output
if FULL and not sanitizer():  # which wants several times the memory
    LARGE.append((MIB, 512 * MIB - 1))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("script", "output_size"), LARGE)
def test_50_a_large_script_and_output(server: Server, script: int, output_size: int) -> None:
    piece = os.urandom(MIB)

    def handle(job: heroq.Job) -> None:
        assert job.script == piece * (script // MIB)
        job.finish((piece * (output_size // MIB + 1))[:output_size])

    large: dict[str, Any] = {"op_timeout": "60s", "max_script": "512MiB"}
    runner = Runner(server.url, handle, **{**OPTIONS, **large, "lease": "60s"})
    try:
        with heroq.Supervisor(server.url, **large, log="off") as sup:
            result = sup.run_job_and_await_result(piece * (script // MIB), script_type="fault", timeout=200)
            assert len(result) == output_size
            assert all(result[i : i + MIB] == piece[: output_size - i] for i in range(0, output_size, MIB))
        wait_until(lambda: nothing_left(server))
        assert runner.runs == [(runner.runs[0][0], 1)]
    finally:
        runner.close()


def test_50_the_servers_own_limit(new_server: Callable[..., Server]) -> None:
    """proto-max-bulk-len below ours: the server closes the connection, the caller hears it, everybody goes on."""
    server = new_server()
    server.command("CONFIG", "SET", "proto-max-bulk-len", MIB)

    def handle(job: heroq.Job) -> None:
        job.finish(b"y" * (2 * MIB) if job.text == "large" else "small")

    runner = Runner(server.url, handle, **{**OPTIONS, "op_timeout": "2s"})
    try:
        with heroq.Supervisor(server.url, op_timeout="5s", log="off") as sup:
            with pytest.raises(heroq.HeroqError) as caught:
                sup.submit(b"x" * (2 * MIB), script_type="fault")
            assert isinstance(caught.value, heroq.ConnectionError | heroq.ServerError)
            assert sup.run_job_and_await_result("small", script_type="fault", timeout=20) == b"small"
            wait_until(lambda: nothing_left(server))
            # a result that the server will never take is an error, and is neither sent nor run again and again
            enqueue(server, "a", "large", retries=3)
            enqueue(server, "b", "small")
            wait_until(lambda: output(server, "b") == b"small", what="other jobs are done")
            wait_until(lambda: server.command("ZCARD", f"{H}:dead") == 1)
            assert field(server, "a", "error") == b"the server takes no output of %d bytes" % (2 * MIB)
            assert field(server, "a", "hq_attempt") == b"1"
            server.command("CONFIG", "SET", "proto-max-bulk-len", 512 * MIB)
            sup.requeue_job("a")
            wait_until(lambda: output(server, "a"), seconds=20)
            wait_until(lambda: nothing_left(server))
            stats = runner.actor.stats()
            assert (stats["unsettled"], stats["pending_bytes"]) == (0, 0)
    finally:
        runner.close()


# ---- 52: bad names ----

BAD = ["", "a b", "a:b", "a{b", "a}b", "a\nb", "a*b", "a\0b", "../etc", "a/b", "é", "x" * 129, "x" * 10240, "waiter.x"]


@pytest.mark.parametrize("name", BAD, ids=[ascii(name[:20]) for name in BAD])
def test_52_bad_names_are_refused(server: Server, name: str) -> None:
    calls: list[Callable[[], object]] = [lambda: heroq.Job("x", "fault", id=name)]
    with heroq.Supervisor(server.url, log="off") as sup:
        calls.append(lambda: sup.submit("x", script_type="fault", id=name))
        if not name.startswith("waiter."):
            calls += [
                lambda: heroq.Job("x", name),
                lambda: sup.submit("x", script_type=name),
                lambda: heroq.Actor(server.url, types=name or ",", actor_id="an actor", log="off"),
                lambda: heroq.Queue(name, sup.client),
            ]
            if name:  # "" is no group
                calls.append(lambda: sup.submit("x", script_type="fault", group=name))
        for call in calls:
            with pytest.raises((heroq.InvalidError, ValueError)):
                call()
        assert server.command("DBSIZE") == 0


WIRE = {
    "space": b"a b",
    "newline": b"a\nb",
    "nul": b"a\0b",
    "braces": b"{hero:q:work:type:fault}:leases",
    "not ascii": b"\xff\xfe",
    "empty": b"",
    "escape": b"\x1b[2J\x1b]0;owned\x07",
    "long": b"x" * 10240,
}


def test_52_bad_ids_from_the_wire_are_buried(server: Server) -> None:
    runner = Runner(server.url, **{**OPTIONS, "log": "events"})
    said: list[str] = []
    try:
        server.command("LPUSH", Q, *WIRE.values())
        enqueue(server, "good")
        wait_until(lambda: output(server, "good"))
        wait_until(lambda: server.command("ZCARD", f"{H}:dead") == len(WIRE), what="all of them are buried")
        reasons = server.command("HGETALL", f"{H}:reasons")
        assert set(reasons[::2]) == set(WIRE.values()) and set(reasons[1::2]) == {b"bad_id"}
        wait_until(lambda: not server.command("HLEN", f"{H}:holders"), what="nothing is held")
        assert server.command("ZCARD", f"{H}:leases") == 0
        assert [job_id for job_id, _ in runner.runs] == ["good"]
        while event := runner.actor.client.next_event(0):
            said.append(str(event["text"]))
        assert all(text.isprintable() for text in said), said
        with heroq.Client(server.url, log="off") as client:
            rows = list(heroq.Queue("fault", client).page("dead"))
            assert len(rows) == len(WIRE)
    finally:
        runner.close()


# ---- 55: no more clients, no more descriptors ----


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_55_maxclients(new_server: Callable[..., Server]) -> None:
    server = new_server()
    runner = Runner(server.url)
    try:
        enqueue(server, "a")
        wait_until(lambda: output(server, "a"))
        with server.connect() as link:
            gc.collect()  # what earlier tests have left
            before = descriptors()
            link.call("CONFIG", "SET", "maxclients", 3)  # the actor's two, and this one
            for _ in range(20):
                with pytest.raises(heroq.HeroqError) as caught:
                    heroq.Client(server.url, connect_timeout="1s", log="off")
                assert caught.value.retryable, caught.value
            assert descriptors() <= before
            link.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            fillers = [server.connect() for _ in range(2)]
            wait_until(lambda: not runner.actor.stats()["connected"], what="the actor is left outside")
            link.call("CONFIG", "SET", "maxclients", 100)
            for one in fillers:
                one.close()
        enqueue(server, "b")
        wait_until(lambda: output(server, "b"), seconds=20, what="the actor is back")
        wait_until(lambda: nothing_left(server))
        wait_until(lambda: descriptors() <= before, what="no descriptor is left over")
    finally:
        runner.close()


EXHAUSTED = r"""
import os, resource, sys, time
import heroq

def used(): return len(os.listdir("/proc/self/fd"))

url = sys.argv[1]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

def limit(spare):
    'only so many descriptors more'
    free, numbers = 0, {int(n) for n in os.listdir("/proc/self/fd")}
    top = 0
    while free < spare or top <= max(numbers):
        free += top not in numbers
        top += 1
    fill = [os.dup(0) for _ in range(free - spare)] if free > spare else []
    resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
    return fill

# opening a client and an actor with 0, 1, 2, … descriptors left: an error or success, and nothing is left open
heroq.Client(url).close()
def life():
    client = heroq.Client(url, log="off", connect_timeout="300ms")
    try:
        sup = heroq.Supervisor(client)
        sup.submit("x", script_type="fault")
        actor = heroq.Actor(client, types="fault", connect_timeout="300ms", close_timeout="300ms", lease="600ms")
        try:
            job = actor.take(0.3)
            if job:
                job.finish("done")
            actor.fd(), actor.event_fd()
        finally:
            actor.close(0)
    finally:
        client.close()

life()
time.sleep(0.1)
before, errors, worked = used(), 0, False
for spare in range(16):
    fill = limit(spare)
    try:
        life()
        worked = True
    except (heroq.HeroqError, OSError) as error:
        errors += 1
        assert "descriptor" in str(error) or "open files" in str(error) or "connect" in str(error), error
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for fd in fill:
        os.close(fd)
    end = time.monotonic() + 5
    while used() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert used() <= before, (spare, used(), before)
assert errors >= 2 and worked, (errors, worked)

# an actor that lives through a time without descriptors
with heroq.Actor(url, types="fault", log="off", lease="600ms", block="200ms", op_timeout="300ms") as actor:
    sup = heroq.Supervisor(url, log="off")
    fill = limit(0)
    for i in range(5):
        sup.submit("y", script_type="fault")
        job = actor.take(5)
        job.finish("done")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for fd in fill:
        os.close(fd)
    sup.close()
print("ok", errors)
"""


def test_55_fd_exhaustion(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXHAUSTED, server.url], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0 and done.stdout.startswith("ok"), done.stderr
    print(done.stdout)
    rest = Runner(server.url)
    try:
        wait_until(lambda: nothing_left(server), seconds=20)
    finally:
        rest.close()


def test_55_a_program_cannot_be_started(server: Server) -> None:
    """No descriptor for the pipes of a script: the job fails or is tried again, the actor goes on."""
    code = """
import os, resource, sys, threading, time
import heroq
from heroq.script import Program
program = Program(["/bin/sh"])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
@heroq.actor("fault", retries=5, backoff="50ms", lease="600ms")
def handler(job):
    if job.attempt == 1:
        class Exhausted(Program):
            def _start(self, *args):
                taken = [int(n) for n in os.listdir("/proc/self/fd")]
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1, hard))
                fill = []
                try:
                    while True:
                        fill.append(os.dup(0))
                except OSError:
                    pass
                try:
                    return super()._start(*args)
                finally:
                    for fd in fill:
                        os.close(fd)
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return Exhausted(["/bin/sh"])(job)
    return program(job)
heroq.run(handler, server=sys.argv[1])
"""
    with subprocess.Popen([sys.executable, "-c", code, server.url], stderr=subprocess.PIPE) as process:
        try:
            enqueue(server, "a", "echo it ran")
            wait_until(lambda: field(server, "a", "status") == b"finished", seconds=20)
            assert output(server, "a") == b"it ran\n"
            assert b"Too many open files" in (field(server, "a", "hq_last_error") or b"")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


# ---- 57: forks ----


def _submit(url: str, name: str) -> None:
    with heroq.Supervisor(url, log="off") as sup:
        sup.submit("x", script_type="fault", id=name)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_57_multiprocessing(server: Server, method: str) -> None:
    """Children of a process that has a client and an actor open use their own; the parent's streams stay whole."""
    runner = Runner(server.url)
    context: Any = multiprocessing.get_context(method)
    try:
        with heroq.Supervisor(server.url, log="off") as sup:
            children = [context.Process(target=_submit, args=(server.url, f"c{i}")) for i in range(4)]
            for child in children:
                child.start()
            for i in range(50):
                assert sup.run_job_and_await_result("x", script_type="fault", id=f"p{i}", timeout=10) is not None
            for child in children:
                child.join(30)
                assert child.exitcode == 0
        wait_until(lambda: nothing_left(server))
        assert sorted(runner.runs) == sorted([(f"p{i}", 1) for i in range(50)] + [(f"c{i}", 1) for i in range(4)])
        assert runner.actor.stats()["connects"] == 1
    finally:
        runner.close()


def test_57_fork_in_a_handler(server: Server) -> None:
    """A child that ends, with or without cleaning up, neither settles nor loses the parent's job."""
    codes: list[int] = []

    def handle(job: heroq.Job) -> None:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                job.finish("child")
            except heroq.StateError as error:
                status = 3 if error.name == "HEROQ_E_FORKED" else 2
            finally:
                del job
                os._exit(status)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        job.finish("parent")

    runner = Runner(server.url, handle)
    try:
        for i in range(5):
            enqueue(server, f"j{i}")
        wait_until(lambda: nothing_left(server))
        assert [output(server, f"j{i}") for i in range(5)] == [b"parent"] * 5
        assert codes == [3] * 5
        assert runner.actor.stats()["connects"] == 1
    finally:
        runner.close()


# ---- 59, 60: signals ----

STORM = """
import signal, sys, time
import heroq
hits = 0
def note(*_):
    global hits
    hits += 1
signal.signal(signal.SIGALRM, note)
before = {n: signal.getsignal(n) for n in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)}
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
url = sys.argv[1]
end = time.monotonic() + 3
rounds = 0
with heroq.Supervisor(url, log="off") as sup, heroq.Actor(url, types="fault", log="off", lease="600ms") as actor:
    while time.monotonic() < end:
        job = sup.submit("x", script_type="fault")
        taken = actor.take(5)
        assert taken is not None and taken.id == job.id, (taken, job)
        taken.finish(str(rounds), sync=True)
        assert sup.await_result(job, timeout=5) == str(rounds).encode()
        assert actor.take(0.05) is None
        rounds += 1
    stats = actor.stats()
signal.setitimer(signal.ITIMER_REAL, 0)
assert {n: signal.getsignal(n) for n in before} == before
assert (stats["connects"], stats["stale"], stats["lost"]) == (1, 0, 0), stats
assert hits > 500, hits
print("ok", rounds)
"""


def test_59_a_storm_of_signals(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STORM, server.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert int(done.stdout.split()[1]) >= 10
    assert nothing_left(server)


def test_59_sigpipe_ends_nobody(server: Server) -> None:
    """A host that leaves SIGPIPE at its default, which Python does not, and a server that goes away."""
    code = """
import signal, sys, time
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
import heroq
with heroq.Supervisor(sys.argv[1], log="off", connect="lazy") as sup:
    for i in range(200):
        try:
            sup.submit("x" * 100000, script_type="fault")
        except heroq.HeroqError:
            pass
print("alive")
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while process.poll() is None:
            server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert process.stdout and process.stderr
        assert process.stdout.read() == b"alive\n", process.stderr.read()


@pytest.mark.parametrize("where", ["handler", "between"])
def test_60_ctrl_c_gives_the_job_back(server: Server, where: str) -> None:
    code = f"""
import sys, time, heroq
with heroq.Actor(sys.argv[1], types="fault", log="off", lease="30s", grace=0) as actor:
    for job in actor:
        print("started", flush=True)
        {"time.sleep(60)" if where == "handler" else "job.finish('done')"}
"""
    enqueue(server, "a")
    with subprocess.Popen(
        [sys.executable, "-c", code, server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout and process.stderr and process.stdout.readline() == b"started\n"
            if where == "between":
                wait_until(lambda: nothing_left(server))
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.wait(20)
            took = time.monotonic() - sent
            assert b"KeyboardInterrupt" in process.stderr.read()
        finally:
            process.kill()
    assert took < 1.5, took  # 0.3 s, the interpreter's end, and what a loaded machine needs
    if where == "handler":
        assert server.command("LRANGE", Q, 0, -1) == [b"a"]
        assert field(server, "a", "status") == b"dispatched"
        assert server.command("HLEN", f"{H}:holders") == server.command("ZCARD", f"{H}:leases") == 0
    else:
        assert output(server, "a") == b"done" and nothing_left(server)
    assert server.command("HLEN", f"{H}:recoveries") == 0
