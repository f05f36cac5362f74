"""A queue's screen: a tab for what waits, is in flight, delayed, dead, finished, failed, and the actors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from ..board import Alert, Row, View
from .forms import AskName
from .jobs import JobsScreen
from .link import JobRow, born, name, taken
from .overview import pause
from .rows import Column, Item, Rows
from .text import age, clock, number, plain, size

if TYPE_CHECKING:
    from .link import Link

_ID = Column("job", least=20)
_TIME = Column("at", 19, right=True)
#: name on the wire, name on the screen, columns
TABS: tuple[tuple[str, str, tuple[Column, ...]], ...] = (
    ("waiting", "waiting", (Column("next", 7, right=True), _ID, Column("made", 5, right=True))),
    (
        "in_flight",
        "in flight",
        (_ID, Column("for", 5, right=True), Column("lease", 6, right=True), Column("actor", 24)),
    ),
    ("delayed", "delayed", (_ID, Column("due in", 7, right=True), _TIME)),
    ("dead", "dead", (_ID, Column("ago", 5, right=True), Column("reason", 20))),
    ("finished", "finished", (_ID, Column("ago", 5, right=True), _TIME)),
    ("failed", "failed", (_ID, Column("ago", 5, right=True), _TIME)),
    (
        "actors",
        "actors",
        (
            Column("actor"),
            Column("host", 12),
            Column("pid", 7, right=True),
            Column("running", 7, right=True),
            Column("done", 6, right=True),
            Column("failed", 6, right=True),
            Column("job/s", 6, right=True),
            Column("memory", 9, right=True),
            Column("since", 5, right=True),
        ),
    ),
)
_MOST_ROWS = 100


class QueueScreen(JobsScreen):
    """The jobs of one queue, a page at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "tab(-1)", priority=True),
        Binding("right", "tab(1)", priority=True),
        Binding("l", "page(1)"),
        Binding("h", "page(-1)"),
        Binding("enter", "open"),
        Binding("p", "pause"),
        Binding("C", "clear"),
    ]
    FOOT: ClassVar[list[tuple[str, str, str]]] = [
        *(("right", "←→", "tab"), ("l", "hl", "page"), ("x", "x", "mark"), ("p", "p", "pause")),
        *JobsScreen.FOOT,
    ]
    KEYS: ClassVar[list[tuple[str, str]]] = [
        ("← →", "the tab before, the next one"),
        ("h l", "the page before, the next one"),
        ("Enter", "the job, whole"),
        ("p", "pause the queue; again: resume"),
        ("C", "clear the queue: cancel all that waits or is delayed"),
        *JobsScreen.KEYS,
    ]

    def __init__(self, link: Link, row: Row) -> None:
        super().__init__(link)
        self.row = row
        self.rows, self._tabs = Rows(TABS[0][2], id="rows"), Static(id="tabs", markup=False)
        self.tab = 0
        self.start = 0
        #: when those of the page ended, Unix ms
        self._ended: dict[str, float] = {}

    def body(self) -> ComposeResult:
        yield self._tabs
        yield self.rows

    @property
    def what(self) -> str:
        return TABS[self.tab][0]

    # ---- data ----
    def wants(self) -> tuple[int, int, int]:
        return self.tab, self.start, self._count()

    def load(self, wanted: Any) -> Any:
        tab, start, count = wanted
        return (tab, start), self.link.page(self.row, TABS[tab][0], start, count)

    def _count(self) -> int:
        return min(_MOST_ROWS, max(5, self.rows.size.height - 1))

    def show(self, view: View, loaded: Any) -> None:
        self.row = next((row for row in view.queues if row.queue == self.row.queue), self.row)
        self._tabs.update(self._tabs_text())
        asked, rows = loaded
        if asked != (self.tab, self.start):
            return  # of before the last key
        if not rows and self.start and self.what != "actors":
            self.start = max(0, self.start - self._count())
            self.top.read_now()
            return
        past = self.what in ("dead", "finished", "failed")
        self._ended = {name(row["id"]): row["time"] for row in rows} if past else {}
        self.rows.put([self._item(i, row, view.now * 1000) for i, row in enumerate(rows)])

    def alerts(self, view: View) -> list[Alert]:
        return [alert for alert in view.alerts if alert.subject == self.row.queue]

    def heading(self) -> str:
        start, shown = self.start, len(self.rows.items)
        of = getattr(self.row, self.what, None)
        total = f" of {of}" if isinstance(of, int) else ""
        where = f" {start + 1}–{start + shown}{total}" if shown and self.what != "actors" else ""
        return f"{self.row.name} · {self.row.state} · {TABS[self.tab][1]}{where}"

    def _tabs_text(self) -> Text:
        out = Text(no_wrap=True, overflow="ellipsis")
        for i, (what, title, _) in enumerate(TABS):
            count = getattr(self.row, what, None)
            label = f" {title} {number(count)} " if isinstance(count, int) else f" {title} "
            style = Style.from_meta({"@click": f"screen.go({i})"})
            out.append(label, Style(reverse=True, bold=True) + style if i == self.tab else style)
        return out

    def _item(self, i: int, row: JobRow, now: float) -> Item:
        if self.what == "actors":
            return _actor(row, now)
        job, time = name(row["id"]), row.get("time", 0)
        shown = plain(job).plain
        if self.what == "waiting":
            made = born(job)
            old = age(max(0.0, now - made) / 1000) if made else ""
            return Item(job, [(str(self.start + i + 1), "dim"), (shown, ""), (old, "")])
        if self.what == "in_flight":
            actor, since = taken(str(row.get("holder", "")))
            held = age(max(0.0, now - since) / 1000) if since else ""
            lease = _until((time - now) / 1000, "over", "bold red")
            return Item(job, [(shown, ""), (held, ""), lease, (plain(actor).plain, "dim")])
        if self.what == "delayed":
            return Item(job, [(shown, ""), _until((time - now) / 1000, "due", "yellow"), (clock(time), "dim")])
        ago = (age(max(0, now - time) / 1000), "")
        last = (plain(row.get("reason", "")).plain, "red") if self.what == "dead" else (clock(time), "dim")
        return Item(job, [(shown, ""), ago, last])

    # ---- keys ----
    def action_tab(self, by: int) -> None:
        self.action_go((self.tab + by) % len(TABS))

    def action_go(self, tab: int) -> None:
        self.tab, self.start = tab, 0
        self.rows.define(TABS[self.tab][2])
        self._tabs.update(self._tabs_text())
        self.top.read_now()

    def action_page(self, by: int) -> None:
        shown = len(self.rows.items)
        if self.what == "actors" or (by > 0 and shown < self._count()):
            return
        self.start = self.start + shown if by > 0 else max(0, self.start - self._count())
        self.top.read_now()

    def action_open(self) -> None:
        self.rows.action_select_cursor()

    def on_rows_opened(self, event: Rows.Opened) -> None:
        if self.what != "actors":
            self.top.open_job(event.key, self._ended.get(event.key))

    def action_pause(self) -> None:
        row = self.row
        self.act(lambda: pause(self, [row]))

    def action_clear(self) -> None:
        row = self.row

        def answered(yes: bool | None) -> None:
            if yes:
                self.act(clear)

        def clear() -> str:
            def told(done: int) -> None:
                self.app.call_later(self.say, f"{row.name}: {done} cancelled …")

            return f"{row.name}: {self.link.supervisor.clear(row.queue, progress=told)} cancelled"

        means = f"All {row.waiting + row.delayed} jobs that wait or are delayed end as cancelled; what runs goes on."
        self.app.push_screen(AskName(f"Clear {row.name}?", means, row.name), answered)

    def chosen(self) -> list[str]:
        return [] if self.what == "actors" else self.rows.chosen

    def done(self) -> None:
        self.rows.unmark()

    def new_row(self) -> Row | None:
        return self.row


def _until(seconds: float, past: str, style: str) -> tuple[str, str]:
    return (age(seconds), "") if seconds >= 0 else (past, style)


def _actor(row: JobRow, now: float) -> Item:
    def text(name: str) -> str:
        return plain(row.get(name, "")).plain

    def count(name: str) -> float | None:
        value = row.get(name)
        return value if isinstance(value, (int, float)) else None

    since, rss = count("since"), count("rss")
    cells = [
        (text("actor_id") or text("actor"), "bold"),
        (text("host"), ""),
        (text("pid"), ""),
        (number(count("running")), ""),
        (number(count("finished")), "green"),
        (number(count("failed")), "red" if count("failed") else "dim"),
        (number(count("takes_per_second")), ""),
        (size(int(rss)) if rss else "", ""),
        (age((now - since) / 1000) if since else "", "dim"),
    ]
    return Item(str(row["actor"]), cells)
