"""The guide's flows and sequences, line by line: what heroq does, and what the real redis-cli then shows."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import heroq
import pytest
from support.guide import Ledger, Section
from support.server import Server, wait_until

OSIS = "hero:q:work:type:osis"
LONG_AGO = "2026-01-02T03:04:05Z"
DELIVERIES = ["reliable", "canonical"]
Sections = Callable[[str], Section]
StartActor = Callable[..., heroq.Actor]


@pytest.fixture(params=[*DELIVERIES, "foreign"])
def start_actor(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Starts an actor of one kind on osis; the prefix of its outputs."""

    def start() -> str:
        if request.param == "foreign":
            ledger: Ledger = request.getfixturevalue("ledger")
            request.getfixturevalue("foreign")("actor_hash", "osis", ledger.path)
            return "actor_hash ran "
        request.getfixturevalue("heroq_actor")(request.param)
        return f"{request.param} ran "

    return start


def finished(guide: Section, job_id: str) -> bool:
    return guide("HGET hero:job:{job_id} status", job_id=job_id) == "finished"


def test_2a_two_step(section: Sections, supervisor: heroq.Supervisor, start_actor: Callable[[], str]) -> None:
    guide = section("2A")
    assert guide("FLUSHALL") == "OK"
    job = supervisor.create_job("40 + 2", script_type="osis")
    stored = guide.hash("HGETALL hero:job:{job_id}", job_id=job.id)
    assert stored["jobId"] == job.id
    assert stored["script"] == "40 + 2"
    assert stored["script_type"] == "osis"
    assert stored["status"] == "dispatched"
    assert stored["createdAt"].endswith("Z")
    assert "output" not in stored
    assert guide("LLEN hero:q:work:type:osis") == "0"  # created, not started
    supervisor.start_job(job)
    assert guide("LLEN hero:q:work:type:osis") == "1"
    assert guide("LRANGE hero:q:work:type:osis 0 -1") == job.id
    prefix = start_actor()
    wait_until(lambda: finished(guide, job.id))
    assert guide("HGET hero:job:{job_id} output", job_id=job.id) == prefix + "40 + 2"
    assert guide("LLEN hero:q:work:type:osis") == "0"
    assert supervisor.get_status(job) == "finished"
    guide.done()


def test_2b_run_and_await(
    section: Sections, server: Server, supervisor: heroq.Supervisor, start_actor: Callable[[], str]
) -> None:
    guide = section("2B")
    results: list[bytes] = []
    job = heroq.Job("40 + 2", "osis")
    waiting = threading.Thread(target=lambda: results.append(supervisor.run_job_and_await_result(job, timeout=20)))
    waiting.start()
    wait_until(lambda: guide("LLEN hero:q:work:type:osis") == "1")  # nobody is there yet
    assert guide("HGET hero:job:{job_id} status", job_id=job.id) == "dispatched"
    assert guide("LLEN hero:q:reply:{job_id}", job_id=job.id) == "0"
    prefix = start_actor()
    waiting.join(20)
    assert results == [prefix.encode() + b"40 + 2"]
    assert guide("HGET hero:job:{job_id} status", job_id=job.id) == "finished"
    assert guide("HGET hero:job:{job_id} output", job_id=job.id) == prefix + "40 + 2"
    # Who waited has taken the reply, unless the hash told it before the reply came.
    assert guide("LRANGE hero:q:reply:{job_id} 0 -1", job_id=job.id) in ("", prefix + "40 + 2")
    assert server.cli("KEYS", "hero:q:*") in ("", f"hero:q:reply:{job.id}")
    guide.done()


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_2b_while_the_actor_runs_it(
    section: Sections, supervisor: heroq.Supervisor, heroq_actor: StartActor, delivery: str
) -> None:
    guide = section("2B")
    go = threading.Event()
    heroq_actor(delivery, work=lambda job: go.wait(20) and b"result")
    results: list[bytes] = []
    job = heroq.Job("slow", "osis")
    waiting = threading.Thread(target=lambda: results.append(supervisor.run_job_and_await_result(job, timeout=20)))
    waiting.start()
    wait_until(lambda: guide("HGET hero:job:{job_id} status", job_id=job.id) == "started")
    assert guide("LLEN hero:q:work:type:osis") == "0"
    assert guide("HGET hero:job:{job_id} output", job_id=job.id) == ""
    go.set()
    waiting.join(20)
    assert results == [b"result"]


@pytest.mark.parametrize("who", [*DELIVERIES, "foreign"])
def test_2b_an_actor_that_replies(
    section: Sections,
    supervisor: heroq.Supervisor,
    heroq_actor: StartActor,
    foreign: Callable[..., Any],
    ledger: Ledger,
    who: str,
) -> None:
    """The optional reply queue, with nobody who waits on it."""
    guide = section("2B")
    job = supervisor.submit("x", script_type="osis")
    if who == "foreign":
        foreign("actor_both", "osis", ledger.path)
    else:
        heroq_actor(who, reply="always")
    wait_until(lambda: guide("LLEN hero:q:reply:{job_id}", job_id=job.id) == "1")
    output = "actor_both ran x" if who == "foreign" else f"{who} ran x"
    assert guide("LRANGE hero:q:reply:{job_id} 0 -1", job_id=job.id) == output
    assert guide("HGET hero:job:{job_id} output", job_id=job.id) == output


def test_2c_dispatch_by_hand(
    section: Sections, server: Server, supervisor: heroq.Supervisor, start_actor: Callable[[], str]
) -> None:
    """As the terminal UI does it: the hash is stored, then its id is pushed."""
    guide = section("2C")
    with heroq.Client(server.url) as client:
        job = heroq.Job("by hand", "osis", fields={"callerId": "tui"})
        job.store_in_redis(client)
    assert server.cli("LPUSH", OSIS, job.id) == "1"
    assert guide.lines("KEYS hero:q:work:type:*") == [OSIS]
    assert guide("LRANGE hero:q:work:type:osis 0 -1") == job.id
    pending = guide.hash("HGETALL hero:job:{job_id}", job_id=job.id)
    assert (pending["script"], pending["callerId"], pending["status"]) == ("by hand", "tui", "dispatched")
    prefix = start_actor()
    wait_until(lambda: finished(guide, job.id))
    assert guide("HGET hero:job:{job_id} output", job_id=job.id) == prefix + "by hand"
    assert supervisor.get_output(job) == (prefix + "by hand").encode()
    assert guide("KEYS hero:q:work:type:*") == ""
    guide.done()


def test_2c_with_nothing_but_redis_cli(section: Sections, server: Server, start_actor: Callable[[], str]) -> None:
    guide = section("2C")
    server.cli("HSET", "hero:job:typed", "script", "typed", "status", "dispatched")
    server.cli("LPUSH", OSIS, "typed")
    prefix = start_actor()
    wait_until(lambda: finished(guide, "typed"))
    assert guide("HGET hero:job:{job_id} output", job_id="typed") == prefix + "typed"


def test_3a_lifecycle_by_the_command_line(
    section: Sections, heroq_cli: Callable[..., str], start_actor: Callable[[], str]
) -> None:
    guide = section("3A")
    assert guide("FLUSHALL") == "OK"
    job_id = heroq_cli("create", "--type", "osis", "6 * 7")
    assert guide("KEYS hero:q:work:type:*") == ""
    heroq_cli("start", job_id)
    assert guide.lines("KEYS hero:q:work:type:*") == [OSIS]
    assert guide("LLEN hero:q:work:type:osis") == "1"
    assert guide("LRANGE hero:q:work:type:osis 0 -1") == job_id
    stored = guide.hash("HGETALL hero:job:{job_id}", job_id=job_id)
    assert (stored["script"], stored["status"]) == ("6 * 7", "dispatched")
    prefix = start_actor()
    wait_until(lambda: finished(guide, job_id))
    assert guide("HGET hero:job:{job_id} output", job_id=job_id) == prefix + "6 * 7"
    assert guide("LLEN hero:q:work:type:osis") == "0"
    shown = json.loads(heroq_cli("show", job_id, "--json"))
    assert (shown["jobId"], shown["status"], shown["output"]) == (job_id, "finished", prefix + "6 * 7")
    guide.done()


def test_3b_one_shot_by_the_command_line(
    section: Sections, heroq_cli: Callable[..., str], start_actor: Callable[[], str]
) -> None:
    guide = section("3B")
    assert guide("FLUSHALL") == "OK"
    prefix = start_actor()
    answer = json.loads(heroq_cli("run", "--type", "osis", "6 * 7", "--timeout", "20", "--json"))
    assert (answer["status"], answer["output"]) == ("finished", prefix + "6 * 7")
    assert guide("HGET hero:job:{job_id} status", job_id=answer["id"]) == "finished"
    assert guide("LLEN hero:q:reply:{job_id}", job_id=answer["id"]) == "0"
    assert guide("HGET hero:job:{job_id} output", job_id=answer["id"]) == prefix + "6 * 7"
    assert heroq_cli("run", "--type", "osis", "plain", "--timeout", "20") == prefix + "plain"
    guide.done()


def test_3c_listing_and_cleanup(
    section: Sections,
    server: Server,
    supervisor: heroq.Supervisor,
    heroq_cli: Callable[..., str],
    heroq_actor: StartActor,
) -> None:
    guide = section("3C")
    ids = supervisor.submit_many(["a", "b"], script_type="osis")
    heroq_actor("reliable")
    for job_id in ids:
        supervisor.await_result(job_id, timeout=20)
    # Only job hashes stand there, whatever heroq keeps besides.
    assert guide.lines("KEYS hero:job:*") == sorted(f"hero:job:{job_id}" for job_id in ids)
    shown = guide.hash("HGETALL hero:job:{job_id}", job_id=ids[0])
    assert (shown["script"], shown["status"], shown["output"]) == ("a", "finished", "reliable ran a")
    listed = json.loads(heroq_cli("ls", "--json"))
    assert sorted(row["id"] for row in listed) == sorted(ids)
    assert guide("FLUSHALL") == "OK"
    assert server.cli("KEYS", "hero:*") == ""
    assert heroq_cli("ls") == ""
    guide.done()


def findings(heroq_cli: Callable[..., str]) -> dict[str, dict[str, str]]:
    report = json.loads(heroq_cli("doctor", "--json", exit_code=8))  # the server keeps nothing: a warning at least
    return {row["check"]: row for row in report["checks"] if row["severity"] in ("warning", "error")}


def test_5_checklist(
    section: Sections,
    server: Server,
    supervisor: heroq.Supervisor,
    heroq_cli: Callable[..., str],
    heroq_actor: StartActor,
) -> None:
    guide = section("5")
    # Nothing consumes from the type queue.
    job = heroq.Job("x", "osis")
    supervisor.submit(job)
    server.cli("HSET", f"hero:job:{job.id}", "createdAt", LONG_AGO, "updatedAt", LONG_AGO)
    assert guide("LLEN hero:q:work:type:osis") == "1"
    assert "consumers" in findings(heroq_cli)
    with pytest.raises(heroq.TimeoutError):
        supervisor.await_result(job, timeout=0.2)
    # Mixed types: it went to osis, and the actor is on sal.
    heroq_actor("reliable", types="sal")
    assert guide("LLEN hero:q:work:type:osis") == "1"
    assert guide("LLEN hero:q:work:type:sal") == "0"
    wait_until(lambda: "actors are on: sal" in findings(heroq_cli)["consumers"]["found"])
    # Dispatched but never finished: it was popped by somebody who died.
    assert server.cli("LPOP", OSIS) == job.id
    assert guide("HGET hero:job:{job_id} status", job_id=job.id) == "dispatched"
    lost = findings(heroq_cli)["jobs"]
    assert lost["subject"] == f"hero:job:{job.id}"
    assert lost["mend"] == f"heroq start {job.id}"
    heroq_cli("start", job.id)
    heroq_actor("reliable")
    assert supervisor.await_result(job, timeout=20) == b"reliable ran x"
    assert guide("HGET hero:job:{job_id} status", job_id=job.id) == "finished"
    assert guide("LLEN hero:q:work:type:osis") == "0"
    assert not {"consumers", "jobs", "script_types"} & set(findings(heroq_cli))
    guide.done()


def test_5_hash_only_actors_do_not_time_out(
    server: Server, supervisor: heroq.Supervisor, foreign: Callable[..., Any], ledger: Ledger
) -> None:
    foreign("actor_hash", "osis", ledger.path)
    assert supervisor.run_job_and_await_result("x", script_type="osis", timeout=20) == b"actor_hash ran x"
    assert server.cli("KEYS", "hero:q:reply:*") == ""


@pytest.mark.parametrize("who", [*DELIVERIES, "foreign"])
def test_6_patterns(
    section: Sections,
    server: Server,
    supervisor: heroq.Supervisor,
    heroq_actor: StartActor,
    foreign: Callable[..., Any],
    ledger: Ledger,
    who: str,
) -> None:
    guide = section("6")
    job = supervisor.create_job("x", script_type="osis")
    assert guide.lines("KEYS hero:job:*") == [f"hero:job:{job.id}"]
    assert guide("KEYS hero:q:*") == ""
    assert guide("LPUSH hero:q:work:type:{script_type} {job_id}", script_type="osis", job_id=job.id) == "1"
    assert guide.lines("KEYS hero:q:*") == [OSIS]
    if who == "foreign":
        foreign("actor_both", "osis", ledger.path)
    else:
        heroq_actor(who, reply="always")
    output = "actor_both ran x" if who == "foreign" else f"{who} ran x"
    reply = guide("BLPOP hero:q:reply:{job_id} {timeout_secs}", job_id=job.id, timeout_secs=20)
    assert reply.split("\n") == [f"hero:q:reply:{job.id}", output]
    assert guide.hash("HGETALL hero:job:{job_id}", job_id=job.id)["output"] == output
    assert guide("KEYS hero:q:*") == ""
    assert guide.lines("KEYS hero:job:*") == [f"hero:job:{job.id}"]
    ledger.assert_once_each({job.id})
    guide.done()


def test_6_waiting_beside_a_supervisor(
    section: Sections, server: Server, supervisor: heroq.Supervisor, heroq_actor: StartActor
) -> None:
    """While actors of heroq hold jobs, delayed and dead ones included, only the canonical keys are in sight."""
    guide = section("6")
    go = threading.Event()
    heroq_actor("reliable", work=lambda job: go.wait(20) and b"")
    supervisor.submit("held", script_type="osis")
    supervisor.submit(heroq.Job("later", "osis", delay="1h"))
    wait_until(lambda: server.cli("HLEN", f"{{{OSIS}}}:holders") == "1")
    assert guide("KEYS hero:q:*") == ""
    assert len(guide.lines("KEYS hero:job:*")) == 2
    go.set()
