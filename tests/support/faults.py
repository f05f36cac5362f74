"""What the fault tests share: an actor whose jobs say what becomes of them, words of the wire, looks at the server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heroq

from . import acting, lua
from .acting import H, Q, field
from .server import Server

FULL = bool(os.environ.get("HEROQ_FAULT_FULL"))  # tests/run.sh fault


def sanitizer() -> str:
    """What the library was built with, such as "thread"; mostly nothing."""
    cache = Path(os.environ["HEROQ_BUILD_DIR"]) / "CMakeCache.txt"
    return next((one for one in cache.read_text().splitlines() if "HEROQ_SANITIZE:" in one), "=").partition("=")[2]


#: Everything scaled down, so that a fault and its repair fit into a second or two.
OPTIONS: dict[str, Any] = {
    **acting.OPTIONS,
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


class Runner(acting.Runner):
    def __init__(self, url: str, handler: Callable[[heroq.Job], None] = by_script, **options: Any) -> None:
        super().__init__(url, handler, **{**OPTIONS, **options})


def word_of(command: str) -> str:
    """What the wire shows of a command: its name, or its script's sha."""
    if command.isupper():
        return command
    return hashlib.sha1(lua.load(command).encode()).hexdigest()


def sends(command: str) -> dict[str, str]:
    """What makes an actor send it: who answers unasked too writes a result and its reply one after the other."""
    return {"reply": "always"} if command in ("finish", "reply") else {}


def load_scripts(server: Server) -> None:
    """So that the first use of a script is its sha already."""
    for name in lua.names():
        server.command("SCRIPT", "LOAD", lua.load(name))


def enqueue(server: Server, job_id: str, script: str = "run", **fields: str | int | bytes) -> None:
    """A job that wants a reply, as a supervisor would make it."""
    acting.enqueue(server, job_id, script, Q, hq_reply_to=f"hero:q:reply:{job_id}", **fields)


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
