"""What the streams of server-sent events tell, and how often they look.

Nothing looks while nobody watches: a stream looks when the last look, of whichever stream, is old.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..board import Board, View
from ..client import Client
from ..errors import ConnectionError, HeroqError, NotFoundError
from . import jobs
from .answers import dumps

if TYPE_CHECKING:
    from .site import Site

#: looks that a new viewer is told of, for the charts
_HISTORY = 450
#: seconds between two looks at one job
_JOB_REFRESH = 1.0
#: how often a sleeping stream looks whether the process is to end
_SLICE = 0.25


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the board: its JSON, or why there is none. `until`: the moment (monotonic) from which it is old."""

    until: float
    board: bytes | None = None
    error: HeroqError | None = None


class Latest:
    """The one reader of the board that all viewers share."""

    def __init__(self, client: Callable[[], Client], refresh: float):
        self._client = client
        self._refresh = refresh
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._look = Look(until=0.0)
        self._history: deque[dict[str, float]] = deque(maxlen=_HISTORY)

    def known(self) -> Look | None:
        """The last look, while it is new; asks nobody."""
        look = self._look
        return look if time.monotonic() < look.until else None

    def get(self) -> Look:
        """A new look, or the last one while it is new. Waits for the server."""
        with self._lock:
            if (look := self.known()) is not None:
                return look
            board = error = None
            try:
                board = dumps(self._read())
            except HeroqError as caught:
                error = caught
            self._look = Look(time.monotonic() + self._refresh, board, error)
            return self._look

    def history(self) -> list[dict[str, float]]:
        """The looks while somebody watched, the oldest first, as far as charts need them."""
        with self._lock:
            return list(self._history)

    def _read(self) -> dict[str, Any]:
        if self._board is None:
            self._board = Board(self._client())
        view = self._board.read()
        if not self._history or view.now > self._history[-1]["now"]:
            self._history.append(_sample(view))
        return view.as_dict()


def _sample(view: View) -> dict[str, float]:
    return {
        "now": view.now,
        "waiting": view.totals.waiting,
        "oldest": max((row.oldest or 0.0 for row in view.queues), default=0.0),
        "wait_p95": max((row.wait_p95 or 0.0 for row in view.queues), default=0.0) / 1000,
    }


def event(name: str, data: bytes) -> bytes:
    """JSON has no line ends, so one line of data is all."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def _trouble(error: HeroqError) -> bytes:
    return event("trouble", dumps({"text": str(error), "name": error.name}))


async def board_events(site: Site) -> AsyncIterator[bytes]:
    """`history`, then `board` at each look; `trouble` while the server does not answer."""
    yield b"retry: 1000\n\n"
    yield event("history", dumps(await site.calls.call(site.latest.history)))
    last: Look | None = None
    while not site.ending:
        look = site.latest.known()
        if look is None:
            look = await site.calls.call(site.latest.get)
        if look is not last:
            last = look
            yield event("board", look.board) if look.board else _trouble(look.error or ConnectionError("no server"))
        await _sleep(site, look.until - time.monotonic())


async def job_events(site: Site, job_id: str) -> AsyncIterator[bytes]:
    """`job`, `progress` and `log` as they change, `end` once it has ended, `gone` when there is no such job."""
    yield b"retry: 1000\n\n"
    told: dict[str, bytes] = {}
    line = -jobs.LOG_LINES
    while not site.ending:
        try:
            now = await site.calls.call(jobs.look, site.sup, job_id, line)
        except NotFoundError as error:
            yield event("gone", dumps({"text": str(error)}))
            return
        except HeroqError as error:
            yield _trouble(error)
            await _sleep(site, site.settings.refresh)
            continue
        for name in ("job", "progress"):
            data = dumps(now[name])
            if told.get(name) != data:
                told[name] = data
                yield event(name, data)
        log = now["log"]
        if log["rows"] or line < 0:
            yield event("log", dumps(log))
        line = log["next"]
        if now["job"]["ended"] and len(log["rows"]) < jobs.LOG_LINES:
            yield event("end", b"{}")
            return
        await _sleep(site, 0 if log["rows"] else _JOB_REFRESH)


async def _sleep(site: Site, seconds: float) -> None:
    end = time.monotonic() + max(seconds, 0.05)
    while not site.ending and (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, _SLICE))
