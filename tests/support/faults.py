"""What the fault tests share: an actor in this process with the thread that works for it, and looks at the server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import heroq

from . import lua
from .server import Server

Q = "hero:q:work:type:fault"
H = f"{{{Q}}}"
#: Everything scaled down, so that a fault and its repair fit into a second or two.
OPTIONS: dict[str, Any] = {
    "lease": "600ms",
    "recheck": "100ms",
    "handoff_grace": "200ms",
    "backoff": "50ms",
    "block": "200ms",
    "op_timeout": "300ms",
    "connect_timeout": "1s",
    "retries": 1,
    "max_recoveries": 5,
    "log": "off",
}


def by_script(job: heroq.Job) -> None:
    if job.text == "fail once" and job.attempt == 1:
        job.fail("not yet")
    elif job.text == "release once" and job.attempt == 1:
        job.release()
    else:
        job.finish(f"done {job.id}")


class Runner:
    """An actor and the threads that run what it takes; how often each id was run."""

    def __init__(
        self, url: str, handler: Callable[[heroq.Job], None] = by_script, threads: int = 1, **options: Any
    ) -> None:
        self.actor = heroq.Actor(url, types="fault", **{**OPTIONS, **options})
        self.runs: list[tuple[str, int]] = []
        self.ends: list[BaseException] = []
        self._handler = handler
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self) -> None:
        try:
            for job in self.actor:
                self._one(job)
                del job  # its handler is through with it
        except heroq.HeroqError as error:
            self.ends.append(error)

    def _one(self, job: heroq.Job) -> None:
        self.runs.append((job.id, job.attempt))
        try:
            self._handler(job)
        except heroq.SettledError:
            pass  # the lease went meanwhile: another run has it

    def close(self) -> None:
        self.actor.close(grace=0)
        for thread in self.threads:
            thread.join(10)


def word_of(command: str) -> str:
    """What the wire shows of a command: its name, or its script's sha."""
    if command.isupper():
        return command
    return hashlib.sha1(lua.load(command).encode()).hexdigest()


def load_scripts(server: Server) -> None:
    """So that the first use of a script is its sha already."""
    for name in lua.names():
        server.command("SCRIPT", "LOAD", lua.load(name))


def enqueue(server: Server, job_id: str, script: str = "run", **fields: str | int) -> None:
    """A job that wants a reply, as a supervisor would make it."""
    with server.connect() as link:
        more = [part for pair in fields.items() for part in pair]
        link.call(
            "HSET", f"hero:job:{job_id}", "script", script, "status", "dispatched",
            "hq_reply_to", f"hero:q:reply:{job_id}", *more,
        )  # fmt: skip
        link.call("LPUSH", Q, job_id)


def field(server: Server, job_id: str, name: str) -> bytes | None:
    answer: bytes | None = server.command("HGET", f"hero:job:{job_id}", name)
    return answer


def output(server: Server, job_id: str) -> bytes | None:
    return field(server, job_id, "output")


def nothing_left(server: Server) -> bool:
    """Nothing waits, is held, delayed or dead. One look: an id that moves meanwhile is not overlooked."""
    with server.connect() as link:
        link.call("MULTI")
        for key in (Q, f"{H}:handoff"):
            link.call("LLEN", key)
        for name in ("leases", "delayed", "dead"):
            link.call("ZCARD", f"{H}:{name}")
        link.call("HLEN", f"{H}:holders")
        return not any(link.call("EXEC"))
