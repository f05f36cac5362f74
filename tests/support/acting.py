"""Actors in this process, on threads, and an oracle that looks at the server itself. Leases are scaled to 600 ms."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

import heroq

from .server import Server, wait_until

Q = "hero:q:work:type:fault"
H = f"{{{Q}}}"
LEASE = 0.6
OPTIONS: dict[str, Any] = {
    "lease": "600ms",
    "recheck": "100ms",
    "handoff_grace": "200ms",
    "backoff": "50ms",
    "block": "200ms",
    "op_timeout": "2s",
    "connect_timeout": "2s",
    "log": "events",
}
QUEUE_KEYS = ("handoff", "seen", "leases", "holders", "delayed", "dead", "reasons", "recoveries", "missing", "stops")


def finish(job: heroq.Job) -> None:
    job.finish(f"done {job.id}")


class Runner:
    """An actor and the threads that hand its jobs to `handler`; which they ran, and what its client had to say."""

    def __init__(
        self,
        url: str,
        handler: Callable[[heroq.Job], None] = finish,
        types: str = "fault",
        threads: int = 1,
        **options: Any,
    ) -> None:
        self.runs: list[tuple[str, int]] = []
        self.ends: list[heroq.HeroqError] = []  # what take had to say when a thread ended
        self._said: list[str] = []
        self._handler = handler
        self._failure: Exception | None = None
        settings = {**OPTIONS, **options}
        self.client = heroq.Client(url, **settings)
        self.actor = heroq.Actor(self.client, types=types, **settings)
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
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
        except Exception as error:  # a handler's own check: told by close
            self._failure = error
            job.release()

    def said(self) -> list[str]:
        """The texts of all warnings and errors so far."""
        while event := self.client.next_event(0):
            if event["level"] in ("warning", "error"):
                self._said.append(event["text"])
        return self._said

    def run_count(self) -> Counter[str]:
        return Counter(job_id for job_id, _ in self.runs)

    def close(self, grace: float = 0) -> None:
        self.actor.close(grace)
        for thread in self._threads:
            thread.join(10)
        self.client.close()
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def store(server: Server, job_id: str, script: str = "run", **fields: str | int | bytes) -> None:
    flat: list[str | int | bytes] = [part for pair in fields.items() for part in pair]
    server.command("HSET", f"hero:job:{job_id}", "script", script, "status", "dispatched", *flat)


def enqueue(server: Server, job_id: str, script: str = "run", queue: str = Q, **fields: str | int | bytes) -> None:
    store(server, job_id, script, **fields)
    server.command("LPUSH", queue, job_id)


def enqueue_many(server: Server, ids: list[str], queue: str = Q) -> None:
    with server.connect() as link:
        for job_id in ids:
            link.send("HSET", f"hero:job:{job_id}", "script", "run", "status", "dispatched")
        for _ in ids:
            link.read()
        for i in range(0, len(ids), 500):
            link.call("LPUSH", queue, *ids[i : i + 500])


def field(server: Server, job_id: str, name: str) -> bytes | None:
    value: bytes | None = server.command("HGET", f"hero:job:{job_id}", name)
    return value


def fields(server: Server, ids: list[str], name: str) -> list[bytes | None]:
    with server.connect() as link:
        for job_id in ids:
            link.send("HGET", f"hero:job:{job_id}", name)
        return [link.read() for _ in ids]


def ended(server: Server, ids: list[str], status: bytes | None = b"finished") -> bool:
    return all(one == status for one in fields(server, ids, "status"))


SIZES = """
local how, found = {none = false, list = 'LLEN', zset = 'ZCARD', hash = 'HLEN'}, {}
for i, key in ipairs(KEYS) do
  local command = how[redis.call('TYPE', key).ok]
  found[i] = command and redis.call(command, key) or command == nil and -1 or 0
end
return found
"""


def sizes(server: Server, queue: str = Q) -> dict[str, int]:
    """How many entries each structure of a queue has, all at one moment; -1: it is none of its kind."""
    names = ("", *QUEUE_KEYS)
    keys = [f"{{{queue}}}:{name}" if name else queue for name in names]
    return dict(zip(names, server.command("EVAL", SIZES, len(keys), *keys), strict=True))


def nothing_left(server: Server, queue: str = Q) -> bool:
    """All but `seen`, which is trimmed by age, and the dead letters."""
    return not any(n for name, n in sizes(server, queue).items() if name not in ("seen", "dead", "reasons"))


def wait_until_idle(server: Server, seconds: float = 15, queue: str = Q) -> None:
    try:
        wait_until(lambda: nothing_left(server, queue), seconds=seconds)
    except AssertionError:
        raise AssertionError(f"left over: {sizes(server, queue)}") from None
