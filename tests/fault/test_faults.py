"""Real processes killed, frozen and cut off: acknowledged minus terminal must be empty. Leases are scaled to 600 ms."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

import heroq
import pytest
from support.crew import LEASE, MAX_STARTS, Crew, Q, seeded
from support.faults import FULL, sanitizer
from support.server import Server, wait_until

Hire = Callable[[Server], Crew]


def submit(world: Crew, *scripts: str) -> list[str]:
    with heroq.Supervisor(world.server.url, log="off") as sup:
        return world.order(sup.submit_many(scripts, script_type="fault"))


def settles(world: Crew, seconds: float = 30) -> None:
    """Every job ends, nothing is left over, and no rule was broken on the way."""
    try:
        wait_until(world.oracle.done, seconds=seconds, what="every acknowledged job ends, and nothing is left over")
    finally:
        assert world.oracle.judge(MAX_STARTS) == {}


def test_1_kill9_mid_job(world: Crew) -> None:
    gate = world.folder / "gate"
    first = world.start()
    (job_id,) = submit(world, f"wait {gate}")
    wait_until(lambda: world.lines("start", job_id))
    world.start()
    world.kill(first)
    killed = time.monotonic()
    wait_until(lambda: len(world.lines("start", job_id)) == 2, seconds=10, what="another actor runs it")
    # lease, reap interval with jitter, and what a loaded machine needs
    assert time.monotonic() - killed < LEASE + LEASE / 4 * 1.25 + 1.0
    gate.touch()
    wait_until(lambda: world.status(job_id) == b"finished")
    settles(world)
    assert [line[2] for line in world.lines("start", job_id)] == ["1", "2"]


# jobs, kills, of them kills of the server (with appendfsync always), seconds
SIZE = (10_000, 1_000, 10, 45) if FULL else (300, 40, 2, 5)
if FULL and sanitizer():  # several times as slow
    SIZE = (2_000, 200, 4, 45)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("persistence", ["memory", "aof"])
def test_1_kill9_everywhere(new_server: Callable[..., Server], hire: Hire, persistence: str) -> None:
    """Actors in C and Python and producers die at any moment; with an AOF the server does too."""
    jobs, kills, server_kills, seconds = SIZE
    chance = seeded()
    aof = ["--appendonly", "yes", "--appendfsync", "always"] if persistence == "aof" else []
    crew = hire(new_server(*aof))
    for language in ("c", "c", "c", "c", "python", "python"):
        crew.start("reply=always", "prefetch=4", language=language)
    crew.oracle.replied = "all"
    for _ in range(2):
        crew.start_producer(nap=6 * seconds * 1000 // jobs, most=100)
    kill_everybody(crew, chance, jobs, kills, server_kills if aof else 0, seconds)
    settles(crew, seconds=60)
    print(f"{crew.report()}, {crew.buried()} buried")
    assert crew.oracle.jobs >= jobs and crew.kills >= kills


def kill_everybody(crew: Crew, chance: random.Random, jobs: int, kills: int, server_kills: int, seconds: float) -> None:
    crew.oracle.watch()
    server_dies = sorted(chance.sample(range(kills), server_kills))
    looked = time.monotonic()
    while crew.kills < kills or crew.oracle.jobs < jobs:
        time.sleep(chance.uniform(0, 2 * seconds / kills))  # the moment of the kill is the test's input
        crew.again(chance.choice(crew.awake() * 2 + crew.producers))
        crew.thaw(after=2 * LEASE)
        if len(crew.frozen) < 2 and chance.random() < 0.1:
            crew.freeze(chance.choice(crew.awake()))
        if server_dies and crew.kills > server_dies[0]:
            server_dies.pop(0)
            crew.kill_server()
        if time.monotonic() - looked > 1:
            crew.oracle.watch()
            looked = time.monotonic()
    crew.thaw()
    crew.dismiss_producers()


def test_3_kill9_between_blmove_and_take(world: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id lies in the handoff, and nobody holds it."""
    monkeypatch.setenv("HEROQ_FAILPOINT", "BLMOVE:1")
    first = world.start("block=30s", language="c")
    monkeypatch.delenv("HEROQ_FAILPOINT")
    wait_until(lambda: b"blocked_clients:1" in world.server.command("INFO", "clients"), what="it waits for jobs")
    (job_id,) = submit(world, "ok 1")
    assert first.wait(15) == -signal.SIGKILL
    world.kills += 1
    assert world.server.command("LRANGE", f"{{{Q}}}:handoff", 0, -1) == [job_id.encode()]
    assert world.server.command("EXISTS", f"{{{Q}}}:holders", f"{{{Q}}}:leases", Q) == 0
    started = time.monotonic()
    world.actors = [world.start(language="c")]
    wait_until(lambda: world.status(job_id) == b"finished")
    # the grace, two reap intervals with jitter (one to see the id there), and what a loaded machine needs
    assert time.monotonic() - started < 0.3 + 2 * LEASE / 4 * 1.25 + 1.5
    assert world.server.command("HLEN", f"{{{Q}}}:recoveries") == 0
    settles(world)
    assert [line[2] for line in world.lines("start", job_id)] == ["1"]


def test_12_poison_pill(world: Crew) -> None:
    """A job that kills its actor costs a few actors, and none of the jobs that were taken ahead beside it."""
    poison = submit(world, *["ok 1"] * 50, "die", *["ok 2"] * 50)
    for _ in range(3):
        world.start()
    wait_until(lambda: world.revive() or world.all_terminal(poison), seconds=40, what="all end")
    wait_until(lambda: world.revive() or world.oracle.done(), seconds=15)
    settles(world)
    assert world.status(poison[50]) == b"error"
    assert world.server.command("HGET", f"{{{Q}}}:reasons", poison[50]) == b"lost"
    assert world.server.command("ZRANGE", f"{{{Q}}}:dead", 0, -1) == [poison[50].encode()]
    assert len(world.lines("start", poison[50])) == 4  # three recoveries and the first run
    assert world.kills == 4
    assert {world.status(job_id) for job_id in poison if job_id != poison[50]} == {b"finished"}


def test_17_server_kill9_with_appendfsync_always(new_server: Callable[..., Server], hire: Hire) -> None:
    world = hire(new_server("--appendonly", "yes", "--appendfsync", "always"))
    world.start()
    world.start()
    wait_until(lambda: world.server.command("ZCARD", f"{{{Q}}}:actors") == 2, what="both actors are there")
    ids: list[str] = []
    for _ in range(3):
        ids += submit(world, *[f"ok {i}" for i in range(200)])
        world.kill_server()
    settles(world)
    assert {world.status(job_id) for job_id in ids} == {b"finished"}
    assert all(actor.poll() is None for actor in world.actors), "an actor ended"


def test_19_server_restart_without_its_data(new_server: Callable[..., Server], hire: Hire) -> None:
    world = hire(new_server())
    world.start()
    (first,) = submit(world, "ok 1")
    settles(world)
    assert world.status(first) == b"finished"
    world.kill_server()
    assert world.status(first) is None
    world.oracle.expire = True  # it had ended
    (job_id,) = submit(world, "ok 2")
    settles(world)
    assert world.status(job_id) == b"finished"


def test_22_client_kill_storm(world: Crew) -> None:
    world.start()
    world.start()
    ids: list[str] = []
    end = time.monotonic() + (20 if FULL else 5)
    while time.monotonic() < end:
        ids += submit(world, *[f"ok {i}" for i in range(20)])
        world.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        world.faults += 1
        time.sleep(0.05)
    settles(world)
    assert {world.status(job_id) for job_id in ids} == {b"finished"}
    assert all(actor.poll() is None for actor in world.actors), "an actor ended"


def test_8_the_result_of_a_frozen_actor_is_refused(world: Crew) -> None:
    gate = world.folder / "gate"
    frozen = world.start()
    (job_id,) = submit(world, f"wait {gate}")
    wait_until(lambda: world.lines("start", job_id))
    world.freeze(frozen)
    other = world.start()
    wait_until(lambda: len(world.lines("start", job_id)) == 2, seconds=10)
    gate.touch()
    wait_until(lambda: world.status(job_id) == b"finished")
    result = world.server.command("HGET", f"hero:job:{job_id}", "output")
    assert str(other.pid).encode() in result
    world.thaw()
    wait_until(lambda: world.lines("refused", job_id), what="the late result is refused")
    submit(world, "ok next")
    settles(world)
    assert world.server.command("HGET", f"hero:job:{job_id}", "output") == result
    assert frozen.poll() is None


def test_33_missing_hash(world: Crew) -> None:
    world.start()
    world.server.command("LPUSH", Q, "late", "never")
    wait_until(lambda: world.server.command("HLEN", f"{{{Q}}}:missing") == 2)
    world.server.command("HSET", "hero:job:late", "script", "ok late", "status", "dispatched")
    wait_until(lambda: world.status("late") == b"finished", seconds=15)
    wait_until(lambda: world.server.command("HGET", f"{{{Q}}}:reasons", "never") == b"missing_hash", seconds=20)
    assert not world.server.command("EXISTS", "hero:job:never")


def test_46_script_flush(world: Crew) -> None:
    world.start()
    ids: list[str] = []
    end = time.monotonic() + 3
    while time.monotonic() < end:
        ids += submit(world, *[f"ok {i}" for i in range(20)])
        for _ in range(5):
            world.server.command("SCRIPT", "FLUSH")
            world.faults += 1
            time.sleep(0.005)
    settles(world)
    assert {world.status(job_id) for job_id in ids} == {b"finished"}
