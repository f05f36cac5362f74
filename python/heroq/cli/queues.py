"""queues, pause, resume, clear."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..board import Board, Row
from ..supervisor import Supervisor
from . import common, complete
from .ask import DryRun, Yes, agreed
from .common import QUEUE_HELP, Json, QueueName, Url
from .progress import progress
from .tables import age, number, put_table

_COLUMNS = ("queue", "state", "waiting", "oldest", "run", "delay", "dead", "actors", "/min", "err%", "p95")

QueueNames = Annotated[list[str], typer.Argument(metavar="QUEUE", help=QUEUE_HELP, autocompletion=complete.queues)]


def queues(url: Url = None, as_json: Json = False) -> None:
    """List the queues: state, what waits and for how long, runs, is delayed or dead, and how many actors there are.

    Of the last five minutes also how many jobs finished a minute, how many percent failed, and how long most runs were
    (p95, ms).
    """
    with common.client(url) as client:
        view = Board(client).read()
    if as_json:
        common.put_json([row.as_dict() for row in view.queues])
    else:
        put_table(_COLUMNS, [_cells(row) for row in view.queues], dense=True, firm=("state",), right=_COLUMNS[2:])
    if not view.whole:
        print("heroq: there are too many keys: queues of foreign programs may be missing", file=sys.stderr)


def _cells(row: Row) -> tuple[object, ...]:
    return (
        common.path_of(row.script_type, row.group, row.instance),
        row.state,
        row.waiting,
        age(row.oldest),
        row.in_flight,
        row.delayed,
        row.dead,
        row.actors,
        number(row.finished_per_minute),
        number(row.error_percent),
        number(row.run_p95),
    )


def pause(names: QueueNames, url: Url = None, as_json: Json = False) -> None:
    """No actor takes from the queue until it is resumed; what runs goes on. Foreign actors do not know of it."""
    _set(names, True, url, as_json)


def resume(names: QueueNames, url: Url = None, as_json: Json = False) -> None:
    """End a pause."""
    _set(names, False, url, as_json)


def _set(names: list[str], paused: bool, url: str | None, as_json: bool) -> None:
    with common.client(url) as client:
        for name in names:
            with common.queue_of(client, name) as queue:
                queue.pause() if paused else queue.resume()
    if as_json:
        common.put_json([{"queue": name, "paused": paused} for name in names])


def clear(name: QueueName, yes: Yes = False, dry_run: DryRun = False, url: Url = None, as_json: Json = False) -> None:
    """End all jobs that wait in a queue, or are delayed there; what runs goes on. Asks first."""
    cancelled = 0
    with common.client(url) as client, common.queue_of(client, name) as queue, Supervisor(client) as sup:
        stats = queue.stats()
        total = stats["waiting"] + stats["delayed"]
        said = (
            f"Ends {stats['waiting']} waiting and {stats['delayed']} delayed jobs of {name} with the error cancelled."
        )
        if agreed(said, name, yes=yes, dry_run=dry_run):
            with progress("ended", total) as advance:
                cancelled = sup.clear(queue.key, progress=lambda done: advance(to=done))
    if as_json:
        common.put_json({"queue": name, "cancelled": cancelled})
    elif not dry_run:
        print(f"{cancelled} cancelled")


def add_to(app: typer.Typer) -> None:
    for command in (queues, pause, resume, clear):
        app.command(rich_help_panel=common.QUEUES)(command)
