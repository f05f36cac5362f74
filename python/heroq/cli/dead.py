"""dead: jobs that were given up on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from ..client import Client
from ..errors import InvalidError, NotFoundError
from ..queue import Queue, list_queues
from ..supervisor import Supervisor
from . import common, complete, exits
from .ask import DryRun, Yes, agreed, count_of, each, list_of
from .common import QUEUE_HELP, Json, Url
from .tables import age, put_table

_COLUMNS = ("id", "queue", "age", "reason", "error")


def entries(queue: Queue, older: str | None = None, newer: str | None = None) -> Iterator[dict[str, Any]]:
    """All dead ones, the newest first; read before anything is changed, since that moves the pages."""
    yield from list(queue.page("dead", 1000, older=older, newer=newer))


def dead(
    name: Annotated[
        str | None, typer.Argument(metavar="QUEUE", help=QUEUE_HELP, autocompletion=complete.queues)
    ] = None,
    requeue: Annotated[bool, typer.Option("--requeue", help="Run them again; asks first.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Forget that they are dead, their hashes stay; asks first.")
    ] = False,
    older: Annotated[str | None, typer.Option("--older", help="Only dead for so long or longer, as 1d.")] = None,
    newer: Annotated[str | None, typer.Option("--newer", help="Only dead since then, as 10m.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="List at most so many; 0 = all.")] = 100,
    yes: Yes = False,
    dry_run: DryRun = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List dead jobs, of a queue or of all, and why; run them again, or take them off the list."""
    if requeue and purge:
        raise InvalidError("--requeue or --purge, not both")
    if (requeue or purge) and name is None:
        raise InvalidError("name the queue whose dead jobs are meant")
    with common.client(url) as client:
        if requeue or purge:
            assert name is not None
            _act(client, name, (older, newer), purge, (yes, dry_run), as_json)
        else:
            _list(client, name, (older, newer), limit, as_json)


def _act(
    client: Client,
    name: str,
    ages: tuple[str | None, str | None],
    purge: bool,
    consent: tuple[bool, bool],
    as_json: bool,
) -> None:
    word = "purged" if purge else "requeued"
    with common.queue_of(client, name) as queue, Supervisor(client) as sup:
        ids = [row["id"] for row in entries(queue, *ages)]
        what = "Takes off the list of the dead" if purge else "Runs again"
        said = f"{what} {count_of(ids)} of {name}: {list_of(ids)}."
        if ids and not agreed(said, name, yes=consent[0], dry_run=consent[1]):
            _tell([{"id": job_id, word: False} for job_id in ids], word, as_json)
            return

        def act(job_id: str) -> dict[str, Any]:
            if purge:
                return {word: queue.purge_dead(job_id) > 0}
            sup.requeue_job(job_id)
            return {word: True}

        outcome = each(ids, act, word, {word: False})
    _tell(outcome.rows, word, as_json)
    exits.end_with(outcome.error)


def _tell(rows: Sequence[dict[str, Any]], word: str, as_json: bool) -> None:
    if as_json:
        common.put_json(rows)
    else:
        print(f"{count_of([row for row in rows if row[word]])} {word}")


def _list(client: Client, name: str | None, ages: tuple[str | None, str | None], limit: int, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    with Supervisor(client) as sup:
        for queue_name in [name] if name is not None else _with_dead(client):
            with common.queue_of(client, queue_name) as queue:
                for row in entries(queue, *ages):
                    if limit and len(rows) >= limit:
                        break
                    rows.append(_row(sup, queue_name, row))
    if as_json:
        common.put_json(rows)
        return
    now = time.time()
    cells = [(r["id"], r["queue"], age(now - r["time"] / 1000), r["reason"], r["error"]) for r in rows]
    put_table(_COLUMNS, cells, dense=True, right=("age",))
    if limit and len(rows) >= limit:
        print(f"heroq: only the first {limit}; --limit 0 lists all", file=sys.stderr)


def _with_dead(client: Client) -> list[str]:
    rows = [row for row in list_queues(client) if row["dead"]]
    return [common.path_of(row["script_type"], row["group"], row["instance"]) for row in rows]


def _row(sup: Supervisor, queue: str, entry: dict[str, Any]) -> dict[str, Any]:
    try:
        error = sup.get_error(entry["id"])
    except NotFoundError:
        error = None
    return {"id": entry["id"], "queue": queue, "time": entry["time"], "reason": entry["reason"], "error": error}


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=common.QUEUES)(dead)
