"""The first screen: a row for each queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from ..board import Row, View
from ..cli.names import path_of
from .live import Live
from .rows import Cell, Column, Item, Rows
from .text import age, fitted, number, span, spark

if TYPE_CHECKING:
    from .link import Link

COLUMNS = (
    Column("queue"),
    Column("state", 8),
    Column("waiting", 7, right=True),
    Column("oldest", 6, right=True),
    Column("flight", 6, right=True),
    Column("delayed", 7, right=True, wide=100),
    Column("dead", 5, right=True, wide=90),
    Column("actors", 6, right=True),
    Column("done/m", 6, right=True),
    Column("err%", 4, right=True),
    Column("p95 wait", 8, right=True, wide=110),
    Column("p95", 6, right=True),
    Column("8 min", 8, narrow=120),
    Column("15 min", 15, wide=120),
)
_STATE = {"no actor": "bold red", "stuck": "bold red", "paused": "yellow", "ok": "green", "idle": "dim"}


class Overview(Live):
    """All queues."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open"),
        Binding("p", "pause"),
    ]
    KEYS: ClassVar[list[tuple[str, str]]] = [
        ("Enter", "the queue's jobs"),
        ("p", "pause the queue, or the marked ones; again: resume"),
    ]

    FOOT: ClassVar[list[tuple[str, str, str]]] = [
        *(("enter", "⏎", "jobs"), ("x", "x", "mark"), ("A", "A", "all"), ("p", "p", "pause"), ("n", "n", "new job"))
    ]

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.rows = Rows(COLUMNS, id="rows")

    def body(self) -> ComposeResult:
        yield self.rows

    def show(self, view: View, loaded: Any) -> None:
        self.rows.put([Item(row.queue, cells(row)) for row in view.queues])

    def new_row(self) -> Row | None:
        return self._row(self.rows.current)

    def _row(self, key: str | None) -> Row | None:
        return next((row for row in self.view.queues if row.queue == key), None) if self.view else None

    def action_open(self) -> None:
        self.rows.action_select_cursor()

    def on_rows_opened(self, event: Rows.Opened) -> None:
        row = self._row(event.key)
        if row is not None:
            self.top.open_queue(row)

    def action_pause(self) -> None:
        chosen = [row for key in self.rows.chosen if (row := self._row(key))]
        self.rows.unmark()
        if chosen:
            self.act(lambda: pause(self, chosen))


def pause(screen: Live, rows: list[Row]) -> str:
    """Pauses queues, or if all of them are paused, resumes them."""
    resume = all(row.state == "paused" for row in rows)
    for row in rows:
        queue = screen.link.queue(row)
        queue.resume() if resume else queue.pause()
    names = rows[0].name if len(rows) == 1 else f"{len(rows)} queues"
    return f"{names}: {'resumed' if resume else 'paused, what runs goes on'}"


def cells(row: Row) -> list[Cell]:
    """A cell for each of COLUMNS."""
    ended = [a + b for a, b in zip(row.finished, row.failed, strict=True)]
    percent = row.error_percent
    wrong = percent is not None and percent >= 10
    return [
        (path_of(row.script_type, row.group, row.instance), "bold"),
        (row.state, _STATE.get(row.state, "")),
        (number(row.waiting), "" if row.waiting else "dim"),
        (age(row.oldest), ""),
        (number(row.in_flight), "" if row.in_flight else "dim"),
        (number(row.delayed), "" if row.delayed else "dim"),
        (number(row.dead), "red" if row.dead else "dim"),
        (number(row.actors), "" if row.actors else "dim"),
        (number(row.finished_per_minute), ""),
        (fitted("" if percent is None else f"{percent:.0f}", 4, right=True), "red" if wrong else ""),
        (span(row.wait_p95), ""),
        (span(row.run_p95), ""),
        (spark(ended, 8), "cyan"),
        (spark(ended, 15), "cyan"),
    ]
