"""Jobs as they run: their status, progress, log and stream, until all have ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from . import _heroq
from .errors import HeroqError, JobFailed, NotFoundError
from .job import Job, id_of
from .supervisor import Supervisor
from .waiter import Waiter, result_of

#: seconds between two looks
TICK = 0.25


@dataclass(frozen=True, slots=True)
class Told:
    """Something new. `kind`: "status", "progress", "log" (a line), "chunk" (of the stream), at last "end"."""

    job_id: str
    kind: str
    #: the status, the text of the progress, the line, the chunk; of "end" finished, error, or gone
    text: bytes
    #: of the progress
    percent: float | None = None
    #: of "end": JobFailed, or why nothing is known of the job
    error: HeroqError | None = None

    def values(self) -> dict[str, Any]:
        """By the names that JSON has."""
        if self.kind == "progress":
            return {"percent": self.percent, "text": self.text}
        if self.kind in ("status", "end"):
            more = {} if self.error is None else {"error": self._why()}
            return {"status": self.text, **more}
        return {"text": self.text}

    def line(self) -> bytes:
        """For a person."""
        if self.kind == "progress":
            return f"{self.percent:g} % ".encode() + self.text
        return self.text if self.error is None else self.text + b": " + self._why()

    def _why(self) -> bytes:
        return self.error.error if isinstance(self.error, JobFailed) else str(self.error).encode()


class _Followed:
    def __init__(self, supervisor: Supervisor, job_id: str) -> None:
        self._supervisor, self.id = supervisor, job_id
        self._status = ""
        self._told_at: tuple[Any, ...] | None = None
        self._next, self._cursor = 0, ""

    def news(self) -> Iterator[Told]:
        """A job that is gone has none: the waiter tells that."""
        try:
            yield from self._look()
        except NotFoundError:
            pass

    def _look(self) -> Iterator[Told]:
        status = self._supervisor.get_status(self.id)
        if status != self._status and status not in ("finished", "error"):
            self._status = status
            yield Told(self.id, "status", status.encode())
        progress = self._supervisor.get_progress(self.id)
        if progress and (now := (progress["attempt"], progress["time"], progress["percent"])) != self._told_at:
            self._told_at = now
            yield Told(self.id, "progress", str(progress["text"]).encode(), progress["percent"])
        yield from self._lines()
        yield from self._chunks()

    def _lines(self) -> Iterator[Told]:
        while True:
            page = _heroq.heroq_supervisor_get_logs(self._supervisor._handle, self.id, self._next, None)
            self._next = page["next"]
            for line in page["rows"]:
                yield Told(self.id, "log", line)
            if not page["rows"]:
                return

    def _chunks(self) -> Iterator[Told]:
        while True:
            page = _heroq.heroq_supervisor_read_stream(self._supervisor._handle, self.id, self._cursor, 0, None)
            self._cursor = page["cursor"]
            for row in page["rows"]:
                yield Told(self.id, "chunk", row["chunk"])
            if not page["rows"]:
                return


def follow(supervisor: Supervisor, jobs: Sequence[Job | str]) -> Iterator[Told]:
    """What the jobs tell, until the last of them has ended. What is there already comes first."""
    under_way = {tag: _Followed(supervisor, id_of(job)) for tag, job in enumerate(jobs)}
    with Waiter(supervisor.client) as waiter:
        for tag, one in under_way.items():
            waiter.add(one.id, tag)
        wait = 0.0
        while under_way:
            ended: list[dict[str, Any]] = []
            while done := waiter.take(0 if ended else wait):
                ended.append(done)
            wait = TICK
            for one in under_way.values():
                yield from one.news()
            for done in ended:
                one, result = under_way.pop(done["tag"]), result_of(done)
                error = result if isinstance(result, HeroqError) else None
                status = "finished" if error is None else "error" if isinstance(error, JobFailed) else "gone"
                yield Told(one.id, "end", status.encode(), error=error)
