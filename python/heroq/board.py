"""All queues at one look: what terminal, page, metrics and alerts show of them.

>>> from heroq.board import Board
>>> board = Board(heroq.Client("redis://localhost"))
>>> for row in board.read().queues:
...     print(row.name, row.state, row.waiting)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from . import _heroq
from .client import Client

#: seconds that work may wait before it is an alert that nobody takes it
PATIENCE = 5.0
#: seconds without a reaper after which a lease that ran out is an alert
UNREAPED = 60.0
#: ended jobs in five minutes from which on their share of failures is an alert
_ENOUGH = 10
#: percent
_MANY_FAILURES = 50.0
#: what a row has as the record has it
_SAME = (
    *("queue", "script_type", "group", "instance", "waiting", "in_flight", "delayed", "dead", "actors"),
    *("finished_per_minute", "failed_per_minute"),
)
#: minutes that rates and alerts are about
_RECENT = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A queue. Of the last five minutes: the rates, `error_percent` and the 95th percentiles (ms)."""

    #: its key
    queue: str
    #: what a person calls it
    name: str
    script_type: str
    group: str
    instance: str
    #: "ok"; "idle": nothing waits or runs; "paused"; "no actor": there is work, and no actor of heroq listens; "stuck":
    #: actors listen and take nothing, or nobody gives the jobs of lost ones back, or the key is no list
    state: str
    waiting: int
    #: seconds that the oldest waits; None: nothing waits, or it is not known
    oldest: float | None
    in_flight: int
    delayed: int
    dead: int
    actors: int
    finished_per_minute: float
    failed_per_minute: float
    #: None: nothing ended
    error_percent: float | None
    wait_p95: float | None
    run_p95: float | None
    #: of the last 15 minutes, the one under way is the last
    finished: tuple[int, ...]
    failed: tuple[int, ...]
    #: failures that are tried again
    retried: tuple[int, ...]
    #: leases that ran out
    lost: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all queues."""

    queues: int
    waiting: int
    in_flight: int
    delayed: int
    dead: int
    #: an actor of several queues counts in each
    actors: int
    finished_per_minute: float
    failed_per_minute: float


@dataclass(frozen=True, slots=True)
class Alert:
    """Something is wrong, in one line."""

    #: "warning" or "error"
    severity: str
    #: the queue's key
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """One look."""

    #: Unix s by the server's clock
    now: float
    #: by script type, group, instance
    queues: tuple[Row, ...]
    totals: Totals
    #: errors first
    alerts: tuple[Alert, ...]
    #: False: queues that only foreign programs use may be missing, there are too many keys to look at all
    whole: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Board:
    """Reads all queues of a server in a few pipelines, whatever waits in them. One at a time may read."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[str, dict[str, Any]] = {}

    def read(self) -> View:
        """How it is now."""
        page = _heroq.heroq_queue_list(self._client._handle, None)
        found = sorted(page["rows"], key=lambda r: (r["script_type"], r["group"], r["instance"]))
        looks = [_Look(r, self._seen.get(r["queue"])) for r in found]
        self._seen = {r["queue"]: r for r in found}
        rows = tuple(look.row() for look in looks)
        alerts = sorted((a for look in looks for a in look.alerts()), key=lambda a: a.severity)
        return View(page["now"] / 1000, rows, _totals(rows), tuple(alerts), bool(page["complete"]))


class _Look:
    """What the record of a queue means, and what changed since the one before."""

    def __init__(self, record: dict[str, Any], before: dict[str, Any] | None) -> None:
        self.record = record
        self.now: int = record["now"]
        self.moves = before is not None and (
            record["waiting"] < before["waiting"] or (record["oldest"] != before["oldest"] and before["waiting"] > 0)
        )
        self.oldest = self._since("waiting_since") if record["waiting"] else None
        self.minutes: dict[str, list[int]] = record["minutes"]
        self.state = self._state()

    def _since(self, name: str) -> float | None:
        """Seconds since that time."""
        return max(0.0, (self.now - self.record[name]) / 1000) if self.record[name] else None

    def _state(self) -> str:
        r = self.record
        if r["wrong_type"]:
            return "stuck"
        if r["paused"]:
            return "paused"
        late = self._since("next_due")
        work = r["waiting"] or r["in_flight"] or r["handoff"] or (late or 0) > PATIENCE
        if work and not r["actors"] and not self.moves:
            return "no actor"
        if self._is_starved() or self._is_unreaped():
            return "stuck"
        return "ok" if work else "idle"

    def _is_starved(self) -> bool:
        """Connected, and nothing is taken, though it has waited for a while."""
        r = self.record
        waits = r["waiting"] and (self.oldest is None or self.oldest > PATIENCE)
        ends = any(self.minutes["finished"][-2:]) or any(self.minutes["failed"][-2:])
        return bool(waits and not r["in_flight"] and not ends and not self.moves)

    def _is_unreaped(self) -> bool:
        """A lease has ended, and nobody gives its job back."""
        over, reaped = self._since("oldest_lease"), self._since("last_reap")
        return bool(self.record["in_flight"] and over and over > UNREAPED and (reaped is None or reaped > UNREAPED))

    def _recent(self, what: str) -> int:
        return sum(self.minutes[what][-_RECENT:])

    def _error_percent(self) -> float | None:
        finished, failed = self._recent("finished"), self._recent("failed")
        return 100 * failed / (finished + failed) if finished + failed else None

    def row(self) -> Row:
        r = self.record
        same: dict[str, Any] = {name: r[name] for name in _SAME}
        return Row(
            **same,
            name=name_of(r["script_type"], r["group"], r["instance"]),
            state=self.state,
            oldest=self.oldest,
            error_percent=self._error_percent(),
            wait_p95=r["wait_p95"] or None,
            run_p95=r["run_p95"] or None,
            finished=tuple(self.minutes["finished"]),
            failed=tuple(self.minutes["failed"]),
            retried=tuple(self.minutes["retried"]),
            lost=tuple(self.minutes["lost"]),
        )

    def alerts(self) -> list[Alert]:
        r = self.record
        name, waiting = name_of(r["script_type"], r["group"], r["instance"]), r["waiting"]
        told: list[tuple[str, str]] = []
        if r["wrong_type"]:
            told.append(("error", f"{name}: its key is no list, nothing can be queued"))
        elif self.state == "no actor" and (self.oldest is None or self.oldest > PATIENCE):
            told.append(("error", f"{name}: no actor listens{self._work()}"))
        elif self.state == "stuck":
            told.append(("error", f"{name}: its actors take nothing{self._work()}"))
        elif self.state == "paused" and waiting:
            told.append(("warning", f"{name} is paused{self._work()}"))
        percent, ended = self._error_percent(), self._recent("finished") + self._recent("failed")
        if percent is not None and percent >= _MANY_FAILURES and ended >= _ENOUGH:
            told.append(("warning", f"{name}: {percent:.0f} % of the jobs of the last {_RECENT} minutes failed"))
        if lost := self._recent("lost"):
            told.append(("warning", f"{name}: {lost} leases ran out in the last {_RECENT} minutes, actors die or hang"))
        return [Alert(severity, r["queue"], text) for severity, text in told]

    def _work(self) -> str:
        r = self.record
        parts = [f"{r[what]} {text}" for what, text in (("waiting", "waiting"), ("in_flight", "in flight")) if r[what]]
        if self.oldest is not None:
            parts.append(f"the oldest for {span(self.oldest)}")
        return f" ({', '.join(parts)})" if parts else ""


def name_of(script_type: str, group: str = "", instance: str = "") -> str:
    """What a person calls a queue."""
    name = f"group {group} of {script_type}" if group else script_type
    return f"instance {instance} of {name}" if instance else name


def span(seconds: float) -> str:
    """A length of time for people: "20 s", "3 min"."""
    for limit, unit, text in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {text}"
    return f"{seconds / 86_400:.0f} days"


def _totals(rows: Sequence[Row]) -> Totals:
    sums = {f.name: sum(getattr(r, f.name) for r in rows) for f in fields(Totals) if f.name != "queues"}
    return Totals(queues=len(rows), **sums)
