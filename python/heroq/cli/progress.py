"""Bars for long work, on standard error, and only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: less than so many are done before anybody has looked
_FEW = 20


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Yields a function that is called for each that is done, or told how many more, or `to` how many in all."""
    if not sys.stderr.isatty() or (total is not None and total < _FEW):
        yield lambda n=1, to=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda n=1, to=None: bar.update(task, advance=n if to is None else None, completed=to)
