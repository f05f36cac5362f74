"""What stands on the screen: values of jobs as harmless text, numbers and times short enough for a column."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ..cli.common import shown

_BARS = "▁▂▃▄▅▆▇█"


def plain(value: object, style: str = "") -> Text:
    """One line of whatever a job holds: never markup, control characters as ·."""
    return Text(shown(value), style, no_wrap=True, overflow="ellipsis")


def lines(data: bytes | str | None, most: int, from_end: bool = False) -> Text:
    """At most so many lines of a job's bytes, and what was left out."""
    text = data.decode(errors="replace") if isinstance(data, bytes) else data or ""
    cut = text[-_MOST:] if from_end else text[:_MOST]
    rows = cut.expandtabs(4).split("\n")
    if rows[-1] == "":
        rows.pop()
    kept = rows[-most:] if from_end else rows[:most]
    out = Text("\n".join(shown(row.removesuffix("\r")) for row in kept))
    if len(kept) < len(rows) or len(cut) < len(text):
        out.append(f"\n… of {size(len(data or ''))}", "dim")
    return out


#: characters of a script or an output that are shown
_MOST = 20_000


def fitted(text: str, width: int, right: bool = False) -> str:
    """Just so wide, cut with … if need be, to the left or the right."""
    if cell_len(text) > width:
        text = set_cell_size(text, max(0, width - 1)).rstrip() + "…"
    rest = " " * (width - cell_len(text))
    return rest + text if right else text + rest


def number(count: float | None) -> str:
    """At most five characters: 999, 12.3k, 1.2M."""
    if count is None:
        return ""
    if count < 9_999.5:
        return f"{count:.0f}" if count >= 9.95 or count == int(count) else f"{count:.1f}"
    by, unit = next((pair for pair in ((1e3, "k"), (1e6, "M")) if count < 999.5 * pair[0]), (1e9, "G"))
    return f"{count / by:.1f}{unit}" if count < 99.95 * by else f"{count / by:.0f}{unit}"


def size(count: int) -> str:
    """Bytes: 12 B, 3.4 KiB."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"


def age(seconds: float | None) -> str:
    """At most four characters: 9s, 12m, 5h, 3d."""
    if seconds is None:
        return ""
    for limit, by, unit in ((100, 1, "s"), (6000, 60, "m"), (360_000, 3600, "h")):
        if seconds < limit:
            return f"{seconds / by:.0f}{unit}"
    return f"{seconds / 86_400:.0f}d"


def span(ms: float | None) -> str:
    """A duration of ms in at most five characters: 0.4ms, 12ms, 1.2s, 3m."""
    if ms is None:
        return ""
    if ms < 1000:
        return f"{ms:.1f}ms" if ms < 9.95 else f"{ms:.0f}ms"
    return f"{ms / 1000:.1f}s" if ms < 99_950 else age(ms / 1000)


def clock(ms: float) -> str:
    """A time of this day, or a date and time, by this machine's zone."""
    there, here = time.localtime(ms / 1000), time.localtime()
    today = there[:3] == here[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S", there)


def spark(values: Sequence[float], width: int) -> str:
    """The last values as bars, the highest of them full; a value of 0 is a blank."""
    last = list(values)[-width:] if width else []
    top = max(last, default=0)
    bars = "".join(_BARS[min(7, int(8 * v / top))] if v else " " for v in last)
    return bars.rjust(width)
