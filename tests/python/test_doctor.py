"""The doctor: each finding there is, produced by breaking the system in that way on purpose; none where nothing is wrong.

A finding is a function of BREAKS that is named like it: a new one in c/src/doctor_findings.h without a function here fails.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heroq
import pytest
import support.server
from heroq import doctor
from support.clock import Clock
from support.faultproxy import FaultProxy
from support.server import Connection, Server, server_program, wait_until

Q = "hero:q:work:type:osis"
H = "{" + Q + "}"
LONG_AGO = "2026-01-02T03:04:05Z"
FAR = 99999999999999
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    """A healthy one: with an append-only file, without eviction."""
    with Server(args=["--appendonly", "yes", "--enable-debug-command", "yes"]) as server:
        yield server


class System:
    """What a break breaks: a healthy server, and the means to do harm."""

    def __init__(self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.tmp_path, self.monkeypatch = server, tmp_path, monkeypatch
        self.url, self.options = server.url, dict[str, Any]()
        self.undo = contextlib.ExitStack()
        self.do = server.command

    def other_server(self, *args: str) -> Server:
        server = self.undo.enter_context(Server(args=["--appendonly", "yes", *args]))
        self.url, self.do = server.url, server.command
        return server

    def config(self, name: str, value: str) -> None:
        before = self.server.command("CONFIG", "GET", name)[1]
        self.undo.callback(self.server.command, "CONFIG", "SET", name, before)
        self.server.command("CONFIG", "SET", name, value)

    def known(self) -> None:
        self.do("ZADD", "{heroq}:queues", 1, Q)

    def actor(self) -> None:
        self.known()
        self.do("ZADD", f"{H}:actors", FAR, "host.1.x")

    def job(self, job_id: str, status: str = "dispatched", **fields: str) -> None:
        given = {"script": "x", "status": status, "script_type": "osis", "createdAt": LONG_AGO, **fields}
        self.do("HSET", f"hero:job:{job_id}", *[part for pair in given.items() for part in pair])

    def held(self, job_id: str, lease: int | None = None, holder: bool = True) -> None:
        self.known()
        self.job(job_id, "started", hq_token="7:host.1.x", hq_queue=Q)
        if lease is not None:
            self.do("ZADD", f"{H}:leases", lease, job_id)
        if holder:
            self.do("HSET", f"{H}:holders", job_id, "7:host.1.x")

    def examine(self, fix: Any = "no") -> dict[str, Any]:
        with heroq.Client(self.url, connect="lazy", log="off", **self.options) as client:
            return heroq.examine(client, fix=fix)

    def found(self, finding: str, fix: Any = "no") -> list[dict[str, Any]]:
        return [row for row in self.examine(fix)["checks"] if row["finding"] == finding]


@pytest.fixture
def system(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    for name in [name for name in os.environ if name.startswith("HEROQ_") and not name.startswith("HEROQ_TEST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    made = System(server, tmp_path, monkeypatch)
    with made.undo:
        yield made


# ---- the breaks, by finding ----


def unknown(s: System) -> None:
    s.do("ACL", "SETUSER", "little", "on", ">pw", "~*", "+@all", "-config")
    s.undo.callback(s.server.command, "ACL", "DELUSER", "little")
    s.url = s.url.replace("redis://", "redis://little:pw@")


def unknown_variable(s: System) -> None:
    s.monkeypatch.setenv("HEROQ_LAESE", "10s")


def no_effect(s: System) -> None:
    s.options["replica_timeout"] = "1s"


def insecure_tls(s: System) -> None:
    s.url = s.url.replace("redis://", "rediss://")
    s.options |= {"tls_insecure_skip_verify": True, "connect_timeout": "1s"}


def readable_secret(s: System) -> None:
    file = s.tmp_path / "config.toml"
    file.write_text('lease = "10s"\npassword = "secret"\n')
    file.chmod(0o644)
    s.monkeypatch.setenv("HEROQ_CONFIG", str(file))


def clear_text(s: System) -> None:
    s.url = "redis://192.0.2.1:6379"
    s.options["connect_timeout"] = "100ms"


def unreachable(s: System) -> None:
    s.other_server().kill9()


def refused(s: System) -> None:
    s.other_server("--requirepass", "right")
    s.url = s.url.replace(":right@", ":wrong@")


def old_version(s: System) -> None:
    """A server of before, as far as INFO goes: a proxy changes what it says of itself."""
    proxy = s.undo.enter_context(OldServer(s.server.port))
    s.url = f"redis://127.0.0.1:{proxy.port}/0"


def replica(s: System) -> None:
    s.other_server("--replicaof", f"127.0.0.1 {s.server.port}")


def cluster_down(s: System) -> None:
    s.other_server("--cluster-enabled", "yes")


def cluster_split(s: System) -> None:
    with contextlib.ExitStack() as one:
        other = one.enter_context(Server(args=["--cluster-enabled", "yes"]))
        here = s.other_server("--cluster-enabled", "yes")
        s.undo.push(one.pop_all())
    here.command("CLUSTER", "ADDSLOTSRANGE" if _has_ranges(here) else "ADDSLOTS", *_slots(here, 0, 8191))
    other.command("CLUSTER", "ADDSLOTSRANGE" if _has_ranges(other) else "ADDSLOTS", *_slots(other, 8192, 16383))
    here.command("CLUSTER", "MEET", "127.0.0.1", other.port)
    wait_until(lambda: b"cluster_size:2" in here.command("CLUSTER", "INFO"), 20, "the nodes know each other")


def _has_ranges(server: Server) -> bool:
    return b"redis_version:6" not in server.command("INFO", "server")


def _slots(server: Server, first: int, last: int) -> list[int]:
    return [first, last] if _has_ranges(server) else list(range(first, last + 1))


def evicts_jobs(s: System) -> None:
    s.config("maxmemory", "1gb")
    s.config("maxmemory-policy", "allkeys-lru")


def would_evict(s: System) -> None:
    s.config("maxmemory-policy", "allkeys-lru")


def evicts_results(s: System) -> None:
    s.config("maxmemory-policy", "volatile-ttl")


def memory_full(s: System) -> None:
    s.config("maxmemory", "100kb")


def memory_near(s: System) -> None:
    s.config("maxmemory", str(int(_info(s.server, "used_memory")) * 105 // 100))


def _info(server: Server, name: str) -> str:
    found = re.search(rf"^{name}:(.*)\r$", server.command("INFO").decode(), re.MULTILINE)
    assert found, name
    return found[1]


def no_persistence(s: System) -> None:
    s.other_server("--appendonly", "no")


def only_snapshots(s: System) -> None:
    s.other_server("--appendonly", "no", "--save", "900 1")


def snapshot_failed(s: System) -> None:
    server = s.other_server("--save", "900 1", "--enable-protected-configs", "yes")
    gone = s.tmp_path / "gone"
    gone.mkdir()
    server.command("CONFIG", "SET", "dir", str(gone))
    gone.rmdir()
    server.command("BGSAVE")
    wait_until(lambda: _info(server, "rdb_last_bgsave_status") == "err", what="the snapshot fails")


def aof_failed(s: System) -> None:
    """No room: the server's files may not grow."""
    wrapper = s.tmp_path / "server"
    wrapper.write_text(f'#!/bin/sh\ntrap "" XFSZ\nexec {server_program(s.server.kind)} "$@"\n')
    wrapper.chmod(0o755)
    s.monkeypatch.setattr(support.server, "server_program", lambda _: str(wrapper))
    server = s.other_server("--appendfsync", "everysec")
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (65536, 65536))
    server.command("SET", "big", "x" * 200_000)
    wait_until(lambda: _info(server, "aof_last_write_status") == "err", what="the write fails")


def few_replicas(s: System) -> None:
    s.options |= {"durability": "wait", "replicas": 2}


def min_replicas(s: System) -> None:
    s.config("min-replicas-to-write", "1")


def replica_behind(s: System) -> None:
    """It asks for the data, and never takes it."""
    s.config("repl-diskless-sync-delay", "1000")
    link = s.undo.enter_context(s.server.connect())
    link.call("REPLCONF", "listening-port", "1")
    link.call("REPLCONF", "capa", "eof")
    link.send("PSYNC", "?", "-1")
    wait_until(lambda: _info(s.server, "connected_slaves") == "1", what="the replica is there")


def clock(s: System) -> None:
    shifted = Clock(s.tmp_path)
    with shifted.inside():
        server = s.other_server()
    shifted.shift(3600)
    wait_until(lambda: int(server.command("TIME")[0]) - time.time() > 3000, what="the clock is wrong")


def slow(s: System) -> None:
    proxy = s.undo.enter_context(SlowServer(s.server.port))
    s.url = f"redis://127.0.0.1:{proxy.port}/0"


def near_maxclients(s: System) -> None:
    server = s.other_server("--maxclients", "10")
    for _ in range(8):
        s.undo.enter_context(server.connect())


def idle_timeout(s: System) -> None:
    s.config("timeout", "5")


def missing_rights(s: System) -> None:
    s.do("ACL", "SETUSER", "little", "on", ">pw", "~*", "+@all", "-hincrby", "-zmscore", "-script|load")
    s.undo.callback(s.server.command, "ACL", "DELUSER", "little")
    s.url = s.url.replace("redis://", "redis://little:pw@")


def queue_wrong_type(s: System) -> None:
    s.known()
    s.do("SET", Q, "x")


def too_many_keys(s: System) -> None:
    s.do("DEBUG", "POPULATE", 150_000, "other", 1)


def paused(s: System) -> None:
    s.actor()
    s.do("HSET", f"{H}:meta", "paused", 1)


def no_actor(s: System) -> None:
    s.job("a")
    s.do("LPUSH", Q, "a")


def starved(s: System) -> None:
    no_actor(s)
    s.actor()


def mixed_types(s: System) -> None:
    s.actor()
    s.job("a", script_type="sal", createdAt="2999-01-01T00:00:00Z")
    s.do("LPUSH", Q, "a")


def no_hash(s: System) -> None:
    s.actor()
    s.do("LPUSH", Q, "a")


def dead_letters(s: System) -> None:
    s.actor()
    s.job("a", "error")
    s.do("ZADD", f"{H}:dead", round(time.time() * 1000), "a")


def overdue(s: System) -> None:
    s.known()
    s.job("a")
    s.do("ZADD", f"{H}:delayed", 1000, "a")


def no_lease(s: System) -> None:
    s.held("a")


def no_holder(s: System) -> None:
    s.held("a", FAR, holder=False)


def unreaped(s: System) -> None:
    s.held("a", 1000)


def old_handoff(s: System) -> None:
    s.actor()
    s.job("a")
    s.do("LPUSH", f"{H}:handoff", "a")


def hash_wrong_type(s: System) -> None:
    s.do("SET", "hero:job:a", "x")


def hash_broken(s: System) -> None:
    s.do("HSET", "hero:job:a", "last_heartbeat", "1")


def hash_status(s: System) -> None:
    s.job("a", "runing")


def unsettled(s: System) -> None:
    s.job("a", "started", output="42")


def reply_only(s: System) -> None:
    s.job("a")
    s.do("LPUSH", "hero:q:reply:a", "42")


def never_started(s: System) -> None:
    s.job("a")


def lost(s: System) -> None:
    s.job("a", "started", hq_token="7:host.1.x", hq_queue=Q)


def foreign_run(s: System) -> None:
    s.job("a", "started")


def half_requeued(s: System) -> None:
    s.actor()
    s.job("a", hq_requeued="1", hq_queue=Q)
    s.do("ZADD", f"{H}:dead", 5, "a")


def more_lost(s: System) -> None:
    for i in range(12):
        s.job(f"j{i}")


def not_searched(s: System) -> None:
    s.actor()
    s.job("a")
    s.do("EVAL", f"for i = 1, 21000 do redis.call('LPUSH', '{Q}', 'id' .. i) end", 0)


def endless_replies(s: System) -> None:
    for i in range(12):
        s.job(f"j{i}", "finished")
        s.do("LPUSH", f"hero:q:reply:j{i}", "42")


class _Rewriting:
    """A server's port that changes its answers on their way."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def change(self, answer: bytes) -> bytes:
        raise NotImplementedError

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                self._links += [client, server]
                for source, sink, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=(source, sink, answers), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                sink.sendall(self.change(data) if answers else data)
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> _Rewriting:
        return self

    def __exit__(self, *_: object) -> None:
        for link in (self._listener, *self._links):
            link.close()


class OldServer(_Rewriting):
    def change(self, answer: bytes) -> bytes:
        answer = re.sub(rb"(redis_version:)[^\r]*", lambda m: b"redis_version:5" + b" " * (len(m[0]) - 15), answer)
        return answer.replace(b"valkey_version:", b"valkey_before_:")


class SlowServer(_Rewriting):
    def change(self, answer: bytes) -> bytes:
        time.sleep(0.03)
        return answer


BREAKS: dict[str, Callable[[System], None]] = {
    one.__name__: one
    for one in (
        unknown, unknown_variable, no_effect, insecure_tls, readable_secret, clear_text, unreachable, refused, old_version, replica,
        cluster_down, cluster_split, evicts_jobs, would_evict, evicts_results, memory_full, memory_near, no_persistence,
        only_snapshots, snapshot_failed, aof_failed, few_replicas, min_replicas, replica_behind, clock, slow,
        near_maxclients, idle_timeout, missing_rights, queue_wrong_type, too_many_keys, paused, no_actor, starved, mixed_types, no_hash,
        dead_letters, overdue, no_lease, no_holder, unreaped, old_handoff, hash_wrong_type, hash_broken, hash_status,
        unsettled, reply_only, never_started, lost, foreign_run, half_requeued, more_lost, not_searched,
        endless_replies,
    )
}  # fmt: skip

FINDINGS = {row["finding"]: row for row in doctor.findings()}


def test_every_finding_has_a_break() -> None:
    assert set(BREAKS) == set(FINDINGS)


@pytest.mark.parametrize("finding", BREAKS)
def test_a_break_is_found(system: System, finding: str) -> None:
    before = {row["finding"] for row in system.examine()["checks"]}
    assert before == {""}, "the system was healthy"
    BREAKS[finding](system)
    report = system.examine()
    rows = [row for row in report["checks"] if row["finding"] == finding]
    assert rows, report["checks"]
    for row in rows:
        assert row["check"] == FINDINGS[finding]["check"] or finding == "unknown"
        assert row["severity"] == FINDINGS[finding]["severity"]
        assert row["subject"] and row["looked"] and row["found"]
        assert row["means"] == FINDINGS[finding]["means"]
        assert row["mend"] or finding in ("starved",)
        assert (row["fix"], row["fixed"]) == ("", 0)
    order = ("ok", "unknown", "warning", "error")
    assert report["worst"] == max((row["severity"] for row in report["checks"]), key=order.index)
    assert {name: report[name] for name in order} == {
        name: sum(row["severity"] == name for row in report["checks"]) for name in order
    }


# ---- mending ----


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
    "half_requeued": ("LRANGE", Q, 0, -1),
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
    assert system.found(finding) == []
    assert system.do(*LEFT[finding]) == LEFT_THERE.get(finding, [b"a"])


def test_a_mend_is_repeated_without_harm(system: System) -> None:
    for finding in FIXABLE:
        system.do("FLUSHALL")
        BREAKS[finding](system)
        for _ in range(2):
            system.examine("yes")
        ids = system.do("LRANGE", Q, 0, -1) + system.do("ZRANGE", f"{H}:delayed", 0, -1)
        assert len(ids) <= 1, finding


def test_leases_of_a_dead_queue_are_lengthened_before_they_are_reaped(system: System) -> None:
    unreaped(system)
    system.do("HSET", f"{H}:meta", "last_reap", 2000)
    (row,) = system.found("unreaped", fix="yes")
    assert not row["fixed"] and "more, as after an outage" in row["fix"]
    assert system.do("ZSCORE", f"{H}:leases", "a") and system.found("unreaped") == []


def test_replies_of_jobs_that_have_not_ended_stay(system: System) -> None:
    """The reply may be all there is of the result."""
    endless_replies(system)
    system.do("HSET", "hero:job:j3", "status", "started", "updatedAt", "2999-01-01T00:00:00Z")
    system.found("endless_replies", fix="yes")
    assert system.do("PTTL", "hero:q:reply:j3") == -1
    assert 0 < system.do("PTTL", "hero:q:reply:j4") <= 3_600_000


SERVERS = {"", "client", "server", "version", "role", "cluster", "persistence", "replication", "clock", "latency"}


def test_nothing_is_mended_that_could_run_a_job_twice_or_lose_it(system: System) -> None:
    """And neither a pause is ended nor a setting of the server changed."""
    for finding, row in FINDINGS.items():
        if row["fixable"] or row["check"] in SERVERS or finding in ("too_many_keys", "missing_rights", "near_maxclients"):
            continue
        system.do("FLUSHALL")
        BREAKS[finding](system)
        before, settings = keys(system.server), system.do("CONFIG", "GET", "*")
        (found, *_) = system.found(finding, fix="yes")
        assert (found["fix"], found["fixed"]) == ("", 0)
        assert (keys(system.server), system.do("CONFIG", "GET", "*")) == (before, settings), finding
        system.undo.pop_all().close()


def test_a_mend_that_is_not_allowed_says_so(system: System) -> None:
    old_handoff(system)
    system.do("ACL", "SETUSER", "little", "on", ">pw", "~*", "+@all", "-lmove")
    system.undo.callback(system.server.command, "ACL", "DELUSER", "little")
    system.url = system.url.replace("redis://", "redis://little:pw@")
    (row,) = system.found("old_handoff", fix="yes")
    assert not row["fixed"] and row["fix"].startswith("could not move them back") and "NOPERM" in row["fix"]


def test_values_of_fix(system: System) -> None:
    with pytest.raises(heroq.InvalidError, match="no,plan,yes"):
        system.examine("maybe")


# ---- what is well ----


def test_a_healthy_system_at_work_gives_no_finding(system: System, acting: Callable[..., Any]) -> None:
    """Real actors, delays, retries, a stop, replies; looked at again and again."""

    def handler(job: heroq.Job) -> None:
        if job.script == b"fail" and job.attempt == 1:
            job.fail("once")
        else:
            job.finish(job.script)

    with heroq.Supervisor(system.url) as sup, acting("osis", handler, backoff=0.02), acting("sal", handler):
        end = time.monotonic() + 2.5
        looks = 0
        while time.monotonic() < end:
            sup.submit_many(["x"] * 500, script_type="osis")
            sup.submit_many(["fail"] * 20, script_type="sal", retries=3)
            sup.submit("later", script_type="sal", delay=0.1)
            sup.run_job_and_await_result("now", script_type="osis", timeout=20)
            report = system.examine()
            assert {row["finding"] for row in report["checks"]} == {""}, report
            assert report["worst"] == "ok"
            looks += 1
        assert looks >= 3


def acl(name: str) -> list[str]:
    """The words of a list of rights in SECURITY.md."""
    return (ROOT / "SECURITY.md").read_text().split(f"```text acl {name}\n")[1].split("```")[0].split()


@pytest.mark.parametrize("name", ["actor", "producer"])
def test_the_least_rights(system: System, name: str) -> None:
    """Nothing fails: what may not be looked at is unknown, the rest is well, and the user misses no right."""
    system.do("ACL", "SETUSER", "least", "on", ">pw", "-@all", *acl(name))
    system.undo.callback(system.server.command, "ACL", "DELUSER", "least")
    system.url = system.url.replace("redis://", "redis://least:pw@")
    system.known()
    report = system.examine()
    assert {row["severity"] for row in report["checks"]} == {"ok", "unknown"}
    missing = {row["check"] for row in report["checks"] if row["severity"] == "unknown"}
    assert missing == {"config"} if name == "actor" else missing >= {"config", "queues"}
    assert [row["finding"] for row in report["checks"] if row["check"] == "rights"] == [""]


def test_the_rights_looked_for_are_those_of_the_manual() -> None:
    source = (ROOT / "c" / "src" / "doctor_probes.c").read_text()
    first, count, second = re.split(r"#define SUBMIT_COMMANDS (\d+)", source.split("commands[] = {")[1].split("};")[0])
    of_all = re.compile(r'^ +"(client \w+|script \w+|\w+)', re.MULTILINE)
    assert len(of_all.findall(first)) == int(count)
    # these are not asked for, as without them the check itself does not come about
    login = {"+hello", "+auth", "+select", "+evalsha"}

    def rights(text: str) -> set[str]:
        return {"+" + name.replace(" ", "|") for name in of_all.findall(text)}

    for name, found in (("producer", rights(first)), ("actor", rights(first) | rights(second))):
        assert found | login == {word for word in acl(name) if word.startswith("+")}


@pytest.mark.parametrize("finding", ["no_actor", "mixed_types", "lost"])
def test_each_check_stands_alone(system: System, finding: str) -> None:
    """Without INFO, CONFIG and what the other checks need: this one tells what it sees."""
    BREAKS[finding](system)
    system.do("ACL", "SETUSER", "least", "on", ">pw", "-@all", *acl("actor"), "-info", "-pttl", "-hscan")
    system.undo.callback(system.server.command, "ACL", "DELUSER", "least")
    system.url = system.url.replace("redis://", "redis://least:pw@")
    assert system.found(finding)
    unknowns = {row["check"] for row in system.found("unknown")}
    assert {"config", "version", "role", "cluster", "eviction", "memory"} <= unknowns


# ---- what it costs ----


def test_it_is_no_burden(system: System) -> None:
    """100,000 jobs, 200 queues: no command of 10 ms, never KEYS, and not many in all."""
    system.do(
        "EVAL",
        """for i = 1, 100000 do
          redis.call('HSET', 'hero:job:j' .. i, 'script', 'x', 'status', 'dispatched', 'createdAt', '2026-01-02T03:04:05Z')
          redis.call('LPUSH', 'hero:q:work:type:t' .. (i % 200), 'j' .. i)
        end""",
        0,
    )
    system.config("slowlog-log-slower-than", "10000")
    system.do("SLOWLOG", "RESET")
    system.do("CONFIG", "RESETSTAT")
    report = system.examine()
    assert report["worst"] == "warning"
    slow = [entry for entry in system.do("SLOWLOG", "GET", 10) if entry[3][0] not in (b"DEBUG", b"EVAL")]
    assert slow == []
    stats = system.do("INFO", "commandstats").decode()
    calls = {m[1]: int(m[2]) for m in re.finditer(r"cmdstat_([^:]+):calls=(\d+)", stats)}
    assert "keys" not in calls
    assert calls["scan"] < 400
    assert sum(calls.values()) < 60_000


# ---- the client's side ----


def test_files_with_secrets(system: System) -> None:
    folder = system.tmp_path / "heroq"
    folder.mkdir()
    config, password = folder / "config.toml", folder / "password"
    password.write_text("secret")
    for text, mode, found in (
        ('url = "redis://:secret@localhost"', 0o644, True),
        ('url = "redis://:secret@localhost"', 0o600, False),
        ('url = "redis://localhost"', 0o644, False),
        ('password_file = "password"', 0o644, False),
    ):
        config.write_text(f"{text}\n")
        config.chmod(mode)
        assert [row["subject"] for row in system.found("readable_secret")] == ([str(config)] if found else [])
    system.options["password_file"] = str(password)
    password.chmod(0o640)
    system.do("CONFIG", "SET", "requirepass", "secret")
    try:
        (row,) = system.found("readable_secret")
    finally:
        with Connection(system.server.port, "secret") as link:
            link.call("CONFIG", "SET", "requirepass", "")
    assert (row["subject"], row["mend"]) == (str(password), f"chmod 600 {password}")
    assert "secret" not in str(row)


@pytest.mark.parametrize(
    "name", ["HEROQ_URL", "HEROQ_LEASE", "HEROQ_SIGN_KEYS", "HEROQ_CONFIG", "HEROQ_DATABASE_OF_OURS", "HEROQ_TESTS"]
)
def test_variables_that_are_none_of_ours_or_right(system: System, name: str) -> None:
    system.monkeypatch.setenv(name, "10s")
    assert system.found("unknown_variable") == []


def test_what_the_client_is(system: System) -> None:
    report = system.examine()
    assert report["library"] == heroq.__version__
    assert report["tls"] in (0, 1)
    assert report["url"] == system.url
