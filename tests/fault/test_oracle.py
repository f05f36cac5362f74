"""The checker has to be able to fail: one sound job, and one thing at a time that is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import lua
from support.crew import Q
from support.oracle import OVERLAP, Oracle
from support.server import Server

H = f"{{{Q}}}"
JOB = "hero:job:a"
EARLY = "I7: gone before its reply or its burial"
Break = Callable[[Server, Path], object]


def lines(name: str, *text: str) -> Break:
    def write(_: Server, folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.writelines(f"{line}\n" for line in text)

    return write


def commands(*several: tuple[str | int, ...]) -> Break:
    return lambda server, _: [server.command(*one) for one in several]


def held(job_id: str, token: str) -> list[tuple[str | int, ...]]:
    return [("HSET", f"{H}:holders", job_id, token), ("ZADD", f"{H}:leases", 1, job_id)]


@pytest.fixture
def oracle(server: Server, tmp_path: Path) -> Oracle:
    made = Oracle(server, tmp_path, [Q])
    lines("orders", "try a 1.0", "ack a 1.1")(server, tmp_path)
    lines("ledger", "start a 1 7 2.0", "end a 1 7 2.1")(server, tmp_path)
    server.command("HSET", JOB, "script", "ok", "status", "finished", "output", "ok 7 1", "hq_attempt", 1)
    server.command("HSET", JOB, "hq_token", "5:x", "hq_queue", Q, "hq_reply_to", "hero:q:reply:a")
    server.command("PEXPIRE", JOB, 10**6)
    server.command("LPUSH", "hero:q:reply:a", "ok 7 1")
    server.command("PEXPIRE", "hero:q:reply:a", 10**6)
    return made


def test_a_sound_state_passes(oracle: Oracle) -> None:
    assert oracle.done()
    assert oracle.judge(max_starts=1) == {}


def test_a_run_that_lost_its_lease_passes(oracle: Oracle, server: Server, tmp_path: Path) -> None:
    """It still runs when the next one begins, and its result is refused."""
    more = ("start a 2 8 2.05", "refused a 1 7 2.1", "end a 2 8 2.2")
    (tmp_path / "ledger").write_text("".join(f"{line}\n" for line in ("start a 1 7 2.0", *more)))
    server.command("HSET", JOB, "output", "ok 8 2", "hq_attempt", 2, "hq_token", "6:y")
    commands(("DEL", "hero:q:reply:a"), ("LPUSH", "hero:q:reply:a", "ok 8 2"), ("PEXPIRE", "hero:q:reply:a", 10**6))(
        server, tmp_path
    )
    assert oracle.judge(max_starts=2) == {}


def test_a_job_under_way_passes(oracle: Oracle, server: Server, tmp_path: Path) -> None:
    """Its result is written, and its id is still held: the reply and the burial are to come."""
    commands(*held("a", "5:x"), ("DEL", "hero:q:reply:a"), ("HSET", JOB, "hq_dead", "lost"))(server, tmp_path)
    oracle.watch()
    assert not any(oracle.breaches.values())


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
    ("I5: one token for two ids", "b", commands(*held("a", "9:x"), *held("b", "9:x"))),
    ("I5: an older holder than the one that ran it", "a", commands(*held("a", "4:y"))),
    (OVERLAP, "a", lines("ledger", "start a 2 8 2.05", "refused a 2 8 2.2")),
    ("I6: a reply before its result", "a", commands(("HSET", JOB, "status", "started"))),
    (EARLY, "a", commands(("DEL", "hero:q:reply:a"))),
    (EARLY, "a", commands(("HSET", JOB, "hq_dead", "lost"))),
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


@pytest.mark.parametrize(("what", "whom", "breaks"), BREAKS, ids=[row[0].partition(":")[0] for row in BREAKS])
def test_what_is_wrong_is_found(
    server: Server, oracle: Oracle, tmp_path: Path, what: str, whom: str, breaks: Break
) -> None:
    if what.startswith("I1: ack"):
        lines("orders", "try b 1.0", "ack b 1.1")(server, tmp_path)
    if what.startswith("I3"):
        oracle.watch()
    breaks(server, tmp_path)
    assert whom in oracle.judge(max_starts=1)[what]


@pytest.mark.parametrize("harmless", [True, False])
def test_i9_shows_in_what_a_repeat_breaks(oracle: Oracle, server: Server, tmp_path: Path, harmless: bool) -> None:
    """The answer to a DONE was lost, and it is sent again when the job has long been run anew by another actor."""
    done = lua.load("done")
    if not harmless:  # it does not look whose the id is
        done = done.replace("if hs[i] == ARGV[2 * i]", "if hs[i]")
        assert done != lua.load("done")
    keys = [lua.queue_key(Q, name) for name in lua.keys("done")]

    def send_done() -> object:
        return server.command("EVAL", done, len(keys), *keys, "a", "5:x")

    commands(*held("a", "5:x"))(server, tmp_path)
    assert send_done() == 1
    assert oracle.done()
    lines("orders", "again a 3.0", "ack a 3.1")(server, tmp_path)
    commands(
        ("HDEL", JOB, "output"),
        ("PERSIST", JOB),
        ("HSET", JOB, "status", "started", "hq_token", "6:y", "hq_attempt", 2),
    )(server, tmp_path)
    commands(("DEL", "hero:q:reply:a"), *held("a", "6:y"))(server, tmp_path)
    oracle.watch()
    assert send_done() == (0 if harmless else 1)
    oracle.watch()
    found = {what for what, ids in oracle.breaches.items() if ids}
    assert found == (set() if harmless else {"I1: acknowledged, not terminal, nowhere"})


def test_every_invariant_has_its_case() -> None:
    seen = {what.partition(":")[0] for what, *_ in BREAKS} | {"I9"}
    assert seen >= {f"I{n}" for n in range(1, 11)}
