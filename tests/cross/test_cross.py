"""Every language as producer with every language as actor, byte for byte. C and Python so far."""

from __future__ import annotations

import itertools
import os
import string
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import heroq
import pytest
from support.server import Server, wait_until

PROGRAM = Path(os.environ["HEROQ_BUILD_DIR"]) / "tests" / "cross"
Q = "hero:q:work:type:cross"
EVERY_BYTE = bytes(range(256))
PAYLOADS = [b"", b"text", b"\0", EVERY_BYTE, b"\r\n$3\r\nabc\r\n", "é→".encode(), b"\xff\xfe" * 50_000]
NAME = string.ascii_letters + string.digits + "_.-"
WIRE = "".join(chr(c) for c in range(33, 127) if chr(c) not in "{}")
#: What a caller may choose, and what a foreign producer may push besides.
IDS = ["a", "-", "_", "..", NAME, "".join(itertools.islice(itertools.cycle(NAME), 128))]
WIRE_IDS = ["!", "a:b", "%s%n", "*", WIRE, "".join(itertools.islice(itertools.cycle(WIRE), 256))]

Produce = Callable[..., bytes]
Await = Callable[[str, str], bytes]
Act = Callable[[str, int], list[str]]


def program(*arguments: str | Path, text: bytes = b"") -> bytes:
    return subprocess.run([PROGRAM, *arguments], input=text, capture_output=True, check=True, timeout=60).stdout


def produce_in_c(url: str, script: bytes, *job_id: str) -> bytes:
    return program("produce", url, "cross", *job_id, text=script)


def produce_in_python(url: str, script: bytes, *job_id: str) -> bytes:
    with heroq.Supervisor(url) as supervisor:
        given = {"id": job_id[0]} if job_id else {}
        return supervisor.run_job_and_await_result(script, script_type="cross", timeout=20, **given)


def await_in_c(url: str, job_id: str) -> bytes:
    return program("await", url, job_id)


def await_in_python(url: str, job_id: str) -> bytes:
    with heroq.Supervisor(url) as supervisor:
        return supervisor.await_result(job_id, timeout=20)


def act_in_c(url: str, n: int) -> list[str]:
    return program("act", url, "cross", str(n)).decode().splitlines()


def act_in_python(url: str, n: int) -> list[str]:
    taken = []
    with heroq.Actor(url, types="cross") as actor:
        for _ in range(n):
            job = actor.take(timeout=20)
            assert job is not None
            taken.append(job.id)
            job.finish(job.script[::-1])
    return taken


acts = pytest.mark.parametrize("act", [act_in_c, act_in_python])
produces = pytest.mark.parametrize("produce", [produce_in_c, produce_in_python])
awaits = pytest.mark.parametrize("wait", [await_in_c, await_in_python])


@acts
@produces
def test_51_bytes_come_back(server: Server, produce: Produce, act: Act) -> None:
    with ThreadPoolExecutor() as pool:
        actor = pool.submit(act, server.url, len(PAYLOADS))
        for payload in PAYLOADS:
            assert produce(server.url, payload) == payload[::-1]
        assert len(actor.result()) == len(PAYLOADS)


@acts
@produces
def test_51_ids_at_their_limits(server: Server, produce: Produce, act: Act) -> None:
    with ThreadPoolExecutor() as pool:
        actor = pool.submit(act, server.url, len(IDS))
        for job_id in IDS:
            assert produce(server.url, b"of " + job_id.encode(), job_id) == job_id.encode()[::-1] + b" fo"
        assert actor.result() == IDS
    assert {key.decode() for key in server.command("KEYS", "hero:job:*")} == {f"hero:job:{job_id}" for job_id in IDS}


@acts
@awaits
def test_51_ids_of_others_at_their_limits(server: Server, wait: Await, act: Act) -> None:
    """A foreign producer's, which know a larger set of characters and twice the length."""
    for job_id in WIRE_IDS:
        server.command("HSET", f"hero:job:{job_id}", "script", EVERY_BYTE, "status", "dispatched")
        server.command("LPUSH", Q, job_id)
    assert act(server.url, len(WIRE_IDS)) == WIRE_IDS
    for job_id in WIRE_IDS:
        assert wait(server.url, job_id) == EVERY_BYTE[::-1]
        assert server.command("HGET", f"hero:job:{job_id}", "output") == EVERY_BYTE[::-1]
    wait_until(lambda: not server.command("EXISTS", f"{{{Q}}}:holders", f"{{{Q}}}:leases", f"{{{Q}}}:dead"))


def test_51_bytes_that_are_no_text(server: Server) -> None:
    """As bytes they are exact, in an error too; as text they are a clear error and not a shorter text."""
    with heroq.Supervisor(server.url) as supervisor, heroq.Actor(server.url, types="cross") as actor:
        made = supervisor.submit(EVERY_BYTE, script_type="cross")
        job = actor.take(timeout=20)
        assert job is not None and job.script == EVERY_BYTE
        with pytest.raises(UnicodeDecodeError):
            _ = job.text
        job.fail(EVERY_BYTE)
        with pytest.raises(heroq.JobFailed) as failed:
            supervisor.await_result(made, timeout=20)
        assert failed.value.error == EVERY_BYTE
        with pytest.raises(heroq.InvalidError):
            heroq.Job("a\ud800", "cross")
