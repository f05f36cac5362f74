"""What the doctor mends, and what it leaves alone: nothing is lost, and nothing runs twice."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import heroq
import pytest
from heroq import doctor
from support import breaks_queues, breaks_server
from support.acting import Runner
from support.breaks import H, Q, System
from support.server import Server, wait_until

BREAKS = breaks_server.BREAKS | breaks_queues.BREAKS
FINDINGS = {row["finding"]: row for row in doctor.findings()}


def keys(server: Server) -> dict[bytes, Any]:
    """All there is, as far as the server can put it into bytes."""
    return {key: server.command("DUMP", key) for key in server.command("KEYS", "*")}


FIXABLE = [finding for finding, row in FINDINGS.items() if row["fixable"]]
#: of each, what is left of it for the queue's next actor: the finding is no more, and the job is there once
LEFT = {
    "overdue": ("LRANGE", Q, 0, -1),
    "no_lease": ("ZRANGE", f"{H}:leases", 0, -1),
    "unreaped": ("LRANGE", Q, 0, -1),
    "old_handoff": ("LRANGE", Q, 0, -1),
    "unsettled": ("HMGET", "hero:job:a", "status", "output"),
    "endless_replies": ("LRANGE", "hero:q:reply:j3", 0, -1),
}
LEFT_THERE = {"unsettled": [b"finished", b"42"], "endless_replies": [b"42"]}


def test_a_plan_changes_nothing(system: System) -> None:
    for finding in FIXABLE:
        system.do("FLUSHALL")
        BREAKS[finding](system)
        before = keys(system.server)
        (row,) = system.found(finding, fix="plan")
        assert row["fix"].startswith("would ") and not row["fixed"]
        assert keys(system.server) == before


@pytest.mark.parametrize("finding", FIXABLE)
def test_a_mend_mends(system: System, finding: str) -> None:
    BREAKS[finding](system)
    (row,) = system.found(finding, fix="yes")
    assert row["fixed"] == 1 and row["fix"] and not row["fix"].startswith(("would", "could")), row
    assert system.found(finding, fix="yes") == []
    assert system.do(*LEFT[finding]) == LEFT_THERE.get(finding, [b"a"])


def test_leases_of_a_dead_queue_are_lengthened_before_they_are_reaped(system: System) -> None:
    BREAKS["unreaped"](system)
    system.do("HSET", f"{H}:meta", "last_reap", 2000)
    (row,) = system.found("unreaped", fix="yes")
    assert not row["fixed"] and "more, as after an outage" in row["fix"]
    assert system.do("ZSCORE", f"{H}:leases", "a") and system.found("unreaped") == []


def test_replies_of_jobs_that_have_not_ended_stay(system: System) -> None:
    """The reply may be all there is of the result."""
    BREAKS["endless_replies"](system)
    system.do("HSET", "hero:job:j3", "status", "started", "updatedAt", "2999-01-01T00:00:00Z")
    system.found("endless_replies", fix="yes")
    assert system.do("PTTL", "hero:q:reply:j3") == -1
    assert 0 < system.do("PTTL", "hero:q:reply:j4") <= 3_600_000


SERVERS = {"", "client", "server", "version", "role", "cluster", "persistence", "replication", "clock", "latency"}

ELSEWHERE = {"too_many_keys", "not_searched", "missing_rights", "near_maxclients"}


def test_nothing_is_mended_that_could_run_a_job_twice_or_lose_it(system: System) -> None:
    """And neither a pause is ended nor a setting of the server changed."""
    for finding, row in FINDINGS.items():
        if (
            row["fixable"]
            or row["check"] in SERVERS
            or finding in ("too_many_keys", "missing_rights", "near_maxclients")
        ):
            continue
        system.do("FLUSHALL")
        BREAKS[finding](system)
        before, settings = keys(system.server), system.do("CONFIG", "GET", "*")
        (found, *_) = system.found(finding, fix="yes")
        assert (found["fix"], found["fixed"]) == ("", 0)
        assert (keys(system.server), system.do("CONFIG", "GET", "*")) == (before, settings), finding
        system.undo.pop_all().close()


def test_a_mend_that_is_not_allowed_says_so(system: System) -> None:
    BREAKS["old_handoff"](system)
    system.do("ACL", "SETUSER", "little", "on", ">pw", "~*", "+@all", "-lmove")
    system.undo.callback(system.server.command, "ACL", "DELUSER", "little")
    system.url = system.url.replace("redis://", "redis://little:pw@")
    (row,) = system.found("old_handoff", fix="yes")
    assert not row["fixed"] and row["fix"].startswith("could not move them back") and "NOPERM" in row["fix"]


HOLDS_THREE = """
import sys, time, heroq
actor = heroq.Actor(sys.argv[1], types="osis", lease="600ms", log="off")
jobs = [actor.take() for _ in range(3)]
print("held", flush=True)
time.sleep(600)
"""


def test_jobs_of_a_dead_actor_run_again_once(system: System) -> None:
    """It died, and its leases are gone: without them nobody would give its jobs back."""
    with heroq.Supervisor(system.url) as sup:
        ids = sup.submit_many(["x"] * 3, "osis")
        with subprocess.Popen([sys.executable, "-c", HOLDS_THREE, system.url], stdout=subprocess.PIPE) as actor:
            assert actor.stdout and actor.stdout.readline() == b"held\n"
            actor.kill()
        system.do("DEL", f"{H}:leases")
        system.options["lease"] = "600ms"
        (row,) = system.found("no_lease", fix="yes")
        assert row["fixed"]
        with Runner(system.url, types="osis") as runner:
            for job_id in ids:
                sup.await_result(job_id, timeout=30)
            assert runner.run_count() == dict.fromkeys(ids, 1)


def test_a_job_that_runs_is_not_run_twice(system: System) -> None:
    """Its lease is gone, its actor lives: the lease that the doctor gives does not take the job away."""
    gate = threading.Event()

    def handler(job: heroq.Job) -> None:
        assert gate.wait(30)
        job.finish("done")

    with (
        heroq.Supervisor(system.url) as sup,
        Runner(system.url, handler, types="osis", lease="30s") as runner,
    ):
        job = sup.submit("x", script_type="osis")
        wait_until(lambda: runner.runs, what="it runs")
        wait_until(lambda: system.do("DEL", f"{H}:leases") and system.found("no_lease", fix="yes"), 30, "it is mended")
        with Runner(system.url, types="osis", lease="30s") as other:
            with heroq.Queue("osis", sup.client) as queue:
                queue.tend()
            gate.set()
            assert sup.await_result(job, timeout=30) == b"done"
            assert (runner.run_count(), other.runs) == ({job.id: 1}, [])


def test_values_of_fix(system: System) -> None:
    with pytest.raises(heroq.InvalidError, match="no,plan,yes"):
        system.examine("maybe")
