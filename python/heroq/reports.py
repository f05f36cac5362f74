"""What a worker's process tells of itself: its parent, by a line of JSON each second, and people who ask."""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .errors import InvalidError
from .job import Job

if TYPE_CHECKING:
    from .metrics.figures import Figures

#: seconds between two reports
EVERY = 1.0
#: seconds without one after which a process is not well
SILENT = 10.0


class Running(NamedTuple):
    """A job that is being handled, since when (time.monotonic), and where its handler is."""

    job: Job
    since: float
    stack: traceback.StackSummary


class Work(Protocol):
    """What tells of itself: threads, or an event loop."""

    @property
    def handled(self) -> int: ...
    def stats(self) -> list[dict[str, Any]]: ...
    def running_now(self) -> list[Running]: ...


def dump(work: Work) -> str:
    """What runs, since when, and where it is."""
    running = work.running_now()
    lines = [f"process {os.getpid()} runs {len(running)} jobs"]
    for one in running:
        job, seconds = one.job, time.monotonic() - one.since
        lines.append(f"job {job.id} of {job.script_type}, attempt {job.attempt}, for {seconds:.1f} s")
        lines.append("".join(one.stack.format()).rstrip())
    return "\n".join(lines)


class Report(NamedTuple):
    """handled: jobs so far; running: those that are being handled; starved: seconds since takes are answered by errors;
    draining: it takes no more, and this is its last report; figures: for metrics, if they were asked for."""

    handled: int
    running: int
    connected: bool
    starved: float
    draining: bool
    figures: dict[str, Any] | None = None

    @classmethod
    def of(cls, work: Work, draining: bool, figures: Figures | None = None) -> Report:
        stats = work.stats()
        return cls(
            handled=work.handled,
            running=len(work.running_now()),
            connected=all(one["connected"] for one in stats),
            starved=max((one["starved"] for one in stats), default=0) / 1000,
            draining=draining,
            figures=figures.of(stats) if figures else None,
        )


class Writer:
    """The child's end. Nothing here may disturb the work: a parent that does not read misses reports."""

    def __init__(self, fd: int):
        try:
            os.set_blocking(fd, False)
        except OSError as error:
            raise InvalidError(f"there is no descriptor {fd} to report to: {error.strerror}") from None
        self._fd = fd
        self._next = 0.0
        self._left = b""  # of a report for which there was no room

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def write(self, report: Report) -> None:
        self._next = time.monotonic() + EVERY
        self._left = self._left or json.dumps(report._asdict()).encode() + b"\n"
        with contextlib.suppress(OSError):
            self._left = self._left[os.write(self._fd, self._left) :]


class Reader:
    """The parent's end: the newest report, and when it came."""

    def __init__(self) -> None:
        self._fd, self.child_fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._text = b""
        self.report: Report | None = None
        self._at = 0.0

    def read(self) -> None:
        with contextlib.suppress(OSError):  # there is nothing more now
            while piece := os.read(self._fd, 65536):
                self._text += piece
        *lines, self._text = self._text.split(b"\n")
        if lines:
            self.report, self._at = Report(**json.loads(lines[-1])), time.monotonic()

    @property
    def is_well(self) -> bool:
        """It reports, and its actors reach the server; or it is about to end as it should."""
        if self.report is None or self.report.draining:
            return self.report is not None
        return self.report.connected and time.monotonic() - self._at < SILENT

    def child_has_its_end(self) -> None:
        os.close(self.child_fd)

    def close(self) -> None:
        os.close(self._fd)
