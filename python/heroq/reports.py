"""What a worker's process tells its parent, once a second, through a pipe: one line of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass

from .errors import InvalidError

#: seconds between two reports
EVERY = 1.0
#: seconds without one after which a process is not well
SILENT = 10.0


@dataclass(frozen=True)
class Report:
    """handled: jobs so far; running: those that are being handled; starved: seconds since takes are answered by errors;
    draining: it takes no more, and this is its last report."""

    handled: int
    running: int
    connected: bool
    starved: float
    draining: bool


class Writer:
    """The child's end. Nothing here may disturb the work: a parent that does not read misses reports."""

    def __init__(self, fd: int):
        try:
            os.set_blocking(fd, False)
        except OSError as error:
            raise InvalidError(f"there is no descriptor {fd} to report to: {error.strerror}") from None
        self._fd = fd
        self._next = 0.0

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def write(self, report: Report) -> None:
        self._next = time.monotonic() + EVERY
        with contextlib.suppress(OSError):
            os.write(self._fd, json.dumps(asdict(report)).encode() + b"\n")


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
