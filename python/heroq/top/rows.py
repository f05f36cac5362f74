"""A table of rows that people move in and mark: j k to move, x to mark, A all, Enter to open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from .text import fitted

#: a cell: its text, and its style
Cell = tuple[str, str]


@dataclass(frozen=True)
class Column:
    """`width` 0: takes what is left, at least `least`. `wide`: only with so much room; `narrow`: only with less."""

    title: str
    width: int = 0
    right: bool = False
    wide: int = 0
    narrow: int = 1000
    least: int = 12


@dataclass(frozen=True)
class Item:
    """A row: what it stands for, and a cell for each column."""

    key: str
    cells: Sequence[Cell]


def layout(columns: Sequence[Column], total: int) -> list[tuple[int, Column, int]]:
    """Which columns fit into so much room: index, column, width. Each ends with a blank; the mark is before them."""
    there = [(i, column) for i, column in enumerate(columns) if column.wide <= total < column.narrow]
    fixed = sum(column.width + 1 for _, column in there if column.width)
    elastic = [column for _, column in there if not column.width]
    left = total - 1 - fixed - len(elastic)
    share = left // max(1, len(elastic))
    return [(i, column, column.width or max(column.least, share)) for i, column in there]


class Rows(DataTable[Text]):
    """Shows items; the cursor stays on what it was on, and marks stay with what is marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down"),
        Binding("k", "cursor_up"),
        Binding("x", "mark"),
        Binding("space", "mark"),
        Binding("A", "mark_all"),
        Binding("g", "scroll_top"),
        Binding("G", "scroll_bottom"),
    ]

    class Opened(Message):
        """Enter on a row."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, columns: Sequence[Column], id: str | None = None):
        super().__init__(
            id=id, cursor_type="row", cell_padding=0, show_row_labels=False, cursor_foreground_priority="css"
        )
        self._defined = columns
        self._layout: list[tuple[int, Column, int]] = []
        self._shown: list[list[Cell]] = []
        self.items: list[Item] = []
        self.marked: set[str] = set()

    # ---- what is shown ----
    def define(self, columns: Sequence[Column]) -> None:
        """Other columns; the rows go."""
        self._defined = columns
        self.items, self.marked = [], set()
        self._lay_out()

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        scrollbar = 1 if len(self.items) > max(1, self.size.height - 1) else 0
        new = layout(self._defined, max(20, self.size.width - scrollbar))
        if new == self._layout and self.columns:
            return
        here = self.current
        self._layout, self._shown = new, []
        self.clear(columns=True)
        self.add_column(" ", width=1)
        for _, column, width in new:
            self.add_column(Text(fitted(column.title, width, column.right)), width=width + 1)
        self._fill(here)

    def put(self, items: Sequence[Item]) -> None:
        """Shows these rows."""
        here = self.current
        self.items = list(items)
        self._lay_out()
        self._fill(here)

    def _fill(self, here: str | None) -> None:
        if not self._layout:
            return
        at = self.cursor_row
        for i, item in enumerate(self.items):
            cells = self._cells(item)
            if i >= len(self._shown):
                self.add_row(*(Text(*cell, no_wrap=True) for cell in cells), key=str(i))
                self._shown.append(cells)
                continue
            for column, cell in enumerate(cells):
                if cell != self._shown[i][column]:
                    self.update_cell_at((i, column), Text(*cell, no_wrap=True))  # type: ignore[arg-type]
            self._shown[i] = cells
        while len(self._shown) > len(self.items):
            self._shown.pop()
            self.remove_row(str(len(self._shown)))
        keys = [item.key for item in self.items]
        if here in keys and keys[min(at, len(keys) - 1)] != here:
            at = keys.index(here)
        if self.items and self.cursor_row != at:
            self.move_cursor(row=min(at, len(keys) - 1), animate=False)

    def _cells(self, item: Item) -> list[Cell]:
        marked = item.key in self.marked
        out: list[Cell] = [("*" if marked else " ", "bold")]
        for i, column, width in self._layout:
            text, style = item.cells[i]
            out.append((fitted(text, width, column.right) + " ", style))
        return out

    # ---- what is meant ----
    @property
    def current(self) -> str | None:
        """What the cursor is on."""
        return self.items[self.cursor_row].key if 0 <= self.cursor_row < len(self.items) else None

    @property
    def chosen(self) -> list[str]:
        """What is marked, else what the cursor is on."""
        if self.marked:
            here = [item.key for item in self.items if item.key in self.marked]
            return here + sorted(self.marked.difference(here))
        return [self.current] if self.current is not None else []

    def unmark(self) -> None:
        self.marked.clear()
        self._fill(self.current)

    def action_mark(self) -> None:
        if self.current is not None:
            self.marked ^= {self.current}
            self._fill(self.current)
            self.action_cursor_down()

    def action_mark_all(self) -> None:
        keys = {item.key for item in self.items}
        self.marked = self.marked - keys if keys <= self.marked else self.marked | keys
        self._fill(self.current)

    def action_select_cursor(self) -> None:
        if self.current is not None:
            self.post_message(self.Opened(self.current))
