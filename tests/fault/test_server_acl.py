"""Users with few rights: heroq works with the least, nothing else does, and a denial is told and waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import heroq
import pytest
from support.acting import H, Q, Runner, ended, enqueue, field, wait_until_idle
from support.server import Connection, Server, ServerError, wait_until


def rules(who: str) -> tuple[str, str]:
    """Rights and keys as SECURITY.md has them."""
    text = (Path(__file__).resolve().parents[2] / "SECURITY.md").read_text()
    block = text.split(f"```text acl {who}\n")[1].split("```")[0].split()
    return " ".join(w for w in block if w[0] == "+"), " ".join(w for w in block if w[0] == "~")


ACTOR, ACTOR_KEYS = rules("actor")
PRODUCER, PRODUCER_KEYS = rules("producer")

MakeUser = Callable[..., str]


@pytest.fixture
def user(server: Server) -> Iterator[MakeUser]:
    """user(rights, keys): the URL for a user of just these."""
    made: list[str] = []

    def make(rights: str, keys: str, name: str = "little") -> str:
        made.append(name)
        server.command("ACL", "SETUSER", name, "reset", "on", ">secret", "-@all", *rights.split(), *keys.split())
        server.command("ACL", "LOG", "RESET")
        with Connection(server.port) as link:  # a user that could not be made would let all tests pass in vain
            assert link.call("AUTH", name, "secret") == b"OK"
            with pytest.raises(ServerError, match="NOPERM"):
                link.call("ACL", "WHOAMI")
        server.command("ACL", "LOG", "RESET")
        return f"redis://{name}:secret@127.0.0.1:{server.port}/0"

    yield make
    for name in made:
        server.command("ACL", "DELUSER", name)


def denied(server: Server) -> set[str]:
    """What users were denied so far: commands and keys."""
    entries = server.command("ACL", "LOG", 100)
    found = [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in entries]
    return {f"{one[b'reason'].decode()} {one[b'object'].decode()}" for one in found}


def use_everything(sup: heroq.Supervisor) -> None:
    assert sup.run_job_and_await_result("run", script_type="fault", timeout=20) == b"done"
    assert sup.run_job_and_await_result("run", script_type="fault", id="mine", timeout=20) == b"done"
    assert sup.run_job_and_await_result("run", script_type="fault", delay=0.2, timeout=20) == b"done"
    ids = sup.submit_many(["run"] * 3, script_type="fault")
    assert [sup.await_result(job_id, timeout=20) for job_id in ids] == [b"done"] * 3
    created = sup.create_job("run", script_type="fault", group="g")
    sup.start_job(created, group="g", urgent=True)
    assert sup.stop_job(created) == "cancelled"
    failed = sup.submit("fail", script_type="fault")
    with pytest.raises(heroq.JobFailed):
        sup.await_result(failed, timeout=20)
    told = sup.submit("tell", script_type="fault")
    assert list(sup.stream(told, timeout=20)) == [b"chunk"]
    assert sup.get_logs(told) == [b"line"]
    assert (sup.get_progress(told) or {}).get("text") == "half"
    sup.requeue_job(failed)
    with pytest.raises(heroq.JobFailed):
        sup.await_result(failed, timeout=20)
    assert sup.get_job(failed).status == "error"
    sup.delete_job(failed)
    with heroq.Waiter(sup.client) as waiter:
        waiter.submit(heroq.Job("run", "fault"), 1)
        done = waiter.take(20)
        assert done is not None


def handler(job: heroq.Job) -> None:
    if job.text == "fail":
        job.fail("boom")
    elif job.text == "tell":
        job.progress(50, "half")
        job.log("line")
        job.stream("chunk")
        job.finish(b"done")
    elif job.text == "wait":
        wait_until(lambda: job.stop_reason, seconds=20)
        job.fail("stopped")
    else:
        job.finish(b"done")


def test_63_acl_minimal_actor(server: Server, user: MakeUser) -> None:
    url = user(ACTOR, ACTOR_KEYS)
    with (
        Runner(url, handler, intents=True, reply="always") as runner,
        Runner(url, handler, types="old", delivery="canonical") as canonical,
        heroq.Supervisor(url, intents=True) as sup,
    ):
        use_everything(sup)
        assert sup.run_job_and_await_result("run", script_type="old", timeout=20) == b"done"
        waits = sup.submit("wait", script_type="fault")
        wait_until(lambda: sup.get_status(waits) == "started")
        assert sup.stop_job(waits) == "stopping"
        wait_until(lambda: sup.get_error(waits) == b"cancelled")
        foreign = sup.submit("wait", script_type="fault")
        wait_until(lambda: sup.get_status(foreign) == "started")
        server.command("LPUSH", "hero:q:ctl:type:fault", foreign.id)
        wait_until(lambda: sup.get_error(foreign) == b"cancelled")
        assert list(sup.list_jobs())
        with heroq.Queue("fault", sup.client) as queue:
            queue.pause()
            queue.resume()
            queue.stats()
            for what in ("waiting", "in_flight", "delayed", "dead", "actors"):
                list(queue.page(what))
            queue.tend()
            queue.purge_dead()
        assert {row["script_type"] for row in heroq.list_queues(sup.client)} >= {"fault", "old"}
        wait_until_idle(server)
        assert not denied(server)
        assert runner.said() == canonical.said() == []
        checks = heroq.doctor.examine(sup.client)["checks"]
        assert {one["check"] for one in checks if one["severity"] == "unknown"} <= {"config", "persistence"}
        assert denied(server) <= {"command config|get", "command config"}


def test_63_acl_minimal_producer(server: Server, user: MakeUser) -> None:
    url = user(PRODUCER, PRODUCER_KEYS)
    with Runner(server.url, handler), heroq.Supervisor(url) as sup:
        use_everything(sup)
        wait_until_idle(server)
        assert not denied(server)


def test_63_acl_nothing_else(server: Server, user: MakeUser) -> None:
    user(ACTOR, ACTOR_KEYS)
    with Connection(server.port) as link:
        link.call("AUTH", "little", "secret")
        for line in (
            "KEYS *",
            "FLUSHALL",
            "CONFIG GET *",
            "ACL LIST",
            "CLIENT LIST",
            "CLIENT KILL TYPE normal",
            "SHUTDOWN",
            "REPLICAOF NO ONE",
            "SCRIPT FLUSH",
            "SCRIPT KILL",
            "EVAL x 0",
            "SUBSCRIBE x",
            "PUBLISH x y",
            "MONITOR",
            "SET other x",
            "GET other",
            "DEL heroq",
            "LPUSH hero:qs x",
            "RENAME hero:job:a hero:job:b",
        ):
            with pytest.raises(ServerError, match="NOPERM"):
                link.call(*line.split())


# what is missing, and what the actor says of it
MISSING = ["evalsha", "blmove", "hset", "zadd", "hmget", "pexpire", "lpush"]


@pytest.mark.parametrize("command", MISSING)
def test_63_acl_denial(server: Server, user: MakeUser, command: str) -> None:
    """A right is taken away under way: told, waited for without haste, no job lost or buried, and it may come back."""
    gate = threading.Event()

    def waits(job: heroq.Job) -> None:
        assert job.id != "a" or gate.wait(30)
        job.finish(b"done")

    url = user(ACTOR, ACTOR_KEYS)
    with Runner(url, waits, lease="20s", max_recoveries=1) as runner:
        enqueue(server, "a", hq_reply_to="hero:q:reply:a", hq_ttl=1_000_000)
        wait_until(lambda: runner.runs)
        server.command("ACL", "SETUSER", "little", f"-{command}")
        server.command("ACL", "LOG", "RESET")
        before = calls(server)
        gate.set()
        enqueue(server, "b", hq_reply_to="hero:q:reply:b", hq_ttl=1_000_000)
        time.sleep(3)  # the length of the trouble
        assert calls(server) - before < 300, "it runs in circles"
        assert server.command("ZCARD", f"{H}:dead") == 0
        server.command("ACL", "SETUSER", "little", f"+{command}")
        wait_until(lambda: ended(server, ["a", "b"]), seconds=20)
        wait_until_idle(server)
        assert runner.run_count() == {"a": 1, "b": 1}
        if command != "pexpire":  # nothing but the end of the hash hangs on it
            assert any("permission" in text or "can't run" in text for text in runner.said()), runner.said()


def calls(server: Server) -> int:
    info = server.command("INFO", "stats").decode()
    return int(info.split("total_commands_processed:")[1].split()[0])


@pytest.mark.parametrize(
    ("rights", "call"),
    [
        ("-hset", lambda sup: sup.submit("run", script_type="fault")),
        ("-lpush", lambda sup: sup.submit("run", script_type="fault")),
        ("-hset", lambda sup: sup.submit("run", script_type="fault", id="mine")),
        ("-evalsha", lambda sup: sup.submit("run", script_type="fault", id="mine")),
        ("-script", lambda sup: sup.submit("run", script_type="fault", id="mine")),
        ("-hmget", lambda sup: sup.stop_job("there")),
        ("-del", lambda sup: sup.requeue_job("there")),
        ("resetkeys ~hero:job:*", lambda sup: sup.submit("run", script_type="fault")),
        ("-blpop", lambda sup: sup.await_result("runs", timeout=20)),
    ],
)
def test_63_acl_denied_call(
    server: Server, user: MakeUser, rights: str, call: Callable[[heroq.Supervisor], object]
) -> None:
    """The caller is told at once and by one kind of error, whoever denied it: the server, or a script's server."""
    url = user(f"{PRODUCER} {rights if 'keys' not in rights else ''}", PRODUCER_KEYS)
    if "keys" in rights:
        server.command("ACL", "SETUSER", "little", *rights.split())
    server.command("SCRIPT", "FLUSH")
    server.command("HSET", "hero:job:there", "script", "run", "status", "error", "hq_queue", Q)
    server.command("HSET", "hero:job:runs", "script", "run", "status", "dispatched")
    with heroq.Supervisor(url, log="off") as sup:
        began = time.monotonic()
        with pytest.raises(heroq.HeroqError) as caught:
            call(sup)
        assert caught.value.name == "HEROQ_E_DENIED", caught.value
        assert "secret" not in str(caught.value)
        assert time.monotonic() - began < 5
    assert field(server, "runs", "status") == b"dispatched"
