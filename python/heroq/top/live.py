"""What the screens with live data share: the strip of counters, and lines of what is wrong, what was done, the keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from ..board import Alert, Row, View
from .text import fitted, number, plain

if TYPE_CHECKING:
    from .app import Top
    from .link import Link

#: lines for alerts
_ALERTS = 3


class Live(Screen[None]):
    """A screen that is read anew all the time: `load` on a thread, `show` here with what it answered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "app.search"),
        Binding("n", "new"),
        Binding("r", "reload"),
        Binding("question_mark", "app.help"),
        Binding("q", "app.quit"),
    ]
    AUTO_FOCUS = "Rows"
    #: keys and what they do, for help
    KEYS: ClassVar[list[tuple[str, str]]] = []
    #: the last line: keys as they are pressed, as they are shown, a word
    FOOT: ClassVar[list[tuple[str, str, str]]] = []
    SHOWS_STRIP = True

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link
        self.view: View | None = None
        #: composed, so that something can be shown
        self.ready = False
        self._head, self._strip = Static(id="title", markup=False), Static(id="strip", markup=False)
        self._wrong, self._said = Static(id="wrong", markup=False), Static(id="said", markup=False)
        self._foot = Static(id="foot", markup=False)

    def compose(self) -> ComposeResult:
        yield self._head
        if self.SHOWS_STRIP:
            yield self._strip
        yield self._wrong
        yield from self.body()
        yield self._said
        yield self._foot

    def body(self) -> ComposeResult:
        """What is between the lines."""
        yield from ()

    def on_mount(self) -> None:
        self.ready = True
        self.top.read_now()

    def on_resize(self) -> None:
        self._foot.update(self._foot_text())

    def on_screen_resume(self) -> None:
        self.top.read_now()

    @property
    def top(self) -> Top:
        return cast("Top", self.app)

    # ---- data ----
    def wants(self) -> Any:
        """What `load` is to read; asked before each read."""
        return None

    def load(self, wanted: Any) -> Any:
        """On a thread: what the screen needs beside the board."""
        return None

    def show(self, view: View, loaded: Any) -> None:
        """Shows what was read."""

    def shows(self, view: View, loaded: Any) -> None:
        """What was read has come."""
        self.view = view
        self.remove_class("stale")
        if self.SHOWS_STRIP:
            self._strip.update(strip(view, self.size.width))
        self._tell_wrong(alerts(self.alerts(view), self.size.width))
        self.show(view, loaded)
        self._head.update(self._title())

    def lost(self, error: str) -> None:
        """The server does not answer, or refuses: what stands here is old."""
        self.add_class("stale")
        since = f" This is of {time.strftime('%H:%M:%S', time.localtime(self.top.read_at))}." if self.view else ""
        self._tell_wrong(Text(f"✗ Nothing can be read, trying again.{since} ") + plain(error))

    def heading(self) -> str:
        """What this is."""
        return "heroq top"

    def alerts(self, view: View) -> list[Alert]:
        """What of all that is wrong concerns this screen."""
        return list(view.alerts)

    def _title(self) -> Text:
        time_of = time.strftime("%H:%M:%S", time.localtime(self.top.read_at))
        left = self.heading()
        room = max(0, self.size.width - len(left) - len(time_of) - 4)
        middle = fitted(plain(self.top.server).plain, room, right=True) if room > 12 else " " * room
        return Text.assemble(left, "  ", (middle, "dim"), "  ", (time_of, "dim"), no_wrap=True)

    def _foot_text(self) -> Text:
        """As many keys as there is room for."""
        back = [("escape", "esc", "back")] if len(self.top.screen_stack) > 2 else []
        rest = [("question_mark", "?", "help"), *back, ("slash", "/", "search"), ("q", "q", "quit")]
        out = Text(no_wrap=True)
        for key, shown, word in [*self.FOOT, *rest]:
            click = Style.from_meta({"@click": f"screen.press('{key}')"})
            if len(out) + len(f"{shown} {word}") > self.size.width:
                break
            out.append(shown, Style(bold=True) + click).append(f" {word}  ", Style(dim=True) + click)
        return out

    def action_press(self, key: str) -> None:
        """A key of the last line was clicked."""
        self.app.simulate_key(key)

    def _tell_wrong(self, text: Text | None) -> None:
        self._wrong.display = text is not None
        self._wrong.update(text or "")

    def say(self, text: str) -> None:
        """What was done, or why not; it goes after a while."""
        if not self.is_attached:
            return  # the user is elsewhere by now
        self._said.display = bool(text)
        self._said.update(plain(text))
        if text:
            self.top.later(lambda: self.say(""))

    # ---- acting ----
    def acted(self) -> None:
        """Something was done."""

    def act(self, do: Callable[[], str]) -> None:
        """On a thread; then says what came of it, and reads anew."""
        self.top.act(self, do)

    def action_reload(self) -> None:
        self.top.read_now()

    def action_new(self) -> None:
        self.top.dispatch(self.new_row())

    def new_row(self) -> Row | None:
        """The queue that a new job is for, if one is at hand."""
        return None


def strip(view: View, width: int) -> Text:
    """Two lines: numbers, and what they are of."""
    totals = view.totals
    cells = [
        ("waiting", totals.waiting, ""),
        ("in flight", totals.in_flight, ""),
        ("delayed", totals.delayed, ""),
        ("dead", totals.dead, "red" if totals.dead else ""),
        ("actors", totals.actors, ""),
        ("ok/min", totals.finished_per_minute, "green" if totals.finished_per_minute else ""),
        ("fail/min", totals.failed_per_minute, "red" if totals.failed_per_minute else ""),
        ("queues" if view.whole else "queues, +", totals.queues, ""),
    ]
    each = max(9, min(14, width // len(cells)))
    top = Text(no_wrap=True)
    for _, value, style in cells:
        top.append(fitted(number(value), each - 1, right=True) + " ", f"bold {style}")
    top.append("\n")
    for label, _, _ in cells:
        top.append(fitted(label, each - 1, right=True) + " ", "dim")
    return top


def alerts(wrong: Sequence[Alert], width: int) -> Text | None:
    """What is wrong, or None."""
    if not wrong:
        return None
    lines = [fitted(f"! {plain(alert.text).plain}", width).rstrip() for alert in wrong[:_ALERTS]]
    if len(wrong) > _ALERTS:
        lines[-1] = f"! and {len(wrong) - _ALERTS + 1} more; heroq doctor tells all"
    return Text("\n".join(lines))
