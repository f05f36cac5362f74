"""await and tail: jobs that run while the command looks."""

from __future__ import annotations

import json
import threading
from typing import Any

import heroq
from support.server import wait_until

from .conftest import Cli


def test_tail_tells_what_comes_and_ends_with_the_job(start: Any, sup: heroq.Supervisor, acting: Any) -> None:
    go = threading.Event()

    def handler(job: heroq.Job) -> None:
        job.log("first")
        go.wait(60)
        job.progress(75, "nearly")
        job.stream(b"\xffchunk")
        job.log("last")
        job.fail("why", final=True)

    job = sup.submit("x", "osis")
    with acting("osis", handler):
        process = start("-m", "heroq", "tail", job.id, "--json")
        seen = []
        while not seen or seen[-1]["kind"] != "log":
            seen.append(json.loads(process.stdout.readline()))
        assert seen[-1] == {"id": job.id, "kind": "log", "text": "first"}
        go.set()
        assert process.wait(30) == 1
    rest = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert [row.pop("id") for row in rest] == [job.id] * 4
    assert {"kind": "progress", "percent": 75.0, "text": "nearly"} in rest
    assert {"kind": "log", "text": "last"} in rest
    assert {"kind": "chunk", "text": {"base64": "/2NodW5r"}} in rest
    assert rest[-1] == {"kind": "end", "status": "error", "error": "why"}


def test_tail_of_several_and_its_chunks_alone(cli: Cli, sup: heroq.Supervisor, acting: Any) -> None:
    def handler(job: heroq.Job) -> None:
        job.stream(b"a\0")
        job.stream(b"b\n")
        job.finish()

    with acting("osis", handler):
        for name in ("one", "two"):
            sup.submit("x", "osis", id=name)
        wait_until(lambda: sup.get_status("two") == "finished")
    assert cli("tail", "one", "--raw").stdout == b"a\0b\n"
    lines = cli("tail", "one", "two").stdout.decode().splitlines()
    assert lines[:2] == ["one chunk    a·", "one chunk    b·"]
    assert sorted(lines[-2:]) == ["one end      finished", "two end      finished"]
    assert cli("tail", "gone").returncode == 3


def test_await(cli: Cli, start: Any, sup: heroq.Supervisor, acting: Any) -> None:
    def handler(job: heroq.Job) -> None:
        job.fail("why", final=True) if job.text == "bad" else job.finish(b"\0out\n")

    for name in ("a", "b"):
        sup.submit("bad" if name == "b" else "x", "osis", id=name)
    late = cli("await", "a", "--timeout", "0.1")
    assert (late.returncode, late.stdout) == (4, b"")
    waiting = start("-m", "heroq", "await", "a")
    with acting("osis", handler):
        assert waiting.wait(30) == 0
    assert waiting.stdout.read() == b"\0out\n"
    both = cli("await", "a", "b", "a")
    assert (both.returncode, both.stdout) == (1, "a\tfinished\t·out·\nb\terror\twhy\n".encode())
    alone = cli("await", "b")
    assert (alone.returncode, alone.stderr) == (1, b"heroq: why\n")
    assert cli("await", "gone").returncode == 3
