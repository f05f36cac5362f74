"""Harm to a server, and to how a program connects to it, by the doctor's finding."""

from __future__ import annotations

import contextlib
import re
import resource
import time

from . import server as servers
from .breaks import Break, System, registers
from .clock import Clock
from .rewriting import OldServer, SlowServer
from .server import Server, server_program, wait_until

BREAKS: dict[str, Break] = {}
breaks = registers(BREAKS)


@breaks
def unknown(s: System) -> None:
    s.do("ACL", "SETUSER", "little", "on", ">pw", "~*", "+@all", "-config")
    s.undo.callback(s.server.command, "ACL", "DELUSER", "little")
    s.url = s.url.replace("redis://", "redis://little:pw@")


@breaks
def unknown_variable(s: System) -> None:
    s.monkeypatch.setenv("HEROQ_LAESE", "10s")


@breaks
def no_effect(s: System) -> None:
    s.options["replica_timeout"] = "1s"


@breaks
def insecure_tls(s: System) -> None:
    s.url = s.url.replace("redis://", "rediss://")
    s.options |= {"tls_insecure_skip_verify": True, "connect_timeout": "1s"}


@breaks
def readable_secret(s: System) -> None:
    file = s.tmp_path / "config.toml"
    file.write_text('lease = "10s"\npassword = "secret"\n')
    file.chmod(0o644)
    s.monkeypatch.setenv("HEROQ_CONFIG", str(file))


@breaks
def clear_text(s: System) -> None:
    s.url = "redis://192.0.2.1:6379"
    s.options["connect_timeout"] = "100ms"


@breaks
def unreachable(s: System) -> None:
    s.other_server().kill9()


@breaks
def refused(s: System) -> None:
    s.other_server("--requirepass", "right")
    s.url = s.url.replace(":right@", ":wrong@")


@breaks
def old_version(s: System) -> None:
    proxy = s.undo.enter_context(OldServer(s.server.port))
    s.url = f"redis://127.0.0.1:{proxy.port}/0"


@breaks
def replica(s: System) -> None:
    s.other_server("--replicaof", f"127.0.0.1 {s.server.port}")


@breaks
def cluster_down(s: System) -> None:
    s.other_server("--cluster-enabled", "yes")


@breaks
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


@breaks
def evicts_jobs(s: System) -> None:
    s.config("maxmemory", "1gb")
    s.config("maxmemory-policy", "allkeys-lru")


@breaks
def would_evict(s: System) -> None:
    s.config("maxmemory-policy", "allkeys-lru")


@breaks
def evicts_results(s: System) -> None:
    s.config("maxmemory-policy", "volatile-ttl")


@breaks
def memory_full(s: System) -> None:
    s.config("maxmemory", "100kb")


@breaks
def memory_near(s: System) -> None:
    s.config("maxmemory", str(int(_info(s.server, "used_memory")) * 105 // 100))


def _info(server: Server, name: str) -> str:
    found = re.search(rf"^{name}:(.*)\r$", server.command("INFO").decode(), re.MULTILINE)
    assert found, name
    return found[1]


@breaks
def no_persistence(s: System) -> None:
    s.other_server("--appendonly", "no")


@breaks
def only_snapshots(s: System) -> None:
    s.other_server("--appendonly", "no", "--save", "900 1")


@breaks
def snapshot_failed(s: System) -> None:
    server = s.other_server("--save", "900 1", "--enable-protected-configs", "yes")
    gone = s.tmp_path / "gone"
    gone.mkdir()
    server.command("CONFIG", "SET", "dir", str(gone))
    gone.rmdir()
    server.command("BGSAVE")
    wait_until(lambda: _info(server, "rdb_last_bgsave_status") == "err", what="the snapshot fails")


@breaks
def aof_failed(s: System) -> None:
    """No room: the server's files may not grow."""
    wrapper = s.tmp_path / "server"
    wrapper.write_text(f'#!/bin/sh\ntrap "" XFSZ\nexec {server_program(s.server.kind)} "$@"\n')
    wrapper.chmod(0o755)
    s.monkeypatch.setattr(servers, "server_program", lambda _: str(wrapper))
    server = s.other_server("--appendfsync", "everysec")
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (65536, 65536))
    server.command("SET", "big", "x" * 200_000)
    wait_until(lambda: _info(server, "aof_last_write_status") == "err", what="the write fails")


@breaks
def few_replicas(s: System) -> None:
    s.options |= {"durability": "wait", "replicas": 2}


@breaks
def min_replicas(s: System) -> None:
    s.config("min-replicas-to-write", "1")


@breaks
def replica_behind(s: System) -> None:
    """It asks for the data, and never takes it."""
    s.config("repl-diskless-sync-delay", "1000")
    link = s.undo.enter_context(s.server.connect())
    link.call("REPLCONF", "listening-port", "1")
    link.call("REPLCONF", "capa", "eof")
    link.send("PSYNC", "?", "-1")
    wait_until(lambda: _info(s.server, "connected_slaves") == "1", what="the replica is there")


@breaks
def clock(s: System) -> None:
    shifted = Clock(s.tmp_path)
    with shifted.inside():
        server = s.other_server()
    shifted.shift(3600)
    wait_until(lambda: int(server.command("TIME")[0]) - time.time() > 3000, what="the clock is wrong")


@breaks
def slow(s: System) -> None:
    proxy = s.undo.enter_context(SlowServer(s.server.port))
    s.url = f"redis://127.0.0.1:{proxy.port}/0"


@breaks
def near_maxclients(s: System) -> None:
    server = s.other_server("--maxclients", "10")
    for _ in range(8):
        s.undo.enter_context(server.connect())


@breaks
def idle_timeout(s: System) -> None:
    s.config("timeout", "5")


@breaks
def missing_rights(s: System) -> None:
    s.do("ACL", "SETUSER", "little", "on", ">pw", "~*", "+@all", "-hincrby", "-zmscore", "-script|load")
    s.undo.callback(s.server.command, "ACL", "DELUSER", "little")
    s.url = s.url.replace("redis://", "redis://little:pw@")
