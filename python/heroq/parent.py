"""The parent of a worker's processes: starts them, starts those anew that died, renews them, ends them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from . import health
from .errors import InvalidError
from .log import log
from .reports import Reader
from .watch import Watch

if TYPE_CHECKING:
    from .metrics.figures import Kept
    from .metrics.serving import Port

_LOOK = 0.1
_STEADY = 10.0  # a child that lived so long starts again at once
_LONGEST_PAUSE = 30.0
#: exit status of a child that cannot work, whatever is tried: wrong target, wrong option
USELESS = 2


@dataclass(frozen=True)
class Settings:
    """What the parent is told; what the children are told is in their command line."""

    processes: int
    grace: float
    health_file: str | None = None
    health_port: str | None = None
    metrics: str | None = None  # where Prometheus asks
    watch: str | None = None  # the folder whose files renew the processes when they change


class Child:
    """One process, and when it may be started again."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], kept: Kept | None = None):
        self._argv, self._environment = argv, environment
        self.kept = kept  # for metrics
        self._pause = 0.0
        self._start_at = 0.0
        self._started = 0.0
        self._kill_at: float | None = None  # it was told to end
        self.process: subprocess.Popen[bytes] | None = None
        self.reports: Reader | None = None

    def look(self) -> int | None:
        """Starts it if it is time to; answers the exit status if it has just ended without having been told to."""
        now = time.monotonic()
        if self.process is None or self.reports is None:
            if now >= self._start_at:
                self._start(now)
            return None
        status = self.process.poll()
        self._read(self.reports)
        if status is None:
            if self._kill_at is not None and now >= self._kill_at:
                self.tell(signal.SIGKILL)
            return None
        told, self._kill_at = self._kill_at is not None, None
        self.process = None
        if self.kept:
            self.kept.end()
        self.reports.close()
        if told or status == 0:  # renewed, or it has done its number of jobs
            self._start_at = now
            return None
        if self.kept:
            self.kept.crashes += 1
        self._pause = 0.1 if now - self._started > _STEADY else min(_LONGEST_PAUSE, max(0.1, self._pause * 2))
        self._start_at = now + self._pause * random.uniform(0.75, 1.25)
        return status

    def _read(self, reports: Reader) -> None:
        reports.read()
        if self.kept and reports.report:
            self.kept.set(reports.report.figures)

    def _start(self, now: float) -> None:
        self._started = now
        if self.kept:
            self.kept.starts += 1
        self.reports = Reader()
        fd = self.reports.child_fd
        self.process = subprocess.Popen(
            [*self._argv, "--report", str(fd)], env=self._environment, process_group=0, pass_fds=(fd,)
        )
        self.reports.child_has_its_end()

    @property
    def is_well(self) -> bool:
        return self.process is not None and self.reports is not None and self.reports.is_well

    def looks_well(self) -> bool:
        return self.is_well

    @property
    def is_up(self) -> bool:
        """It works, and goes on to."""
        report = self.reports.report if self.reports else None
        return self.is_well and self._kill_at is None and report is not None and not report.draining

    def renew(self, seconds: float) -> None:
        """Ends it within that time; the next look starts it again."""
        self._kill_at = time.monotonic() + seconds
        self.tell(signal.SIGTERM)

    def tell(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def wait(self, until: float) -> bool:
        if self.process is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, until - time.monotonic()))
        return self.process.poll() is not None


class Signals:
    """Counts TERM, HUP and USR1 while it is in use."""

    def __init__(self) -> None:
        self.seen: dict[int, bool] = dict.fromkeys((signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1), False)
        self._before: dict[int, Any] = {}

    def take(self, number: int) -> bool:
        """Whether it came since the last take."""
        if not self.seen[number]:  # and nothing is written, or one that comes at this moment would be lost
            return False
        self.seen[number] = False
        return True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.seen[number] = True

    def __enter__(self) -> Signals:
        self._before = {number: signal.signal(number, self._on_signal) for number in self.seen}
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


class Parent:
    """Until SIGTERM, which drains, or Ctrl-C, which ends at once. HUP renews one process after the other."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], settings: Settings):
        self._argv, self._environment, self._settings = argv, environment, settings
        kept = _kept(settings.processes) if settings.metrics is not None else [None] * settings.processes
        self._children = [Child(argv, environment, one) for one in kept]
        self._to_renew: list[Child] = []
        self._renewing: Child | None = None
        self._was_up = False
        self._watch = Watch(settings.watch) if settings.watch is not None else None
        self._file = health.File(settings.health_file) if settings.health_file else None
        self._port = health.Port(settings.health_port, self.state) if settings.health_port else None
        self._metrics = _metrics(settings.metrics, self._children) if settings.metrics is not None else None

    def state(self) -> health.State:
        """ok: every process reports and reaches the server."""
        rows = []
        for child in self._children:
            process, reports = child.process, child.reports
            row: dict[str, Any] = {"pid": process.pid if process else None, "ok": child.is_well}
            if reports and reports.report:
                row |= reports.report._asdict()
                del row["figures"]
            rows.append(row)
        return {"ok": all(child.is_well for child in self._children), "processes": rows}

    def run(self) -> int:
        """Answers an exit status."""
        try:
            with Signals() as signals:
                while not signals.take(signal.SIGTERM):
                    if self._look() == USELESS:
                        return USELESS
                    if signals.take(signal.SIGUSR1):
                        self._ask_what_runs()
                    if signals.take(signal.SIGHUP) or (self._watch and self._watch.changed()):
                        self._renew_all()
                    self._renew_next()
                    if self._file:
                        self._file.look(self.state())
                    if os.getpid() == 1:
                        _reap_strangers({child.process.pid for child in self._children if child.process})
                    time.sleep(_LOOK)
                return 0
        finally:
            self._end(0.1 if isinstance(sys.exception(), KeyboardInterrupt) else self._settings.grace + 5.0)

    def _look(self) -> int | None:
        """USELESS: not one process could ever work."""
        for child in self._children:
            status = child.look()
            self._was_up = self._was_up or child.is_up
            if status == USELESS and not self._was_up:
                return USELESS
            if status is not None:
                log.warning("a worker process ended (%s) and is started again", _say(status))
        return None

    def _tell_all(self, number: int) -> None:
        for child in self._children:
            child.tell(number)

    def _ask_what_runs(self) -> None:
        """Not of a process that has not reported yet: the signal would end it."""
        for child in self._children:
            if child.reports and child.reports.report:
                child.tell(signal.SIGUSR1)

    def _renew_all(self) -> None:
        """If the code can be loaded: else the processes go on with what they have."""
        if subprocess.run([*self._argv, "--check"], env=self._environment, check=False).returncode:
            log.error("the handlers cannot be loaded: the worker goes on with those that it has")
            return
        log.info("the worker's processes are renewed, one after the other")
        self._to_renew = [child for child in self._children if child.process is not None]
        self._renewing = None

    def _renew_next(self) -> None:
        if self._renewing is not None and not self._renewing.is_up:
            return
        self._renewing = self._to_renew.pop(0) if self._to_renew else None
        if self._renewing is not None:
            self._renewing.renew(self._settings.grace + 5.0)

    def _end(self, seconds: float) -> None:
        self._tell_all(signal.SIGTERM)
        until = time.monotonic() + seconds
        for child in self._children:
            if not child.wait(until):
                child.tell(signal.SIGKILL)
                child.wait(time.monotonic() + 5.0)
        for one in (self._file, self._port, self._metrics):
            if one:
                one.close()


def _kept(processes: int) -> list[Kept | None]:
    from .metrics.figures import Kept  # only who has metrics pays for importing it

    return [Kept() for _ in range(processes)]


def _metrics(where: str, children: Sequence[Child]) -> Port:
    try:
        from .metrics.serving import Port
        from .metrics.worker import Place, WorkerCollector
    except ImportError as error:
        raise InvalidError(f"{error.name} is missing: pip install heroq[metrics]") from None

    places = [Place(child.kept, child.looks_well) for child in children if child.kept]
    return Port(where, WorkerCollector(places))


def _reap_strangers(ours: set[int]) -> None:
    """As a container's first process it is the parent of who lost theirs. Our own children are asked for by name."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and found.si_pid not in ours:
            os.waitpid(found.si_pid, 0)


def _say(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
