"""The server as the screens ask it. All here waits for the server, so it is called on threads of workers only."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import keys
from ..board import Board, Row, View
from ..client import Client
from ..errors import HeroqError, InvalidError
from ..job import Job
from ..queue import Queue
from ..supervisor import Supervisor

#: lines of a job's log that are shown
LOG_LINES = 20

JobRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as its screen shows it."""

    job: Job
    progress: dict[str, Any] | None
    log: list[bytes]


class Link:
    """A client and what is made from it."""

    def __init__(self, client: Client):
        self.client = client
        self.supervisor = Supervisor(client)
        self.board = Board(client)
        self._queues: dict[str, Queue] = {}

    def close(self) -> None:
        """Wakes whoever waits for the server."""
        self.client.close()

    def name(self) -> str:
        """What the server is: its kind, version and address."""
        info = self.client.server_info()
        return f"{info['server']} {info['version']} {info['url']}"

    def read_board(self) -> View:
        return self.board.read()

    def queue(self, row: Row) -> Queue:
        if row.queue not in self._queues:
            self._queues[row.queue] = Queue(
                row.script_type, self.client, group=row.group or None, instance=row.instance or None
            )
        return self._queues[row.queue]

    def page(self, row: Row, what: str, start: int, count: int) -> list[JobRow]:
        """So many of what waits, is dead, …, from the start-th on; actors whole."""
        queue = self.queue(row)
        if what == "actors":
            return list(queue.actors())
        return queue.page_of(what, str(start), count=count)["rows"]  # type: ignore[no-any-return]

    def job(self, job_id: str, before: Job | None) -> Seen:
        """The job now; `before` is what was read last, so that a large one is not read each time."""
        job = before
        if job is None or job.is_terminal or self.supervisor.get_status(job) != job.status:
            job = self.supervisor.get_job(job_id)
        return Seen(job, self.supervisor.get_progress(job_id), self.supervisor.get_logs(job_id, last=LOG_LINES))

    # ---- acting ----
    def dispatch(self, script: str, script_type: str, group: str | None, **options: Any) -> str:
        """Stores a job and starts it, as the guide's terminal does; answers its id."""
        job = Job(script, script_type, group=group, **options)
        self.supervisor.create_job(job)
        self.supervisor.start_job(job, script_type, group=group)
        return job.id

    def each(
        self, act: Callable[[str], str], ids: list[str], told: Callable[[int], None] | None = None
    ) -> tuple[dict[str, int], list[str]]:
        """Does it to each: how often which outcome, and what went wrong."""
        outcomes: dict[str, int] = {}
        wrong: list[str] = []
        for n, job_id in enumerate(ids):
            try:
                outcome = act(job_id)
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
            except HeroqError as error:
                wrong.append(f"{job_id}: {error}")
            if told and n % 50 == 49:
                told(n + 1)
        return outcomes, wrong


def place(job: Job) -> tuple[str, str, str]:
    """The type, group and instance of the queue that it is in, or was."""
    parts: dict[str, str] = {}
    with contextlib.suppress(InvalidError):  # a foreign program may write what it likes
        parts = keys.parse((job.field("hq_queue") or b"").decode(errors="replace"))
    return job.script_type, parts.get("group", ""), parts.get("instance", "")


def name(job_id: str | bytes) -> str:
    """An id as text. One that is no UTF-8 is that of no job of heroq, and cannot be asked for."""
    return job_id if isinstance(job_id, str) else job_id.decode(errors="replace")


def born(job_id: str) -> float | None:
    """When an id that is a UUIDv7 was made, Unix ms."""
    return int(job_id[:8] + job_id[9:13], 16) if _UUID7.fullmatch(job_id) else None


_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def taken(token: str) -> tuple[str, float | None]:
    """The actor of a token, and when it took the job, Unix ms."""
    seq, _, actor = token.partition(":")
    return actor, int(seq) / 1000 if seq.isdecimal() and len(seq) <= 17 else None
