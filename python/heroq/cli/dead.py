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
from . import common, complete
from .ask import DryRun, Outcome, Yes, agreed, count_of, each, list_of
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
    with common.client(url) as client, Supervisor(client) as sup:
        if name is None or not (requeue or purge):
            _list(client, name, (older, newer), limit, as_json)
            return
        with common.queue_of(client, name) as queue:
            ids = [row["id"] for row in entries(queue, older, newer)]
            if purge:
                outcome = purge_all(queue, name, ids, yes=yes, dry_run=dry_run)
            else:
                outcome = requeue_all(sup, name, ids, {}, yes=yes, dry_run=dry_run)
    outcome.finish("" if dry_run else "purged" if purge else "requeued", as_json)


def purge_all(queue: Queue, name: str, ids: Sequence[str], *, yes: bool, dry_run: bool) -> Outcome:
    said = f"Takes {count_of(ids)} of {name} off the list of the dead: {list_of(ids)}."
    if ids and not agreed(said, name, yes=yes, dry_run=dry_run):
        return Outcome([{"id": job_id, "purged": False} for job_id in ids])
    return each(ids, lambda job_id: {"purged": queue.purge_dead(job_id) > 0}, "purged", {"purged": False})


def requeue_all(
    sup: Supervisor, name: str, ids: Sequence[str], options: dict[str, Any], *, yes: bool, dry_run: bool
) -> Outcome:
    said = f"Runs {count_of(ids)} of the dead of {name} again: {list_of(ids)}."
    if ids and not agreed(said, name, yes=yes, dry_run=dry_run):
        return Outcome([{"id": job_id, "requeued": False} for job_id in ids])
    return requeue_each(sup, ids, options)


def requeue_each(sup: Supervisor, ids: Sequence[str], options: dict[str, Any]) -> Outcome:
    def again(job_id: str) -> dict[str, Any]:
        sup.requeue_job(job_id, **options)
        return {"requeued": True}

    return each(ids, again, "requeued", {"requeued": False})


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
