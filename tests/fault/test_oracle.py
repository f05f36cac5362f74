"""The checker has to be able to fail: one sound job, and one thing at a time that is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.crew import Q
from support.oracle import Oracle
from support.server import Server

H = f"{{{Q}}}"
JOB = "hero:job:a"
Break = Callable[[Server, Path], object]


def lines(name: str, *text: str) -> Break:
    def write(_: Server, folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.writelines(f"{line}\n" for line in text)

    return write


def commands(*several: tuple[str | int, ...]) -> Break:
    return lambda server, _: [server.command(*one) for one in several]


@pytest.fixture
def oracle(server: Server, tmp_path: Path) -> Oracle:
    made = Oracle(server, tmp_path, [Q])
    lines("orders", "try a 1.0", "ack a 1.1")(server, tmp_path)
    lines("ledger", "start a 1 7 2.0", "end a 1 7 2.1")(server, tmp_path)
    server.command("HSET", JOB, "script", "ok", "status", "finished", "output", "ok 7 1", "hq_attempt", 1)
    server.command("PEXPIRE", JOB, 10**6)
    server.command("LPUSH", "hero:q:reply:a", "ok 7 1")
    server.command("PEXPIRE", "hero:q:reply:a", 10**6)
    return made


def test_a_sound_state_passes(oracle: Oracle) -> None:
    assert oracle.done()
    assert oracle.judge(max_starts=1) == {}


BREAKS: list[tuple[str, str, Break]] = [
    ("I1: lost", "a", commands(("HSET", JOB, "status", "started"), ("HDEL", JOB, "output"), ("PERSIST", JOB))),
    ("I1: acknowledged, not terminal, nowhere", "b", commands(("HSET", "hero:job:b", "status", "dispatched"))),
    ("I1: lost", "c", lines("orders", "try c 1.0", "ack c 1.1")),
    ("I2: leases and holders differ", "a", commands(("HSET", f"{H}:holders", "a", "5:x"))),
    ("I2: leases and holders differ", "a", commands(("ZADD", f"{H}:leases", 1, "a"))),
    ("I2: dead and reasons differ", "a", commands(("ZADD", f"{H}:dead", 1, "a"))),
    ("I3: a terminal job changed", "a", commands(("HSET", JOB, "status", "error", "error", "late"))),
    ("I4: output of a stale run", "a", commands(("HSET", JOB, "hq_attempt", 2))),
    ("I4: output on a hash that is not terminal", "a", commands(("HSET", JOB, "status", "started"))),
    ("I4: nobody started the run of this output", "a", commands(("HSET", JOB, "output", "ok 8 1"))),
    ("I5: started twice with one attempt", "a", lines("ledger", "start a 1 8 3.0")),
    ("I6: a reply before its result", "a", commands(("HSET", JOB, "status", "started"))),
    ("I8: started too often", "a", lines("ledger", "start a 2 8 3.0")),
    ("I10: ttl on a living hash, or none on an ended one", "a", commands(("PERSIST", JOB))),
    ("I10: neither ttl nor bound", "hero:q:reply:x", commands(("LPUSH", "hero:q:reply:x", "x"))),
    ("doubled output", "a", lines("ledger", "start a 2 8 3.0", "end a 2 8 3.1")),
    ("doubled output: replies differ from the result", "a", commands(("LPUSH", "hero:q:reply:a", "ok 8 2"))),
    ("dead, but its hash does not say so", "a", commands(("HSET", f"{H}:reasons", "a", "lost"))),
    ("its hash says dead, but it is not there", "a", commands(("HSET", JOB, "hq_dead", "lost", "hq_queue", Q))),
    ("left over", "recoveries 1", commands(("HSET", f"{H}:recoveries", "a", 1))),
    ("left over", "seen 1", commands(("ZADD", f"{H}:seen", 1, "a"))),
    ("left over", "Q 1", commands(("LPUSH", Q, "a"))),
]


@pytest.mark.parametrize(("what", "whom", "breaks"), BREAKS)
def test_what_is_wrong_is_found(
    server: Server, oracle: Oracle, tmp_path: Path, what: str, whom: str, breaks: Break
) -> None:
    if what.startswith("I1: ack"):
        lines("orders", "try b 1.0", "ack b 1.1")(server, tmp_path)
    if what.startswith("I3"):
        oracle.watch()
    breaks(server, tmp_path)
    assert whom in oracle.judge(max_starts=1)[what]
