"""Every command of every operation is once the last one of its process (c/PROTOCOL.md, the crash tables).

The programs are steps.c, built with failpoints: they kill themselves behind a command that the server has carried out.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import lua
from support.faultproxy import FaultProxy
from support.faults import FULL, load_scripts, sanitizer, word_of
from support.oracle import caller, different_ids, look
from support.server import Server, wait_until

PROGRAM = Path(os.environ["HEROQ_BUILD_DIR"]) / "tests" / "steps"
Q = "hero:q:work:type:fault"
H = f"{{{Q}}}"
CTL = "hero:q:ctl:type:fault"


class Life:
    """One process of steps.c; what it printed is read at the end."""

    def __init__(self, server: Server | FaultProxy, *arguments: str, dies: str = "") -> None:
        environment = {**os.environ, "HEROQ_FAILPOINT": dies}
        if dies.startswith(("BL", "take:2")):  # it is to die of a job, not because none came in time
            environment["STEPS_BLOCK"] = "20s"
        self.process = subprocess.Popen(
            [PROGRAM, server.url, *arguments], env=environment, stdout=subprocess.PIPE, text=True
        )

    def ended(self, seconds: float = 15) -> list[str]:
        text, _ = self.process.communicate(timeout=seconds)
        return text.splitlines()

    def died(self, seconds: float = 15) -> list[str]:
        lines = self.ended(seconds)
        assert self.process.returncode == -signal.SIGKILL, f"lived on: {self.process.returncode}, {lines}"
        return lines

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def lives(server: Server) -> Iterator[list[Life]]:
    made: list[Life] = []
    yield made
    for life in made:
        life.stop()


def enqueue(server: Server, job_id: str, script: str) -> None:
    server.command("HSET", f"hero:job:{job_id}", "script", script, "status", "dispatched", "script_type", "fault",
                   "hq_reply_to", f"hero:q:reply:{job_id}")  # fmt: skip
    server.command("LPUSH", Q, job_id)


def field(server: Server, job_id: str, name: str) -> bytes | None:
    value: bytes | None = server.command("HGET", f"hero:job:{job_id}", name)
    return value


def nothing_left(server: Server) -> bool:
    """One look: an id that moves meanwhile is not overlooked."""
    with server.connect() as link:
        link.call("MULTI")
        for key in (Q, f"{H}:handoff"):
            link.call("LLEN", key)
        for name in ("leases", "delayed", "intents"):
            link.call("ZCARD", f"{H}:{name}")
        link.call("HLEN", f"{H}:holders")
        return not any(link.call("EXEC"))


def follower(server: Server, new_server: Callable[..., Server]) -> Server:
    replica = new_server("--replicaof", f"127.0.0.1 {server.port}")
    wait_until(lambda: b"state=online" in server.command("INFO", "replication"), seconds=20, what="it follows")
    return replica


def is_there(server: Server, command: str) -> None:
    """The actor, at the latest when it may die of `command`."""
    if command.startswith(("BL", "take:2")):
        wait_until(lambda: b"blocked_clients:1" in server.command("INFO", "clients"), what="the actor waits for jobs")
    else:
        wait_until(lambda: server.command("ZCARD", f"{H}:actors") == 1, what="the actor is there")


def ends(server: Server, job_id: str, status: bytes = b"finished") -> None:
    wait_until(lambda: field(server, job_id, "status") == status, seconds=20, what=f"{job_id} is {status!r}")
    wait_until(lambda: nothing_left(server), seconds=10, what="nothing is left over")


# script of the job, the command behind which its first actor dies, attempts in the end, status, dead letters
ACTOR = [
    ("ok", "BLMOVE", 1, b"finished", 0),
    ("ok", "take", 1, b"finished", 0),
    ("ok", "take:2", 1, b"finished", 0),  # the one behind BLMOVE
    ("ok", "claim", 2, b"finished", 0),
    ("ok", "finish_reply", 1, b"finished", 0),
    ("ok", "done", 1, b"finished", 0),
    ("fail once", "fail", 2, b"finished", 0),
    ("fail once", "retry", 2, b"finished", 0),
    ("fail", "fail:2", 2, b"error", 1),
    ("fail", "reply", 2, b"error", 1),
    ("fail", "bury", 2, b"error", 1),
    ("release", "unclaim", 2, b"finished", 0),
    ("release", "retry", 2, b"finished", 0),
    ("drop", "unclaim", 2, b"finished", 0),
    ("drop", "retry", 2, b"finished", 0),
]


@pytest.mark.parametrize(("script", "command", "attempts", "status", "dead"), ACTOR)
def test_2_actor(
    server: Server, lives: list[Life], script: str, command: str, attempts: int, status: bytes, dead: int
) -> None:
    first = Life(server, "actor", dies=command if ":" in command else f"{command}:1")
    lives.append(first)
    is_there(server, command)
    enqueue(server, "a", script)
    first.died()
    lives.append(Life(server, "actor"))
    ends(server, "a", status)
    assert field(server, "a", "hq_attempt") == str(attempts).encode()
    assert field(server, "a", "output" if status == b"finished" else "error") == f"output {attempts}".encode()
    replies = server.command("LRANGE", "hero:q:reply:a", 0, -1)
    assert set(replies) == {f"output {attempts}".encode()} and len(replies) <= 2
    assert server.command("ZCARD", f"{H}:dead") == dead
    assert server.command("HLEN", f"{H}:recoveries") == 0


def its_holder_is_gone(server: Server, attempt: int) -> None:
    """Job a was started for the `attempt`-th time, and its lease has run out."""
    server.command(
        "HSET", "hero:job:a", "status", "started", "hq_token", "5:gone", "hq_queue", Q, "hq_attempt", attempt
    )
    server.command("HSET", f"{H}:holders", "a", "5:gone")
    server.command("ZADD", f"{H}:leases", 1000, "a")


def one_dies_and_one_lives(server: Server, lives: list[Life], command: str, kind: str = "actor") -> None:
    first = Life(server, kind, dies=f"{command}:1")
    lives.append(first)
    first.died()
    lives.append(Life(server, kind))


@pytest.mark.parametrize(
    ("command", "attempts"),
    [("beat", 2), ("promote", 1), ("reap", 2), ("seen", 1), ("ZADD", 1), ("tally", 1), ("ended", 1)],
)
def test_2_housekeeping(server: Server, lives: list[Life], command: str, attempts: int) -> None:
    """An actor dies behind what it does beside the jobs; what it was to do is done by the next."""
    if command == "beat":
        enqueue(server, "a", "until lost")
    else:
        enqueue(server, "a", "ok")
    if command == "promote":
        server.command("DEL", Q)
        server.command("ZADD", f"{H}:delayed", 1000, "a")
    elif command == "reap":
        server.command("DEL", Q)
        its_holder_is_gone(server, 1)
    one_dies_and_one_lives(server, lives, command)
    ends(server, "a")
    assert field(server, "a", "output") == f"output {attempts}".encode()


@pytest.mark.parametrize("reaper", ["actor", "tend", "await"])
@pytest.mark.parametrize("command", ["reap", "kill", "reply", "bury"])
def test_37e_a_reaper_dies_while_it_buries(server: Server, lives: list[Life], command: str, reaper: str) -> None:
    """The last holder is gone for good, and so is the first one who comes to bury the job: an actor, or a caller where
    there is none."""
    server.command("HSET", f"{H}:recoveries", "a", 3)
    server.command("HSET", "hero:job:a", "script", "ok", "script_type", "fault", "hq_reply_to", "hero:q:reply:a",
                   "hq_ttl", 86400000)  # fmt: skip
    its_holder_is_gone(server, 4)
    if reaper == "actor":
        one_dies_and_one_lives(server, lives, command)
    else:
        Life(server, reaper, "a", dies=f"{command}:1").died(30)
        lives.append(Life(server, "actor"))
    ends(server, "a", b"error")
    assert server.command("HGET", f"{H}:reasons", "a") == b"lost"
    assert field(server, "a", "hq_attempt") == b"4"
    assert len(server.command("LRANGE", "hero:q:reply:a", 0, -1)) in (1, 2)


@pytest.mark.parametrize("command", ["HGET", "claim:2"])
def test_2_an_actor_takes_over_from_another_queue(server: Server, lives: list[Life], command: str) -> None:
    """The job was started through a group's queue whose holder has it no more: it is looked up there, then claimed."""
    enqueue(server, "a", "ok")
    server.command("HSET", "hero:job:a", "status", "started", "hq_queue", f"{Q}:group:other", "hq_token", "5:gone",
                   "hq_attempt", 1)  # fmt: skip
    first = Life(server, "actor", dies=command if ":" in command else f"{command}:1")
    lives.append(first)
    first.died()
    lives.append(Life(server, "actor"))
    ends(server, "a")
    assert field(server, "a", "hq_attempt") == (b"2" if command == "HGET" else b"3")


@pytest.mark.parametrize("reaper", ["actor", "tend"])
@pytest.mark.parametrize("command", ["HGET", "kill:2"])
def test_2_a_reaper_buries_over_another_queue(server: Server, lives: list[Life], command: str, reaper: str) -> None:
    """The hash names a run through another queue whose holder has the job no more."""
    enqueue(server, "a", "ok")
    server.command("DEL", Q)
    server.command("HSET", f"{H}:recoveries", "a", 3)
    its_holder_is_gone(server, 4)
    server.command("HSET", "hero:job:a", "hq_queue", f"{Q}:group:other", "hq_token", "5:other")
    Life(server, reaper, dies=command if ":" in command else f"{command}:1").died()
    lives.append(Life(server, "actor"))
    ends(server, "a", b"error")
    assert server.command("HGET", f"{H}:reasons", "a") == b"lost"


@pytest.mark.parametrize("command", ["CLIENT"])
def test_15_an_idle_actor_dies_while_it_closes(server: Server, lives: list[Life], command: str) -> None:
    """It has just ended its blocked command."""
    Life(server, "closing", dies=f"{command}:1").died()
    enqueue(server, "a", "ok")
    lives.append(Life(server, "actor"))
    ends(server, "a")
    assert field(server, "a", "hq_attempt") == b"1"


@pytest.mark.parametrize("command", ["unclaim", "retry"])
def test_15_an_actor_dies_while_it_gives_its_job_back(server: Server, lives: list[Life], command: str) -> None:
    enqueue(server, "a", "ok")
    Life(server, "closing", dies=f"{command}:1").died()
    lives.append(Life(server, "actor"))
    ends(server, "a")
    assert field(server, "a", "output") == b"output 2"


def test_10_the_engine_stalls(server: Server, lives: list[Life]) -> None:
    """Its thread sleeps for two leases while a handler runs: the job is another's, and the handler is told."""
    enqueue(server, "a", "until lost")
    stalled = Life(server, "actor", dies="beat:2:1200")
    lives.append(stalled)
    wait_until(lambda: field(server, "a", "status") == b"started", what="it runs")
    lives.append(Life(server, "actor"))
    ends(server, "a")
    assert field(server, "a", "output") == b"output 2"
    assert server.command("LLEN", "hero:q:reply:a") == 1
    lives.pop().stop()
    enqueue(server, "b", "ok")
    ends(server, "b")
    lives.remove(stalled)
    stalled.process.kill()
    lines = stalled.ended()
    assert "stop a 3" in lines and "settled HEROQ_E_LOST" in lines, lines


# operation, command behind which its caller dies
SUBMITS = [
    ("submit", "create"),
    ("submit", "LPUSH"),
    ("bulk", "create"),
    ("bulk", "LPUSH"),
    ("indexed", "index"),
    ("indexed", "file"),
    ("indexed-bulk", "index"),
    ("indexed-bulk", "file"),
    ("intents", "intent"),
    ("intents", "create"),
    ("intents", "push"),
    ("delayed", "create"),
    ("delayed", "push"),
    ("urgent", "create"),
    ("urgent", "push"),
    ("run", "create"),
    ("run", "LPUSH"),
    ("run", "BLPOP"),
]


@pytest.mark.parametrize(("operation", "command"), SUBMITS)
def test_2_submit_and_repeat(server: Server, lives: list[Life], operation: str, command: str) -> None:
    Life(server, operation, "a", "ok", dies=f"{command}:1").died()
    again = Life(server, operation, "a", "ok")
    lives += [again, Life(server, "actor")]
    assert "ok" in again.ended(25)
    ends(server, "a")
    assert field(server, "a", "hq_attempt") == b"1"
    for name in ("made", "ids", "tag:t"):
        assert server.command("ZCARD", f"{{heroq}}:index:{name}") == operation.startswith("indexed")


def test_2_submit_of_a_fresh_id(server: Server, lives: list[Life]) -> None:
    """HSET and LPUSH go in one pipeline: behind the first the caller knows nothing, behind the second the job runs."""
    lost = Life(server, "submit", "-", "ok", dies="HSET:1").died()[0].split()[1]
    stands = Life(server, "submit", "-", "ok", dies="LPUSH:1").died()[0].split()[1]
    lives.append(Life(server, "actor"))
    ends(server, stands)
    assert field(server, lost, "status") == b"dispatched"
    assert server.command("ZCARD", f"{H}:intents") == 0


@pytest.mark.parametrize(("command", "runs"), [("intent", False), ("HSET", True), ("push", True)])
def test_2_an_intent_is_carried_out(server: Server, lives: list[Life], command: str, runs: bool) -> None:
    """Nobody repeats the call: an actor finishes the start of a caller that died once the hash stands."""
    job_id = Life(server, "intents", "-", "ok", dies=f"{command}:1").died()[0].split()[1]
    assert server.command("ZCARD", f"{H}:intents") == (0 if command == "push" else 1)
    lives.append(Life(server, "actor"))
    if runs:
        ends(server, job_id)
        assert field(server, job_id, "hq_attempt") == b"1"
    else:
        wait_until(lambda: nothing_left(server), seconds=10, what="the note goes")
        assert not server.command("EXISTS", f"hero:job:{job_id}")


@pytest.mark.parametrize("command", ["HMGET", "intents:2", "push"])
def test_2_an_actor_dies_over_an_intent(server: Server, lives: list[Life], command: str) -> None:
    job_id = Life(server, "intents", "-", "ok", dies="HSET:1").died()[0].split()[1]
    first = Life(server, "actor", dies=command if ":" in command else f"{command}:1")
    lives.append(first)
    first.died()
    lives.append(Life(server, "actor"))
    ends(server, job_id)
    assert field(server, job_id, "hq_attempt") == b"1"


@pytest.mark.parametrize("command", ["HMGET", "LPUSH"])
def test_2_start(server: Server, lives: list[Life], command: str) -> None:
    assert "ok" in Life(server, "create", "a", "ok").ended()
    Life(server, "start", "a", dies=f"{command}:1").died()
    assert "ok" in Life(server, "start", "a").ended()
    lives.append(Life(server, "actor"))
    ends(server, "a")
    assert field(server, "a", "hq_attempt") == b"1"


@pytest.mark.parametrize("command", ["place"])
def test_2_start_elsewhere(server: Server, lives: list[Life], command: str) -> None:
    """Started in a group, which the hash did not know."""
    assert "ok" in Life(server, "create", "a", "ok").ended()
    Life(server, "start-in-group", "a", dies=f"{command}:1").died()
    assert field(server, "a", "hq_queue") == f"{Q}:group:g".encode()
    assert server.command("LLEN", f"{Q}:group:g") == 0
    assert "ok" in Life(server, "start", "a").ended()
    assert server.command("LRANGE", f"{Q}:group:g", 0, -1) == [b"a"]


@pytest.mark.parametrize("where", ["queued", "delayed"])
@pytest.mark.parametrize("command", ["cancel", "reply", "stop"])
def test_2_stop(server: Server, lives: list[Life], command: str, where: str) -> None:
    """A delayed job comes at once to be found ended, though it was due in years; without STOP only when it is due."""
    enqueue(server, "a", "ok")
    if where == "delayed":
        server.command("DEL", Q)
        server.command("ZADD", f"{H}:delayed", 10**13, "a")
    Life(server, "stop", "a", dies=f"{command}:1").died()
    assert "ok" in Life(server, "stop", "a").ended()
    if where == "delayed" and command != "stop":
        assert server.command("ZSCORE", f"{H}:delayed", "a") == b"10000000000000"
        server.command("ZADD", f"{H}:delayed", 1000, "a")
    lives.append(Life(server, "actor"))
    ends(server, "a", b"error")
    assert field(server, "a", "error") == b"cancelled"
    assert field(server, "a", "hq_attempt") is None


@pytest.mark.parametrize("command", ["take", "cancel", "claim", "result", "reply", "stop", "promote", "done", "retry"])
def test_2_clear(server: Server, lives: list[Life], command: str) -> None:
    """Of every kind that may wait one, and a copy. What was in hand comes back by its lease, for the next clear."""
    for job_id in ("a", "begun", "foreign", "elsewhere", "delayed"):
        enqueue(server, job_id, "ok")
    server.command("LREM", Q, 0, "delayed")
    server.command("LPUSH", Q, "a")
    server.command("ZADD", f"{H}:delayed", 10**13, "delayed")
    for job_id in ("begun", "foreign", "elsewhere"):
        server.command("HSET", f"hero:job:{job_id}", "status", "started")
    server.command("HSET", "hero:job:begun", "hq_token", "1:gone", "hq_queue", Q)
    server.command("HSET", "hero:job:elsewhere", "hq_token", "1:gone", "hq_queue", f"{Q}:group:g")
    Life(server, "clear", dies=f"{command}:1").died()
    for job_id in server.command("ZRANGE", f"{H}:leases", 0, -1):
        server.command("ZADD", f"{H}:leases", 1, job_id)
    wait_until(
        lambda: Life(server, "tend").ended() and not server.command("EXISTS", f"{H}:leases"), what="it is reaped"
    )
    assert "ok" in Life(server, "clear").ended()
    lives.append(Life(server, "actor"))
    for job_id in ("a", "begun", "foreign", "elsewhere", "delayed"):
        ends(server, job_id, b"error")
        assert field(server, job_id, "error") == b"cancelled"


@pytest.mark.parametrize("command", ["stop", "promote"])
def test_2_run_a_delayed_job_now(server: Server, lives: list[Life], command: str) -> None:
    enqueue(server, "a", "ok")
    server.command("DEL", Q)
    server.command("ZADD", f"{H}:delayed", 10**13, "a")
    Life(server, "retry", "a", dies=f"{command}:1").died()
    lives.append(Life(server, "actor"))
    ends(server, "a")


@pytest.mark.parametrize("command", ["requeue", "DEL", "LREM", "push_again"])
def test_37c_requeue(server: Server, lives: list[Life], command: str) -> None:
    """The reply of the first run and a request to stop it are gone before the second one begins."""
    enqueue(server, "a", "ok")
    actor = Life(server, "actor")
    lives.append(actor)
    ends(server, "a")
    actor.stop()
    server.command("LPUSH", CTL, "a", "foreign")
    Life(server, "requeue", "a", dies=f"{command}:1").died()
    assert "ok" in Life(server, "requeue", "a").ended()
    assert server.command("LRANGE", CTL, 0, -1) == [b"foreign"]
    assert not server.command("EXISTS", "hero:q:reply:a")
    lives.append(Life(server, "actor"))
    wait_until(lambda: field(server, "a", "output") == b"output 2", seconds=15)
    ends(server, "a")
    assert field(server, "a", "hq_attempt") == b"2"


@pytest.mark.parametrize("command", ["delete", "ZREM", "HDEL"])
def test_2_delete(server: Server, lives: list[Life], command: str) -> None:
    enqueue(server, "a", "fail")
    server.command("HSET", "hero:job:a", "retries", 0)
    actor = Life(server, "actor")
    lives.append(actor)
    ends(server, "a", b"error")
    actor.stop()
    assert server.command("ZCARD", f"{H}:dead") == 1
    Life(server, "delete", "a", dies=f"{command}:1").died()
    assert "ok" in Life(server, "delete", "a").ended()
    assert server.command("ZCARD", f"{H}:dead") == 0
    assert server.command("HLEN", f"{H}:reasons") == 0
    assert field(server, "a", "error") == b"deleted"


@pytest.mark.parametrize("command", ["HDEL", "ZREM"])
def test_2_purge(server: Server, lives: list[Life], command: str) -> None:
    enqueue(server, "a", "fail")
    server.command("HSET", "hero:job:a", "retries", 0)
    lives.append(Life(server, "actor"))
    ends(server, "a", b"error")
    Life(server, "purge", dies=f"{command}:1").died()
    assert "ok" in Life(server, "purge").ended()
    assert server.command("EXISTS", f"{H}:dead", f"{H}:reasons") == 0


@pytest.mark.parametrize("command", ["cancel", "stop"])
def test_2_stop_of_a_running_job(server: Server, lives: list[Life], command: str) -> None:
    enqueue(server, "a", "until stopped")
    lives.append(Life(server, "actor"))
    wait_until(lambda: field(server, "a", "status") == b"started", what="it runs")
    Life(server, "stop", "a", dies=f"{command}:1").died()
    assert "ok" in Life(server, "stop", "a").ended()
    ends(server, "a", b"error")
    assert field(server, "a", "error") == b"cancelled"
    assert field(server, "a", "hq_attempt") == b"1"


@pytest.mark.parametrize("command", ["cancel", "ctl"])
def test_2_stop_of_a_foreign_job(server: Server, command: str) -> None:
    enqueue(server, "a", "ok")
    server.command("DEL", Q)
    server.command("HSET", "hero:job:a", "status", "started")
    Life(server, "stop", "a", dies=f"{command}:1").died()
    assert "ok" in Life(server, "stop", "a").ended()
    assert set(server.command("LRANGE", CTL, 0, -1)) == {b"a"}
    assert field(server, "a", "status") == b"started"


@pytest.mark.parametrize("command", ["LRANGE", "cancel", "LREM"])
def test_37_an_actor_dies_over_the_ctl_list(server: Server, lives: list[Life], command: str) -> None:
    server.command("LPUSH", CTL, "a", "foreign")
    enqueue(server, "a", "until stopped")
    one_dies_and_one_lives(server, lives, command)
    ends(server, "a", b"error")
    assert field(server, "a", "error") == b"cancelled"
    assert b"foreign" in server.command("LRANGE", CTL, 0, -1)


def test_2_the_holder_dies_when_it_looks_at_a_stop(server: Server, lives: list[Life]) -> None:
    """BEAT told it that somebody asks, the hash has confirmed it."""
    enqueue(server, "a", "until stopped")
    first = Life(server, "actor", dies="await:1")
    lives.append(first)
    wait_until(lambda: field(server, "a", "status") == b"started", what="it runs")
    assert "ok" in Life(server, "stop", "a").ended()
    first.died()
    lives.append(Life(server, "actor"))
    ends(server, "a", b"error")
    assert field(server, "a", "error") == b"cancelled"
    assert field(server, "a", "hq_attempt") == b"1"


@pytest.mark.parametrize("command", ["mine"])
def test_5_an_actor_dies_when_it_learns_what_it_holds(server: Server, lives: list[Life], command: str) -> None:
    """The reply to its TAKE was lost with the connection, and so is the actor behind the look that follows."""
    load_scripts(server)
    with FaultProxy(server.port) as proxy:
        first = Life(proxy, "actor", dies=f"{command}:1")
        lives.append(first)
        wait_until(lambda: b"cmd=blmove" in server.command("CLIENT", "LIST"), what="the actor waits")
        proxy.arm(word_of("take"), "lose")
        enqueue(server, "a", "ok")
        first.died()
    assert server.command("HLEN", f"{H}:holders") == 1
    lives.append(Life(server, "actor"))
    ends(server, "a")
    assert field(server, "a", "hq_attempt") == b"1"


@pytest.mark.parametrize(("source", "command"), [("output", "settle"), ("output", "await"), ("reply", "settle")])
def test_2_settle(server: Server, source: str, command: str) -> None:
    """A foreign actor gives only an output, or only a reply: the waiter writes the result, and dies."""
    enqueue(server, "a", "ok")
    server.command("DEL", Q)
    server.command("HSET", "hero:job:a", "status", "started")
    if source == "output":
        server.command("HSET", "hero:job:a", "output", "theirs")
    else:
        server.command("LPUSH", "hero:q:reply:a", "theirs")
    Life(server, "await", "a", dies=f"{command}:1").died()
    assert "result theirs" in Life(server, "await", "a").ended()
    assert field(server, "a", "status") == b"finished" and field(server, "a", "output") == b"theirs"


@pytest.mark.parametrize("waiter", ["await", "waiter"])
@pytest.mark.parametrize("source", ["output", "reply"])
def test_62_a_result_comes_before_what_a_waiter_settles(server: Server, waiter: str, source: str) -> None:
    """It has waited for a second and is about to write what a foreign actor gave; what stands there by then wins."""
    enqueue(server, "a", "ok")
    server.command("DEL", Q)
    server.command("HSET", "hero:job:a", "status", "started")
    if source == "output":
        server.command("HSET", "hero:job:a", "output", "half")
    else:
        server.command("LPUSH", "hero:q:reply:a", "half")
    slow = Life(server, waiter, "a", dies="settle:1:2500")
    with server.connect() as link:
        wait_until(lambda: b"hq_reply_to" in link.call("HKEYS", "hero:job:a"), what="it waits")
        time.sleep(2)  # the second that it gives the status, and a part of the pause before SETTLE
        link.call("HSET", "hero:job:a", "status", "finished", "output", "whole")
    assert "result whole" in slow.ended()
    assert field(server, "a", "output") == b"whole"


@pytest.mark.parametrize("command", ["await", "LPOP", "BLPOP", "DEL"])
def test_2_waiter(server: Server, lives: list[Life], command: str) -> None:
    """One that waits for many over one list dies; the next one, with a list of its own, has the result."""
    enqueue(server, "a", "ok")
    first = Life(server, "leaving" if command == "DEL" else "waiter", "a", dies=f"{command}:1")
    lives.append(first)
    if command == "BLPOP":  # what comes sooner, LPOP brings
        wait_until(lambda: b"cmd=blpop" in server.command("CLIENT", "LIST"), what="it waits")
    lives.append(Life(server, "actor"))
    first.died()
    assert "result output 1" in Life(server, "waiter", "a").ended()
    ends(server, "a")
    assert field(server, "a", "hq_attempt") == b"1"
    for key in server.command("KEYS", "hero:q:reply:waiter.*"):
        assert server.command("PTTL", key) > 0  # what the dead one left goes by itself


@pytest.mark.parametrize("command", ["LINDEX", "settle", "DEL"])
def test_2_waiter_of_a_foreign_actor(server: Server, command: str) -> None:
    enqueue(server, "a", "ok")
    server.command("DEL", Q)
    server.command("HSET", "hero:job:a", "status", "started")
    server.command("LPUSH", "hero:q:reply:a", "theirs")
    Life(server, "leaving" if command == "DEL" else "waiter", "a", dies=f"{command}:1").died()
    assert "result theirs" in Life(server, "waiter", "a").ended()
    assert field(server, "a", "output") == b"theirs"


@pytest.mark.parametrize("command", ["result", "reply"])
def test_2_set_result(server: Server, lives: list[Life], command: str) -> None:
    enqueue(server, "a", "ok")
    Life(server, "result", "a", "given", dies=f"{command}:1").died()
    assert field(server, "a", "output") == b"given"
    assert "result given" in Life(server, "await", "a").ended()
    lives.append(Life(server, "actor"))
    ends(server, "a")
    assert field(server, "a", "hq_attempt") is None


@pytest.mark.parametrize(("operation", "command"), [("pause", "HSET"), ("pause", "ZADD"), ("resume", "HDEL")])
def test_2_pause_and_resume(server: Server, lives: list[Life], operation: str, command: str) -> None:
    if operation == "resume":
        assert "ok" in Life(server, "pause").ended()
    enqueue(server, "a", "ok")
    Life(server, operation, dies=f"{command}:1").died()
    assert server.command("HEXISTS", f"{H}:meta", "paused") == (operation == "pause")
    assert "ok" in Life(server, operation).ended()
    assert server.command("HEXISTS", f"{H}:meta", "paused") == (operation == "pause")
    lives.append(Life(server, "actor"))
    if operation == "pause":
        wait_until(lambda: server.command("ZCARD", f"{H}:actors") == 1, what="the actor is there")
        assert "ok" in Life(server, "resume").ended()
    ends(server, "a")


@pytest.mark.parametrize("command", ["note"])
def test_2_note(server: Server, lives: list[Life], command: str) -> None:
    enqueue(server, "a", "note")
    one_dies_and_one_lives(server, lives, command)
    ends(server, "a")
    assert server.command("LRANGE", "{hero:job:a}:log", 0, -1)[-1].endswith(b"output 2")
    assert server.command("LLEN", "{hero:job:a}:log") == 2


@pytest.mark.parametrize("command", ["mark", "WAIT"])
def test_2_durable_submit(server: Server, lives: list[Life], command: str) -> None:
    Life(server, "durable", "a", "ok", dies=f"{command}:1").died()
    assert "ok" in Life(server, "submit", "a", "ok").ended()
    lives.append(Life(server, "actor"))
    ends(server, "a")
    assert field(server, "a", "hq_attempt") == b"1"


@pytest.mark.parametrize("command", ["finish", "mark", "WAIT", "reply", "done"])
def test_2_durable_actor(server: Server, new_server: Callable[..., Server], lives: list[Life], command: str) -> None:
    """Behind the wait for a replica too: the job has run once, and who awaits it is answered."""
    replica = follower(server, new_server)
    enqueue(server, "a", "ok")
    one_dies_and_one_lives(server, lives, command, "durable-actor")
    ends(server, "a")
    assert field(server, "a", "output") == b"output 1"
    assert len(server.command("LRANGE", "hero:q:reply:a", 0, -1)) in (1, 2)
    wait_until(lambda: field(replica, "a", "output") == b"output 1", what="the replica has it")


# the command behind which a canonical actor dies, and what the hash says from then on: at most once
CANONICAL = [
    ("BLPOP", b"dispatched", 0),
    ("LPOP", b"dispatched", 0),
    ("start", b"started", 0),
    ("result", b"finished", 0),
    ("reply", b"finished", 1),
]


@pytest.mark.parametrize(("command", "status", "replies"), CANONICAL)
def test_2_canonical(server: Server, lives: list[Life], command: str, status: bytes, replies: int) -> None:
    if command == "LPOP":  # takes what it finds
        enqueue(server, "a", "ok")
    first = Life(server, "canonical", dies=f"{command}:1")
    lives.append(first)
    if command != "LPOP":
        is_there(server, command)
        enqueue(server, "a", "ok")
    first.died()
    lives.append(Life(server, "canonical"))
    enqueue(server, "b", "ok")
    ends(server, "b")
    assert field(server, "a", "status") == status
    assert server.command("LLEN", "hero:q:reply:a") == replies


@pytest.mark.parametrize("command", ["rights", "LMOVE", "PEXPIRE"])
def test_2_doctor_mends(server: Server, lives: list[Life], command: str) -> None:
    """Ids that nobody comes for, reply lists that never end: a doctor dies, the next one does the rest."""
    if command == "rights" and server.command("INFO", "server").find(b"redis_version:6.") >= 0:
        pytest.skip("a server before 7 cannot be asked for the rights")
    for i in range(12):
        server.command("HSET", f"hero:job:r{i}", "script", "x", "status", "finished", "output", "42")
        server.command("LPUSH", f"hero:q:reply:r{i}", "42")
    for job_id in ("a", "b"):
        server.command("HSET", f"hero:job:{job_id}", "script", "ok", "status", "dispatched", "script_type", "fault")
        server.command("LPUSH", f"{H}:handoff", job_id)
    server.command("ZADD", "{heroq}:queues", int(time.time() * 1000), Q)
    Life(server, "doctor", dies=f"{command}:1").died()
    assert Life(server, "doctor").ended() == []
    assert server.command("LLEN", f"{H}:handoff") == 0
    assert all(server.command("PTTL", f"hero:q:reply:r{i}") > 0 for i in range(12))
    lives.append(Life(server, "actor"))
    for job_id in ("a", "b"):
        ends(server, job_id)
        assert field(server, job_id, "hq_attempt") == b"1"


def words_that_write(server: Server) -> set[str]:
    """Of the commands in the library's source, without those that only tools send."""
    sources = (Path(__file__).parents[2] / "c" / "src").glob("*.c")
    text = "".join(path.read_text() for path in sources)
    words = sorted(set(re.findall(r'hq_batch_(?:words|text_arg)\([^;]*?"([A-Z]{3,})"', text)))
    return {
        word
        for word, info in zip(words, server.command("COMMAND", "INFO", *words), strict=True)
        if info and b"write" in info[2]
    }


def test_2_every_command_has_its_crash(server: Server) -> None:
    """A script, or a command that writes, which is added without a test above is named here."""
    tested: set[str] = set()
    for test in globals().values():
        for mark in getattr(test, "pytestmark", []):
            if mark.name != "parametrize":
                continue
            names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
            if "command" in names:
                rows = [row if isinstance(row, tuple) else (row,) for row in mark.args[1]]
                tested |= {row[names.index("command")].partition(":")[0] for row in rows}
    written = words_that_write(server)
    assert len(written) > 8
    assert (set(lua.names()) | written) - tested == set()


@pytest.mark.parametrize("kind", ["actor", "durable-actor"])
def test_2_anywhere(server: Server, new_server: Callable[..., Server], lives: list[Life], kind: str) -> None:
    """Actors die behind any command, as often as chance will have it, until all jobs have ended."""
    if kind == "durable-actor":
        follower(server, new_server)
    seed = int(os.environ.get("HEROQ_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    jobs = {f"j{i}": ("ok", "fail once", "fail", "release")[i % 4] for i in range(200)}
    for job_id, script in jobs.items():
        enqueue(server, job_id, script)
    deaths = 0

    def all_ended() -> bool:
        nonlocal deaths
        for life in [life for life in lives if life.process.poll() is not None]:
            lives.remove(life)
            life.stop()
            deaths += 1
        while len(lives) < 3:
            lives.append(Life(server, kind, dies=f"random:{seed + deaths * 7 + len(lives)}:60"))
        return all(field(server, job_id, "status") in (b"finished", b"error") for job_id in jobs)

    wait_until(all_ended, seconds=90, what="every job ends")
    while lives:
        lives.pop().stop()
    lives.append(Life(server, kind))
    wait_until(lambda: nothing_left(server), seconds=20)
    print(f"{deaths} deaths")
    assert deaths > 10
    for job_id, script in jobs.items():
        status, dead = field(server, job_id, "status"), server.command("ZSCORE", f"{H}:dead", job_id)
        # a job that loses its actor too often is given up, and kept
        assert status == (b"error" if script == "fail" or dead is not None else b"finished"), job_id
        assert (dead is not None) == (status == b"error"), job_id


CALLERS = 600 if FULL and not sanitizer() else 60  # jobs, each with its calls


class Callers:
    """Calls whose process dies behind any command; each is repeated until it is answered."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server, self.seed = server, seed
        self.acked: set[str] = set()
        self.deaths: list[str] = []

    def call(self, chance: random.Random, *arguments: str) -> bool:
        while True:
            life = Life(self.server, *arguments, dies=f"random:{chance.randrange(10**9)}:4")
            lines = life.ended(40)
            if life.process.returncode != -signal.SIGKILL:
                return "ok" in lines
            self.deaths.append(arguments[0])

    def one_job(self, number: int) -> None:
        chance = random.Random(f"{self.seed} {number}")
        job_id, script = f"c{number}", chance.choice(("ok", "fail once", "fail", "release", "drop"))
        begin = chance.choice(("submit", "intents", "bulk", "create", "delayed", "urgent"))
        assert self.call(chance, begin, job_id, script)
        if begin == "create":
            self.call(chance, "start", job_id)  # refused, if the life before has started it
        self.acked.add(job_id)
        for operation in chance.choices(
            ("stop", "requeue", "delete", "await", "waiter", "tend", "pause", "requeue"), k=2
        ):
            # an error is an answer too: it runs, it has failed, it was deleted
            self.call(chance, operation, *([job_id] if operation != "pause" else []))
            if operation == "pause":
                assert self.call(chance, "resume")


@pytest.mark.timeout(240)
def test_2_callers_anywhere(server: Server, lives: list[Life]) -> None:
    """Callers die behind any command, and so do the actors: what was acknowledged ends, and nothing is left over."""
    seed = int(os.environ.get("HEROQ_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    callers, chance = Callers(server, seed), random.Random(seed)

    def all_answered() -> bool:
        for life in [life for life in lives if life.process.poll() is not None]:
            lives.remove(life)
            life.stop()
        while len(lives) < 2:
            lives.append(Life(server, "actor", dies=f"random:{chance.randrange(10**9)}:80"))
        return all(job.done() for job in jobs)

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(callers.one_job, number) for number in range(CALLERS)]
        wait_until(all_answered, seconds=200, what="all calls are answered")
        for job in jobs:
            job.result()
    while lives:
        lives.pop().stop()
    lives.append(Life(server, "actor"))
    wait_until(lambda: nothing_left(server), seconds=20, what="nothing is left over")
    print(f"{len(callers.deaths)} callers died")
    assert len(callers.deaths) > CALLERS and len(callers.acked) == CALLERS
    with server.connect() as link:
        seen = look(caller(link), [Q])
        assert seen.lost == [] and seen.breaches() == [] and different_ids(caller(link), Q) == []
    for job_id in callers.acked:
        assert field(server, job_id, "status") in (b"finished", b"error"), job_id
