"""Fixtures of the Python package's tests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import heroq
import pytest
from heroq import testing
from support.breaks import System
from support.server import Server
from support.terminal import on_terminal

Cli = Callable[..., "subprocess.CompletedProcess[bytes]"]


def environment(url: str = "") -> dict[str, str]:
    mine = {"HEROQ_URL": url, "HEROQ_CONFIG": os.devnull, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **mine}


@pytest.fixture
def sup(server: Server) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(server.url) as supervisor:
        yield supervisor


@pytest.fixture
def cli(server: Server) -> Cli:
    """cli("ls", "--json", url=…, stdin=b"…"): what the command did."""

    def run(*argv: str, url: str | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "heroq", *argv],
            input=stdin,
            capture_output=True,
            env=environment(server.url if url is None else url),
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def terminal(server: Server) -> Callable[..., tuple[int, list[str]]]:
    """terminal("ls", columns=80, asked="Type", answer="x"): exit status and lines of a command on a terminal."""

    def run(*argv: str, **how: Any) -> tuple[int, list[str]]:
        return on_terminal([sys.executable, "-m", "heroq", *argv], environment(server.url), **how)

    return run


@pytest.fixture
def start(server: Server) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """start("-c", code) or start("-m", "heroq", …): a Python process that ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*argv: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *argv],
            env=environment(server.url),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def acting(server: Server) -> Callable[..., Any]:
    """`with acting("osis", handler):` an actor on a thread."""

    @contextmanager
    def run(script_type: str, handler: Callable[[heroq.Job], Any], **options: Any) -> Iterator[heroq.Actor]:
        with heroq.Actor(server.url, types=script_type, grace=1.0, **options) as actor:

            def work() -> None:
                for job in actor:
                    handler(job)

            thread = threading.Thread(target=work)
            thread.start()
            yield actor
            actor.drain(1.0)
            thread.join()

    return run


@pytest.fixture
def working(server: Server) -> Callable[..., Any]:
    """`with working(handler, …, threads=2) as supervisor:` they handle jobs, and submit to this server."""

    @contextmanager
    def run(*handlers: Any, threads: int = 2, **options: Any) -> Iterator[heroq.Supervisor]:
        options = {"backoff": 0.02, "block": 0.2, **options}
        with (
            testing.connected(server.url) as supervisor,
            testing.working(*handlers, server=server.url, threads=threads, **options),
        ):
            yield supervisor

    return run


@pytest.fixture(scope="module")
def healthy_server() -> Iterator[Server]:
    """What the doctor has nothing to say of: with an append-only file, without eviction."""
    with Server(args=["--appendonly", "yes", "--enable-debug-command", "yes"]) as server:
        yield server


@pytest.fixture
def system(healthy_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A healthy system, to be broken."""
    healthy_server.command("FLUSHALL")
    for name in [name for name in os.environ if name.startswith("HEROQ_") and not name.startswith("HEROQ_TEST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    made = System(healthy_server, tmp_path, monkeypatch)
    with made.undo:
        yield made
