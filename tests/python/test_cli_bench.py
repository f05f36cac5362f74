"""`heroq bench`: what it prints, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import heroq
from heroq.cli.bench import _SCRIPT_TYPE
from support.server import Server, default_kind, wait_until

from .conftest import Cli

FIGURES = ("bulk_per_second", "single_per_second", "drain_per_second", "round_trip_p50_ms", "round_trip_p99_ms")


def waiting(server: Server) -> int:
    with heroq.Queue(_SCRIPT_TYPE, server.url) as queue:
        stats = queue.stats()
    return int(stats["waiting"]) + int(stats["in_flight"])


def lives(server: Server, pattern: str) -> list[int]:
    """Milliseconds that each of these keys has left; -1: for ever."""
    left = [server.command("PTTL", key) for key in server.command("KEYS", pattern)]
    return [ms for ms in left if ms != -2]


def test_figures_and_nothing_left(cli: Cli, server: Server) -> None:
    done = cli("bench", "--json", "--jobs", "1000")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["jobs"] == 1000
    assert said["server"].startswith(default_kind() + " ")
    assert all(said[name] > 0 for name in FIGURES), said
    assert said["round_trip_p50_ms"] <= said["round_trip_p99_ms"]
    assert waiting(server) == 0
    assert lives(server, "hero:q:work:*") == []
    assert all(0 <= ms <= 10_000 for ms in lives(server, "hero:job:*"))
    assert all(0 <= ms <= 3_600_000 for ms in lives(server, "hero:q:reply:*"))  # of a reply behind its result


def test_a_table_of_a_server_of_its_own(cli: Cli) -> None:
    done = cli("bench", "--jobs", "100", url="")
    assert done.returncode == 0, done.stderr
    lines = dict(line.split("\t") for line in done.stdout.decode().splitlines())
    assert list(lines) == ["server", "jobs", "bulk enqueue", "enqueue one by one", "drain", "round trip p50 / p99"]
    assert lines["jobs"] == "100"
    assert lines["server"].startswith("valkey ")  # the embedded one


def test_what_an_earlier_run_left_is_done_first(cli: Cli, server: Server) -> None:
    with heroq.Supervisor(server.url) as supervisor:
        left = supervisor.submit(b"left", script_type=_SCRIPT_TYPE)
        assert cli("bench", "--jobs", "100").returncode == 0
        assert supervisor.get_status(left) == "finished"


def test_ctrl_c_leaves_no_job_waiting(server: Server) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "heroq", "bench", "--jobs", "100000"], env={**os.environ, "HEROQ_URL": server.url}
    )
    try:
        wait_until(lambda: waiting(server) > 1000, 60, "jobs wait")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
    assert waiting(server) == 0


def test_no_server(cli: Cli) -> None:
    done = cli("bench", url="redis://127.0.0.1:1")
    assert done.returncode == 5
    assert done.stderr.startswith(b"heroq: ")
