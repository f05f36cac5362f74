"""`heroq worker --metrics`: what all its processes did, on one port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import heroq
import pytest
from heroq.metrics import table
from heroq.metrics.figures import BOUNDS, Kept
from support.scrape import Scrape, free_port, names, promtool, scrape
from support.server import Server, wait_until

APP = """
import os, pathlib, time
import heroq


@heroq.actor("osis", "sal", lease=1, retries=1, backoff=0.01)
def osis(job: heroq.Job) -> str:
    if job.text == "bad":
        raise heroq.Fail("never")
    if job.text == "again" and job.attempt == 1:
        raise ValueError("not yet")
    while job.text.startswith("/") and not pathlib.Path(job.text).exists():
        time.sleep(0.01)
    return str(os.getpid())
"""
AIO_APP = """
import asyncio
import heroq.aio


@heroq.aio.actor("osis")
async def osis(job: heroq.aio.Job) -> str:
    await asyncio.sleep(0.02)
    return "done"
"""
KINDS = {metric.name: metric for metric in table.OF_WORKER}
JOBS, RUNS, STARTS = table.WORKER_JOBS.name, table.WORKER_RUNS.name, table.WORKER_STARTS.name


@contextmanager
def working(server: Server, folder: Path, *argv: str, code: str = APP) -> Iterator[Callable[[], Scrape]]:
    """A worker; answers what its port says. It is up when that is called."""
    app, port = folder / "app.py", free_port()
    app.write_text(code)
    command = [sys.executable, "-m", "heroq", "worker", str(app), "--grace", "5", "--metrics", str(port), *argv]
    with subprocess.Popen(command, env={**os.environ, "HEROQ_URL": server.url}) as process:

        def is_up() -> bool:
            assert process.poll() is None
            try:
                seen = scrape(port)
            except OSError:
                return False
            return all(value == 1 for _, value in seen.all(table.WORKER_UP.name))

        try:
            wait_until(is_up, seconds=30)
            yield lambda: scrape(port)
        finally:
            process.terminate()
            status = process.wait(30)
    assert status == 0


def outcomes(seen: Scrape) -> dict[str, float]:
    return {labels["outcome"]: value for labels, value in seen.all(JOBS, handler="osis") if value}


def test_the_table_is_what_is_exposed(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    with working(server, tmp_path, "--processes", "2") as look:
        sup.run_job_and_await_result("x", script_type="osis", timeout=30)
        seen = wait_until(lambda: (s := look()).all(f"{RUNS}_count") and s, seconds=20)
    assert names(seen.families) == set(KINDS)
    for family in seen.families:
        metric = KINDS[names([family]).pop()]
        assert (family.type, family.documentation) == (metric.kind, metric.text)
        assert family.samples and all(set(s.labels) - {"le"} == set(metric.labels) for s in family.samples), metric
    assert promtool("check", "metrics", stdin=seen.text) == ""


def test_what_is_counted(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with working(server, tmp_path, "--processes", "2", "--threads", "2") as look:
        done = sup.submit_many(["x"] * 5 + ["bad", "again"], "osis")
        heroq.gather(done, timeout=30, return_exceptions=True, server=sup)
        sup.run_job_and_await_result("x", script_type="sal", timeout=30)
        wait_until(lambda: outcomes(look()) == {"finished": 7, "failed": 1, "retried": 1}, seconds=20)
        held = sup.submit_many([str(gate)] * 3, "osis")
        wait_until(lambda: look().one(table.WORKER_IN_HAND.name, handler="osis") == 3, seconds=20)
        gate.touch()
        heroq.gather(held, timeout=30, server=sup)
        seen = wait_until(lambda: (s := look()).one(f"{RUNS}_count", script_type="osis") == 11 and s, seconds=20)
        assert seen.one(table.WORKER_TAKEN.name) == 12 and seen.one(table.WORKER_BURIED.name) == 1
        assert seen.one(f"{RUNS}_count", script_type="sal", handler="osis") == 1
        assert 0.05 < seen.one(f"{RUNS}_sum", script_type="osis") < 60
        below = [value for _, value in seen.all(f"{RUNS}_bucket", script_type="osis")]
        assert len(below) == len(BOUNDS) + 1 and below == sorted(below) and below[-1] == 11
        assert abs(seen.one(table.WORKER_LAST_TAKE.name) - time.time()) < 60
        assert seen.one(table.WORKER_CONNECTED.name) == 1 and seen.one(table.WORKER_PROCESSES.name) == 2
        for process in ("0", "1"):
            assert seen.one(STARTS, process=process) == 1
            assert 1 << 20 < seen.one(table.WORKER_MEMORY.name, process=process) < 1 << 30
            assert 0 < seen.one(table.WORKER_CPU.name, process=process) < 60


def test_nothing_is_forgotten_when_processes_are_renewed(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    with working(server, tmp_path, "--processes", "2", "--max-jobs", "5") as look:
        for _ in range(3):
            heroq.gather(sup.submit_many(["x"] * 10, "osis"), timeout=60, server=sup)
        seen = wait_until(lambda: outcomes(s := look())["finished"] == 30 and s, seconds=20)
        assert sum(value for _, value in seen.all(STARTS)) >= 4
        assert sum(value for _, value in seen.all(table.WORKER_CRASHES.name)) == 0
        assert seen.one(f"{RUNS}_count") == 30
        assert seen.one(table.WORKER_TAKEN.name) == 30  # others are given back untouched


def test_a_process_that_is_killed(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    with working(server, tmp_path) as look:
        pid = int(sup.run_job_and_await_result("x", script_type="osis", timeout=30))
        wait_until(lambda: outcomes(look()) == {"finished": 1}, seconds=20)
        os.kill(pid, signal.SIGKILL)
        seen = wait_until(lambda: (s := look()).one(STARTS) == 2 and s, seconds=20)
        assert seen.one(table.WORKER_CRASHES.name) == 1
        assert outcomes(look()) == {"finished": 1}
        wait_until(lambda: look().one(table.WORKER_UP.name) == 1, seconds=20)
        sup.run_job_and_await_result("x", script_type="osis", timeout=30)
        wait_until(lambda: outcomes(look()) == {"finished": 2}, seconds=20)


def test_a_lease_that_is_lost(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    with working(server, tmp_path) as look:
        pid = int(sup.run_job_and_await_result("x", script_type="osis", timeout=30))
        gate = tmp_path / "gate"
        job = sup.submit(str(gate), script_type="osis")
        wait_until(lambda: sup.get_status(job) == "started", seconds=20)
        os.kill(pid, signal.SIGSTOP)
        try:
            with heroq.Actor(server.url, types="osis", lease=1, grace=0) as actor:
                taken = actor.take(timeout=30)
                assert taken is not None and taken.id == job.id
                taken.finish(b"mine", sync=True)
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: look().one(table.WORKER_LOST.name) == 1, seconds=20)
        gate.touch()


def test_connections_that_are_lost(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    with working(server, tmp_path) as look:
        assert look().one(table.WORKER_RECONNECTS.name) == 0
        server.command("CLIENT", "KILL", "TYPE", "normal")
        wait_until(lambda: look().one(table.WORKER_RECONNECTS.name) >= 1, seconds=20)


def test_a_job_cannot_make_a_label(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    server.command("HSET", "hero:job:x", "jobId", "x", "script", "x", "script_type", "evil", "status", "dispatched")
    with working(server, tmp_path) as look:
        server.command("LPUSH", "hero:q:work:type:osis", "x")
        seen = wait_until(lambda: (s := look()).all(f"{RUNS}_count") and s, seconds=20)
        assert [labels["script_type"] for labels, _ in seen.all(f"{RUNS}_count")] == ["osis"]


def test_coroutines(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    with working(server, tmp_path, code=AIO_APP) as look:
        heroq.gather(sup.submit_many(["x"] * 10, "osis"), timeout=30, server=sup)
        seen = wait_until(lambda: outcomes(s := look()) == {"finished": 10} and s, seconds=20)
        assert seen.one(f"{RUNS}_count") == 10 and seen.one(f"{RUNS}_sum") >= 0.2


def test_the_health_port_stays_as_it_is(server: Server, tmp_path: Path) -> None:
    port = free_port()
    with (
        working(server, tmp_path, "--health-port", str(port)),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer,
    ):
        assert "figures" not in json.load(answer)["processes"][0]


def test_a_port_of_nonsense(server: Server, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    argv = [sys.executable, "-m", "heroq", "worker", str(tmp_path / "app.py"), "--metrics", "here"]
    done = subprocess.run(argv, env={**os.environ, "HEROQ_URL": server.url}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, b"heroq: a metrics port is PORT or HOST:PORT, not 'here'\n")


def figures(**counts: Any) -> dict[str, Any]:
    grown = [["osis", name, count] for name, count in counts.items()]
    return {"grown": grown, "now": [["osis", "out", 1]], "takes": [], "times": [], "cpu": 1.0, "rss": 5}


@pytest.mark.parametrize("ends", [0, 1, 3])
def test_sums_of_processes_one_after_the_other(ends: int) -> None:
    kept = Kept()
    for count in range(ends):
        kept.set(figures(finished=count))
        kept.set(figures(finished=10))
        kept.end()
        assert kept.now() == [] and kept.memory() is None
    kept.set(figures(finished=7))
    kept.set(None)
    assert kept.sums().grown["osis", "finished"] == 10 * ends + 7
    assert kept.sums().cpu == ends + 1 and kept.now() == [("osis", "out", 1)] and kept.memory() == 5
