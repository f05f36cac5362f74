"""Finding jobs: by id, the beginning of an id, a tag, a part of the id."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from ..board import Alert, View
from ..errors import HeroqError
from .find import MOST_FOUND, find
from .jobs import JobsScreen
from .link import JobRow, name
from .rows import Column, Item, Rows
from .text import age, plain, size

if TYPE_CHECKING:
    from .link import Link

COLUMNS = (
    Column("job", least=20),
    Column("status", 12),
    Column("type", 12),
    Column("age", 5, right=True),
    Column("script", 9, right=True, wide=90),
    Column("tags", 16, wide=110),
)


class SearchScreen(JobsScreen):
    """A line to search by, and what was found, as it is found."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "line"),
        Binding("down", "list"),
    ]
    KEYS: ClassVar[list[tuple[str, str]]] = [
        ("Enter", "search; on a row: the job, whole"),
        ("/", "back to the line"),
        *JobsScreen.KEYS,
    ]
    FOOT: ClassVar[list[tuple[str, str, str]]] = [("enter", "⏎", "job"), ("x", "x", "mark"), *JobsScreen.FOOT]
    SHOWS_STRIP = False

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.rows, self._told = Rows(COLUMNS, id="rows"), Static(id="found", markup=False)
        self._line = Input(placeholder="search", id="line", compact=True)
        self._stop = threading.Event()
        self._text = ""
        #: what is shown; what the search has found so far
        self._found: list[JobRow] = []
        self._coming: list[JobRow] = []
        self._tell("an id or a part of it, a tag; or tag:red type:osis status:error caller:me id:prefix newer:1h")

    def body(self) -> ComposeResult:
        yield self._line
        yield self._told
        yield self.rows

    def on_unmount(self) -> None:
        self._stop.set()

    def heading(self) -> str:
        return "search"

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._text, self._found = event.value, []
        self.rows.unmark()
        self._begin()

    def acted(self) -> None:
        if self._text:
            self._begin()

    def _begin(self) -> None:
        self._stop.set()
        self._stop = stop = threading.Event()
        found: list[JobRow] = []
        self._coming = found
        self._tell("searching …")
        self.run_worker(lambda: self._search(self._text, found, stop), thread=True, group="search")

    def _search(self, text: str, found: list[JobRow], stop: threading.Event) -> None:
        """On a thread. The list grows as the screen shows it."""
        try:
            for row in find(self.link.supervisor, text, stop.is_set):
                found.append(row)
            state = f"{len(found)} found" if len(found) < MOST_FOUND else f"the first {MOST_FOUND}"
        except HeroqError as error:
            state = str(error)
        self.app.call_later(self._came, state, stop)

    def _came(self, state: str, stop: threading.Event) -> None:
        if stop.is_set():
            return
        self._found = self._coming
        self._list()
        self._tell(state)
        if self._found and self.focused is self._line:
            self.rows.focus()

    def _list(self) -> None:
        now = self.view.now * 1000 if self.view else 0
        newest = sorted(self._found, key=lambda row: -(row.get("created") or 0))
        self.rows.put([_item(row, now) for row in newest])

    def _tell(self, state: str) -> None:
        self._told.update(plain(state, "dim"))

    def show(self, view: View, loaded: Any) -> None:
        if len(self._coming) >= len(self._found):  # a search that is repeated does not empty the screen
            self._found = list(self._coming)
        self._list()

    def chosen(self) -> list[str]:
        return self.rows.chosen

    def done(self) -> None:
        self.rows.unmark()

    def action_line(self) -> None:
        self._line.focus()

    def action_list(self) -> None:
        self.rows.focus()

    def alerts(self, view: View) -> list[Alert]:
        return []

    def on_rows_opened(self, event: Rows.Opened) -> None:
        self.top.open_job(event.key)


def _item(row: JobRow, now: float) -> Item:
    created = row.get("created") or 0
    cells = [
        (plain(row["id"]).plain, ""),
        (plain(row["status"]).plain, "red" if row["status"] == "error" else ""),
        (plain(row["script_type"]).plain, ""),
        (age((now - created) / 1000) if created > 0 and now else "", ""),
        (size(row["size"]) if row.get("size") else "", "dim"),
        (plain(" ".join(row.get("tags") or ())).plain, "dim"),
    ]
    return Item(name(row["id"]), cells)
