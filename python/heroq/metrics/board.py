"""All queues of a server, as `heroq metrics` shows them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from ..board import Board, Row, View
from ..client import Client
from ..errors import HeroqError
from ..log import log
from . import table
from .families import Sample, build, family, single
from .minutes import OUTCOMES, Minutes
from .table import Metric

_STATES = ("ok", "idle", "paused", "no actor", "stuck")
_SEVERITIES = ("warning", "error")
#: what is a number of a queue's row
_NUMBERS: tuple[tuple[Metric, Callable[[Row], float | None]], ...] = (
    (table.WAITING, lambda row: row.waiting),
    (table.OLDEST, lambda row: row.oldest if row.waiting else 0),
    (table.IN_FLIGHT, lambda row: row.in_flight),
    (table.DELAYED, lambda row: row.delayed),
    (table.DEAD, lambda row: row.dead),
    (table.ACTORS, lambda row: row.actors),
    (table.FINISHED_RATE, lambda row: row.finished_per_minute),
    (table.FAILED_RATE, lambda row: row.failed_per_minute),
    (table.WAIT, lambda row: None if row.wait_p95 is None else row.wait_p95 / 1000),
    (table.RUN, lambda row: None if row.run_p95 is None else row.run_p95 / 1000),
)


class BoardCollector(Collector):
    """A collector for any registry of prometheus-client: `registry.register(BoardCollector(client))`.

    It looks at the server when it is asked, at most once in `pause` seconds. Of more than `max_queues` queues those at
    work come first.
    """

    def __init__(self, client: Client, *, max_queues: int = 1000, pause: float = 1.0):
        self._client, self._most, self._pause = client, max_queues, pause
        self._board, self._minutes = Board(client), Minutes()
        self._turn = threading.Lock()
        self._at: float | None = None
        self._last: list[Family] = []
        #: whether the server answered the last look
        self.is_up = False

    def describe(self) -> list[Family]:
        """So that to register it asks nobody."""
        return []

    def collect(self) -> Iterator[Family]:
        with self._turn:
            if self._at is None or time.monotonic() >= self._at + self._pause:
                self._last = list(self._look())
                self._at = time.monotonic()
            yield from self._last

    def _look(self) -> Iterator[Family]:
        begin = time.monotonic()
        view: View | None = None
        try:
            info = self._client.server_info()
            view = self._board.read()
        except HeroqError as error:
            if self.is_up or self._at is None:
                log.warning("the server cannot be looked at: %s", error)
        self.is_up = view is not None
        yield build()
        yield single(table.UP, self.is_up)
        yield single(table.LOOK, time.monotonic() - begin)
        if view is not None:
            yield from _of_server(info)
            self._minutes.look(view)
            yield from self._of_queues(view)

    def _of_queues(self, view: View) -> Iterator[Family]:
        rows = view.queues
        if len(rows) > self._most:
            rows = tuple(sorted(rows, key=_is_at_rest)[: self._most])
        yield single(table.QUEUES, len(view.queues))
        yield single(table.QUEUES_LEFT_OUT, len(view.queues) - len(rows))
        yield single(table.QUEUES_WHOLE, view.whole)
        for metric, number in _NUMBERS:
            found = ((_labels(row), number(row)) for row in rows)
            yield family(metric, [(labels, value) for labels, value in found if value is not None])
        yield family(table.STATE, [(_labels(row, _word(s)), row.state == s) for row in rows for s in _STATES])
        yield family(table.ALERTS, _alerts(view, rows))
        yield family(table.ENDED, [(_labels(row, o), self._minutes.of(row, o)) for row in rows for o in OUTCOMES])


def _of_server(info: dict[str, Any]) -> Iterator[Family]:
    words = [str(info.get(name, "")) for name in ("server", "version", "role", "mode", "maxmemory_policy")]
    appendonly = {1: "yes", 0: "no"}.get(info.get("aof_enabled", -1), "")
    yield family(table.SERVER, [([*words, appendonly], 1)])
    for metric, name in (
        (table.MEMORY, "used_memory"),
        (table.MEMORY_LIMIT, "maxmemory"),
        (table.EVICTED, "evicted_keys"),
    ):
        if name in info:
            yield single(metric, info[name])


def _alerts(view: View, rows: tuple[Row, ...]) -> list[Sample]:
    told = [(alert.subject, alert.severity) for alert in view.alerts]
    return [(_labels(row, severity), told.count((row.queue, severity))) for row in rows for severity in _SEVERITIES]


def _is_at_rest(row: Row) -> bool:
    return not (row.waiting or row.in_flight or row.delayed or row.dead or row.actors)


def _labels(row: Row, *more: str) -> tuple[str, ...]:
    return row.queue, row.script_type, row.group, row.instance, *more


def _word(state: str) -> str:
    return state.replace(" ", "_")
