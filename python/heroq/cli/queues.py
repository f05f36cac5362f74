"""queues."""

from __future__ import annotations

import typer

from ..queue import list_queues
from . import common
from .common import Json, Url

_COLUMNS = (
    *("script_type", "group", "instance", "waiting", "in_flight", "delayed", "dead", "paused", "actors"),
    *("finished_per_minute", "failed_per_minute", "wait_p95", "run_p95"),
)


def queues(url: Url = None, as_json: Json = False) -> None:
    """List the queues: what waits, is in flight, delayed, dead, and how many actors there are.

    Of the last five minutes also what finished and failed a minute, and how long most waits and runs were (ms)."""
    with common.client(url) as client:
        rows = list(list_queues(client))
    if as_json:
        common.put_json(rows)
    else:
        common.put_table(_COLUMNS, ([_cell(row.get(name)) for name in _COLUMNS] for row in rows))


def _cell(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value


def add_to(app: typer.Typer) -> None:
    app.command()(queues)
