"""Tables that fit the terminal; elsewhere tab-separated lines."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: states that a person should see at once
_STYLES = {"error": "red", "no actor": "red", "stuck": "red", "paused": "yellow", "started": "green", "ok": "green"}
_STATES = ("state", "status")
#: of a column that may be cut
_LEAST = 6


def shown(value: object) -> str:
    """One line for a person: control characters out."""
    if value is None:
        return ""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return "".join(c if c.isprintable() else "·" for c in text)


def fit(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """What the columns get of the room: the widest of those that may be cut gives first."""
    out = list(widths)
    while sum(out) > room:
        wide = [i for i in range(len(out)) if out[i] > least[i]]
        if not wide:
            break
        out[max(wide, key=lambda i: out[i])] -= 1
    return out


def put_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str | None = None,
    *,
    dense: bool = False,
    firm: Sequence[str] = ("id",),
    right: Sequence[str] = (),
) -> None:
    """A table on a terminal, else a tab-separated line a row.

    `dense`: a line a row on the terminal too; what does not fit is cut, but for the columns that are `firm` and the
    numbers, on the `right`. Otherwise long cells go on in the next line.
    """
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(shown(cell) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    cells = [[shown(cell) for cell in row] for row in rows]
    if dense:
        table = _dense(console, columns, cells, {*firm, *right}, right)
    else:
        table = Table(title=title, box=box.SIMPLE_HEAD)
        for name in columns:
            table.add_column(name, no_wrap=name in firm)
    for row in cells:
        styles = [_STYLES.get(cell, "") if name in _STATES else "" for name, cell in zip(columns, row, strict=True)]
        table.add_row(*map(Text, row, styles))
    console.print(table, soft_wrap=dense)


def _dense(
    console: Console, columns: Sequence[str], cells: list[list[str]], whole: Collection[str], right: Collection[str]
) -> Table:
    from rich.cells import cell_len
    from rich.table import Table

    natural = [max(map(cell_len, [name, *(row[i] for row in cells)])) for i, name in enumerate(columns)]
    least = [
        wide if name in whole else min(wide, max(_LEAST, cell_len(name)))
        for name, wide in zip(columns, natural, strict=True)
    ]
    gap = 2 if sum(natural) + 2 * len(columns) - 2 <= console.width else 1
    gaps = gap * (len(columns) - 1)
    widths = fit(natural, least, console.width - gaps)
    console.width = max(console.width, sum(widths) + gaps)  # an id is never cut: the terminal wraps the line
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for name, width in zip(columns, widths, strict=True):
        table.add_column(name, width=width, no_wrap=True, justify="right" if name in right else "left")
    return table


def age(seconds: float | None) -> str:
    """A length of time in a few letters: 12s, 3m, 5h, 2d."""
    if seconds is None:
        return ""
    for limit, unit, letter in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) / unit:.0f}{letter}"
    return f"{seconds / 86_400:.0f}d"


def number(value: float | None) -> str:
    """Two digits are enough for a person."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
