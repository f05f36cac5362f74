"""Fixtures of the guide's tests: its sections, foreign programs, actors, the ledger."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heroq
import pytest
from support.guide import Ledger, Section, run_of
from support.server import Server

FOREIGN = Path(__file__).parent / "foreign"


@pytest.fixture
def section(server: Server) -> Callable[[str], Section]:
    return lambda name: Section(server, name)


@pytest.fixture
def supervisor(server: Server) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(server.url) as made:
        yield made


@pytest.fixture
def heroq_cli(server: Server) -> Callable[..., str]:
    """Runs the heroq command; what it prints, without the last newline. Any other exit code is an error."""

    def run(*argv: str, exit_code: int = 0, timeout: float = 60) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "heroq", *argv],
            env={**os.environ, "HEROQ_URL": server.url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == exit_code, f"heroq {shlex.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.removesuffix("\n")

    return run


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def foreign(server: Server) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts foreign/NAME.py with the port and these arguments. At the end nobody may have complained."""
    running: list[subprocess.Popen[str]] = []

    def start(name: str, *argv: object) -> subprocess.Popen[str]:
        program = [sys.executable, "-I", "-c", _RUN, str(FOREIGN), f"{name}.py", str(server.port), *map(str, argv)]
        running.append(subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    complaints = ""
    for process in running:
        ended = process.poll() is not None
        if not ended:
            process.terminate()
        complaints += process.communicate(timeout=30)[1]
        if ended and process.returncode:
            complaints += f"exit code {process.returncode}: {process.args}"
    assert not complaints


# In isolated mode, with a hook that proves that no heroq is behind it.
_RUN = """
import runpy, sys
folder, name = sys.argv[1:3]
class NoHeroq:
    def find_spec(self, module, path=None, target=None):
        if module.split(".")[0] == "heroq":
            raise SystemExit("a foreign program imports heroq")
sys.meta_path.insert(0, NoHeroq())
sys.path.insert(0, folder)
sys.argv = [name, *sys.argv[3:]]
runpy.run_path(f"{folder}/{name}", run_name="__main__")
"""


@pytest.fixture
def heroq_actor(server: Server, ledger: Ledger) -> Iterator[Callable[..., heroq.Actor]]:
    """An actor of heroq on a thread. `work` returns the output, or settles the job itself and returns None."""
    with contextlib.ExitStack() as stack:

        def start(
            delivery: str, types: str = "osis", work: Callable[[heroq.Job], Any] | None = None, **opts: Any
        ) -> heroq.Actor:
            actor = stack.enter_context(heroq.Actor(server.url, types=types, delivery=delivery, **opts))

            def loop() -> None:
                for job in actor:
                    ledger.write(job.id, delivery)
                    output = run_of(delivery, job.script) if work is None else work(job)
                    if output is not None:
                        job.finish(output)

            thread = threading.Thread(target=loop, name=delivery)
            thread.start()
            stack.callback(thread.join, 30)
            stack.callback(actor.close, 5.0)
            return actor

        yield start
