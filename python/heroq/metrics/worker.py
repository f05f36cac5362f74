"""A worker's own figures, as `heroq worker --metrics` shows them: one port for all its processes.

Counts are those of all processes together, and stay when one is replaced; memory and CPU stand for each place in which
a process works, so that there are no new labels when it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from . import table
from .families import build, family, histogram, single
from .figures import BOUNDS, Kept, Row, Sums
from .table import Metric

_OUTCOMES = ("finished", "failed", "retried", "released", "stale")
_GROWING = (
    (table.WORKER_TAKEN, "taken"),
    (table.WORKER_BURIED, "buried"),
    (table.WORKER_LOST, "lost"),
    (table.WORKER_RECONNECTS, "reconnects"),
)
#: a value of several processes: how they are one
_NOW: tuple[tuple[Metric, str, Callable[[Sequence[float]], float]], ...] = (
    (table.WORKER_IN_HAND, "out", sum),
    (table.WORKER_AHEAD, "ahead", sum),
    (table.WORKER_UNSETTLED, "unsettled", sum),
    (table.WORKER_STUCK, "stuck", sum),
    (table.WORKER_PENDING, "pending_bytes", sum),
    (table.WORKER_CONNECTED, "connected", min),
    (table.WORKER_STARVED, "starved", max),
)


@dataclass(frozen=True)
class Place:
    """Where one process works."""

    kept: Kept
    is_up: Callable[[], bool]


class WorkerCollector(Collector):
    def __init__(self, places: Sequence[Place]):
        self._places = places

    def describe(self) -> list[Family]:
        """So that to register it asks nobody."""
        return []

    def collect(self) -> Iterator[Family]:
        yield build()
        sums = [place.kept.sums() for place in self._places]
        yield from _of_jobs(sum(sums, Sums()))
        yield from self._of_now()
        yield from self._of_processes([one.cpu for one in sums])

    def _of_now(self) -> Iterator[Family]:
        rows = [row for place in self._places for row in place.kept.now()]
        for metric, name, together in _NOW:
            yield family(metric, _by_handler(rows, name, together))
        takes = [row for place in self._places for row in place.kept.now("takes")]
        yield family(table.WORKER_LAST_TAKE, _by_handler(takes, "last_take", max))

    def _of_processes(self, cpu: list[float]) -> Iterator[Family]:
        places = [((str(number),), place) for number, place in enumerate(self._places)]
        memory = [(labels, place.kept.memory()) for labels, place in places]
        yield single(table.WORKER_PROCESSES, len(places))
        yield family(table.WORKER_UP, [(labels, place.is_up()) for labels, place in places])
        yield family(table.WORKER_STARTS, [(labels, place.kept.starts) for labels, place in places])
        yield family(table.WORKER_CRASHES, [(labels, place.kept.crashes) for labels, place in places])
        yield family(table.WORKER_MEMORY, [(labels, size) for labels, size in memory if size is not None])
        yield family(table.WORKER_CPU, [(labels, cpu[number]) for number, (labels, _) in enumerate(places)])


def _of_jobs(sums: Sums) -> Iterator[Family]:
    grown, handlers = sums.grown, sorted({handler for handler, _ in sums.grown})
    yield family(table.WORKER_JOBS, [((h, outcome), grown[h, outcome]) for h in handlers for outcome in _OUTCOMES])
    for metric, name in _GROWING:
        yield family(metric, [((h,), grown[h, name]) for h in handlers])
    yield histogram(table.WORKER_RUNS, BOUNDS, [(key, *row) for key, row in sorted(sums.times.items())])


def _by_handler(
    rows: Sequence[Row], name: str, together: Callable[[Sequence[float]], float]
) -> list[tuple[tuple[str], float]]:
    values: dict[str, list[float]] = {}
    for handler, what, value in rows:
        if what == name:
            values.setdefault(handler, []).append(value)
    return [((handler,), together(found)) for handler, found in sorted(values.items())]
