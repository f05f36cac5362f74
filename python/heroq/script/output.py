"""What a script says: its output, the end of its complaints, and its log."""

from __future__ import annotations

import os
import selectors

from .. import _heroq
from ..errors import HeroqError
from ..job import Job
from .launcher import Launched, Limits

_ERROR_TAIL = 16 * 1024
_LINE = 4096
_PART = 1 << 16


class Log:
    """Standard error becomes lines of the job's log, up to `room` bytes. Never waits: what cannot be sent is lost."""

    def __init__(self, job: Job, room: int):
        self._handle = job._handle
        self._limit = self._room = room
        self._rest = b""

    def add(self, data: bytes) -> None:
        if self._room <= 0:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._put(line)
        while len(self._rest) >= _LINE:
            self._put(self._rest[:_LINE])
            self._rest = self._rest[_LINE:]

    def end(self) -> None:
        if self._rest and self._room > 0:
            self._put(self._rest)
        if self._room <= 0:
            self._tell(f"the log is longer than {self._limit} bytes: the rest is left out".encode())

    def _put(self, line: bytes) -> None:
        for start in range(0, max(1, len(line)), _LINE):
            if self._room <= 0:
                return
            part = line[start : start + _LINE]
            self._room -= len(part) + 1
            self._tell(part)

    def _tell(self, line: bytes) -> None:
        try:
            _heroq.heroq_job_log(self._handle, line)
        except HeroqError:
            pass  # a MiB is on its way, or the job is no longer ours: its script is more important than its log


class Output:
    """Reads all pipes so that none fills up, and drops what is above the limits."""

    def __init__(self, launched: Launched, limits: Limits, log: Log):
        assert launched.process.stdout and launched.process.stderr
        self._out, self._err = launched.process.stdout.fileno(), launched.process.stderr.fileno()
        self._report = launched.report
        self._limits, self._log = limits, log
        self.data, self.errors, self.report = bytearray(), bytearray(), bytearray()
        self.too_long = False
        self._open = {self._out, self._err, self._report}
        self._selector = selectors.DefaultSelector()
        for fd in self._open:
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ)

    @property
    def ended(self) -> bool:
        return self._report not in self._open

    def read(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            self._take(key.fd)

    def read_rest(self) -> None:
        """What lies in the pipes of a script that has ended."""
        for fd in (self._out, self._err):
            for _ in range(64):  # a pipe holds a MiB at most
                if fd not in self._open or not self._take(fd):
                    break
        self._log.end()

    def _take(self, fd: int) -> bool:
        try:
            part = os.read(fd, _PART)
        except BlockingIOError:
            return False
        if not part:
            self._selector.unregister(fd)
            self._open.discard(fd)
        elif fd == self._report:
            self.report += part
        elif fd == self._out:
            room = self._limits.output - len(self.data)
            self.data += part[:room]
            self.too_long = self.too_long or len(part) > room
        else:
            self._log.add(part)
            self.errors += part
            del self.errors[: max(0, len(self.errors) - _ERROR_TAIL)]
        return bool(part)

    def close(self) -> None:
        self._selector.close()
