"""Every language as producer with every language as actor, byte for byte. C and Python so far."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import heroq
import pytest
from support.server import Server

PROGRAM = Path(os.environ["HEROQ_BUILD_DIR"]) / "tests" / "cross"
PAYLOADS = [b"", b"text", b"\0", bytes(range(256)), b"\r\n$3\r\nabc\r\n", "é→".encode(), b"\xff\xfe" * 50_000]


def produce_in_c(url: str, script: bytes) -> bytes:
    return subprocess.run(
        [PROGRAM, "produce", url, "cross"], input=script, capture_output=True, check=True, timeout=60
    ).stdout


def produce_in_python(url: str, script: bytes) -> bytes:
    with heroq.Supervisor(url) as supervisor:
        return supervisor.run_job_and_await_result(script, script_type="cross", timeout=20)


def act_in_c(url: str, n: int) -> None:
    subprocess.run([PROGRAM, "act", url, "cross", str(n)], check=True, timeout=60)


def act_in_python(url: str, n: int) -> None:
    with heroq.Actor(url, types="cross") as actor:
        for _ in range(n):
            job = actor.take(timeout=20)
            assert job is not None
            job.finish(job.script[::-1])


@pytest.mark.parametrize("act", [act_in_c, act_in_python])
@pytest.mark.parametrize("produce", [produce_in_c, produce_in_python])
def test_bytes_come_back(
    server: Server, produce: Callable[[str, bytes], bytes], act: Callable[[str, int], None]
) -> None:
    actor = threading.Thread(target=act, args=(server.url, len(PAYLOADS)))
    actor.start()
    try:
        for payload in PAYLOADS:
            assert produce(server.url, payload) == payload[::-1]
    finally:
        actor.join()
