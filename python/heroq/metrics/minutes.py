"""Counters that only grow, made of counts by the minute that are read again and again."""

from __future__ import annotations

from collections.abc import Sequence

from ..board import Row, View

OUTCOMES = ("finished", "failed", "retried", "lost")


class Minutes:
    """What ended since the first look. Looks that lie more than a quarter of an hour apart miss what was between."""

    def __init__(self) -> None:
        self._last: int | None = None  # the minute of the look before
        self._seen: dict[tuple[str, str], dict[int, int]] = {}  # by queue and outcome, minute: count
        self._sums: dict[tuple[str, str], int] = {}

    def look(self, view: View) -> None:
        minute = int(view.now // 60)
        known = {row.queue for row in view.queues}
        for key in [key for key in self._seen if key[0] not in known]:
            del self._seen[key], self._sums[key]
        for row in view.queues:
            for outcome in OUTCOMES:
                self._add((row.queue, outcome), minute, getattr(row, outcome))
        self._last = minute

    def _add(self, key: tuple[str, str], minute: int, counts: Sequence[int]) -> None:
        """A minute's count is read several times while it grows. A queue that is new has only what came since."""
        now = {minute - back: count for back, count in enumerate(reversed(counts))}
        before = self._seen.get(key)
        if before is None:
            before = {then: count for then, count in now.items() if self._last is None or then < self._last}
        grown = sum(max(0, count - before.get(then, 0)) for then, count in now.items())
        self._seen[key] = now
        self._sums[key] = self._sums.get(key, 0) + grown

    def of(self, row: Row, outcome: str) -> int:
        return self._sums.get((row.queue, outcome), 0)
