"""`heroq top`: queues and jobs on a terminal. Needs Textual, the extra `tui`."""

from __future__ import annotations

import os

from .app import Top


def has_colors() -> bool:
    """Whether the terminal says that it has colours; NO_COLOR says no in any case."""
    import curses

    if os.environ.get("NO_COLOR"):
        return False
    try:
        curses.setupterm()
        return curses.tigetnum("colors") >= 8
    except curses.error:  # no such TERM
        return False


def run(server: str | None, refresh: float) -> int:
    """Until the user quits; answers the exit code."""
    from ..client import Client

    if not has_colors():
        os.environ["NO_COLOR"] = "1"
    with Client(server, log="events") as client:
        top = Top(client, refresh)
        top.run()
        return top.return_code or 0


__all__ = ["Top", "has_colors", "run"]
