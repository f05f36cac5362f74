"""Handlers that hold the interpreter, or take their process with them: what it costs their job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import heroq
import pytest
from support.server import Server, wait_until

LEASE = 0.6
Q = "hero:q:work:type:osis"

#: usleep of a PyDLL keeps the interpreter's lock: no other thread of Python runs meanwhile
HOLDS = """
import ctypes, os, time
import heroq

@heroq.actor("osis", lease=0.6, block=0.2)
{kind} osis(job):
    what, _, gate = job.text.partition(" ")
    if what == "hold":
        os.write(1, b"holds\\n")
        ctypes.PyDLL(None).usleep(2_000_000)
    if what == "crash" and job.attempt == 1:
        os.write(1, b"crashes\\n")
        ctypes.string_at(0)
    if what == "crash":
        os.write(1, b"again\\n")
        while not os.path.exists(gate):
            time.sleep(0.01)
    return f"{{job.attempt}} {{os.getpid()}}"
"""


@contextmanager
def worker(server: Server, folder: Path, kind: str, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    app = folder / "app.py"
    app.write_text(HOLDS.format(kind=kind))
    process = subprocess.Popen(
        [sys.executable, "-m", "heroq", "worker", str(app), "--grace", "10", *argv],
        env={**os.environ, "HEROQ_URL": server.url},
        stdout=subprocess.PIPE,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, process.communicate()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_handler_that_holds_the_interpreter_for_three_leases_keeps_its_job(
    server: Server, sup: heroq.Supervisor, tmp_path: Path, kind: str
) -> None:
    with worker(server, tmp_path, kind) as process:
        job = sup.submit("hold", "osis")
        assert process.stdout and process.stdout.readline() == b"holds\n"
        with heroq.Actor(server.url, types="osis", lease=LEASE, block=0.2) as other:
            while sup.get_status(job) == "started":
                assert other.take(0.05) is None, "somebody else was given it"
        assert sup.await_result(job, timeout=20).startswith(b"1 ")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_handler_that_crashes_costs_one_recovery_and_no_retry(
    server: Server, sup: heroq.Supervisor, tmp_path: Path, kind: str
) -> None:
    gate = tmp_path / "gate"
    with worker(server, tmp_path, kind, "--processes", "2") as process:
        job = sup.submit(f"crash {gate}", "osis", retries=0)
        assert process.stdout and process.stdout.readline() == b"crashes\n"
        assert process.stdout.readline() == b"again\n"
        assert server.command("HGET", f"{{{Q}}}:recoveries", job.id) == b"1"
        gate.touch()
        assert sup.await_result(job, timeout=30).startswith(b"2 ")
        assert sup.get_job(job).field("hq_retries") is None
        assert process.poll() is None, "the worker goes on"
        wait_until(lambda: len({ask(sup) for _ in range(10)}) == 2, 30, "two processes work again")


def ask(sup: heroq.Supervisor) -> bytes:
    return sup.run_job_and_await_result("", "osis", timeout=30).split()[1]
