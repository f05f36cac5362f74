"""What a worker's processes tell of their work, and what is left of it when one of them ends.

A process sends rows of plain values through its report: what only grows, what is now, and how long runs took.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..handler import AnyHandler
from ..job import Job
from ..memory import resident

#: upper bounds of the histogram of runs, in seconds
BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
#: of an actor's statistics
GROWING = ("taken", "finished", "failed", "retried", "released", "buried", "lost", "stale")
NOW = ("out", "ahead", "unsettled", "stuck", "pending_bytes", "connected")

#: handler, name, value
Row = tuple[str, str, float]
#: handler, script type, sum, counts
Times = tuple[str, str, float, Sequence[int]]


class RunTimes:
    """How long the handlers of this process ran."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str], float] = {}
        self._counts: dict[tuple[str, str], list[int]] = {}

    def add(self, handler: AnyHandler, job: Job, seconds: float) -> None:
        """A job's own field may say any script type; that of no handler here is its handler's first."""
        script_type = job.script_type
        key = handler.label, script_type if script_type in handler.types else handler.types[0]
        at = bisect_left(BOUNDS, seconds)
        with self._lock:
            if key not in self._counts:
                self._counts[key], self._sums[key] = [0] * (len(BOUNDS) + 1), 0.0
            self._counts[key][at] += 1
            self._sums[key] += seconds

    def rows(self) -> list[Times]:
        with self._lock:
            return [(*key, self._sums[key], list(counts)) for key, counts in self._counts.items()]


class Figures:
    """Of this process."""

    def __init__(self, handlers: Sequence[AnyHandler]):
        self._handlers = handlers
        self.times = RunTimes()

    def of(self, stats: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`stats` are those of the handlers' actors, in the same order."""
        grown, now, takes = [], [], []
        for handler, of_actor in zip(self._handlers, stats, strict=False):  # there are none before the actors are open
            grown += [(handler.label, name, of_actor[name]) for name in GROWING]
            grown.append((handler.label, "reconnects", max(0, of_actor["connects"] - 1)))
            now += [(handler.label, name, of_actor[name]) for name in NOW]
            now.append((handler.label, "starved", of_actor["starved"] / 1000))
            if of_actor["since_last_take"] >= 0:
                takes.append((handler.label, "last_take", round(time.time() - of_actor["since_last_take"] / 1000, 3)))
        of_process = {"cpu": time.process_time(), "rss": resident()}
        return {"grown": grown, "now": now, "takes": takes, "times": self.times.rows(), **of_process}


class Sums:
    """What only grows, of some processes together."""

    def __init__(self) -> None:
        self.grown: Counter[tuple[str, str]] = Counter()  # by handler and name
        self.times: dict[tuple[str, str], tuple[float, list[int]]] = {}  # by handler and script type: sum, counts
        self.cpu = 0.0

    def add(self, grown: Iterable[Row], times: Iterable[Times], cpu: float) -> None:
        for handler, name, value in grown:
            self.grown[handler, name] += round(value)
        for handler, script_type, seconds, counts in times:
            total, sums = self.times.get((handler, script_type), (0.0, [0] * len(counts)))
            self.times[handler, script_type] = total + seconds, [a + b for a, b in zip(sums, counts, strict=True)]
        self.cpu += cpu

    def __add__(self, other: Sums) -> Sums:
        made = Sums()
        for one in (self, other):
            grown = [(*key, float(count)) for key, count in one.grown.items()]
            made.add(grown, [(*key, *row) for key, row in one.times.items()], one.cpu)
        return made


class Kept:
    """Of one of a worker's processes and of all that were there before in its place, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, Any] | None = None
        self._past = Sums()
        self.starts = 0
        self.crashes = 0

    def set(self, figures: dict[str, Any] | None) -> None:
        """The newest figures of the process that is there."""
        with self._lock:
            self._newest = figures or self._newest

    def end(self) -> None:
        """The process has ended: what only grows stays."""
        with self._lock:
            self._past = self._past + self._present()
            self._newest = None

    def sums(self) -> Sums:
        with self._lock:
            return self._past + self._present()

    def now(self, what: str = "now") -> list[Row]:
        """None without a process."""
        with self._lock:
            return [(handler, name, value) for handler, name, value in (self._newest or {}).get(what, ())]

    def memory(self) -> int | None:
        """None without a process."""
        with self._lock:
            return None if self._newest is None else int(self._newest["rss"])

    def _present(self) -> Sums:
        made = Sums()
        if self._newest is not None:
            made.add(self._newest["grown"], self._newest["times"], self._newest["cpu"])
        return made
