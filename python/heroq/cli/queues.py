"""queues."""

from __future__ import annotations

import typer

from ..queue import list_queues
from . import common
from .common import Json, Url

_COLUMNS = ("script_type", "group", "instance", "waiting", "in_flight", "delayed", "dead", "paused", "actors")


def queues(url: Url = None, as_json: Json = False) -> None:
    """List the queues: what waits, is in flight, delayed, dead, and how many actors there are."""
    with common.client(url) as client:
        rows = list(list_queues(client))
    if as_json:
        common.put_json(rows)
    else:
        common.put_table(_COLUMNS, ([row.get(name) for name in _COLUMNS] for row in rows))


def add_to(app: typer.Typer) -> None:
    app.command()(queues)
