"""stop, rm, retry, requeue."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import InvalidError
from ..supervisor import Supervisor
from . import common, complete, dead
from .ask import DryRun, Outcome, Yes, agreed, count_of, each, list_of
from .common import JobIds, Json, Options, Url


def stop(job_ids: JobIds, yes: Yes = False, dry_run: DryRun = False, url: Url = None, as_json: Json = False) -> None:
    """Ask jobs to stop, and print what came of it: cancelled, stopping, asked or ended.

    More than one, and it asks first.
    """
    job_ids = list(dict.fromkeys(job_ids))
    if dry_run or len(job_ids) > 1:
        name = count_of(job_ids)
        said = f"Stops {name}: {list_of(job_ids)}. Those that have not started are cancelled."
        if not agreed(said, name, yes=yes, dry_run=dry_run):
            Outcome([{"id": job_id, "outcome": None} for job_id in job_ids]).finish("", as_json)
            return
    with common.supervisor(url) as sup:
        outcome = each(job_ids, lambda job_id: {"outcome": sup.stop_job(job_id)}, "stopped", {"outcome": None})
    if not as_json:
        for row in outcome.rows:
            if row["outcome"]:
                print(row["outcome"] if len(job_ids) == 1 else f"{row['id']}\t{row['outcome']}")
    outcome.finish("", as_json)


def rm(job_ids: JobIds, yes: Yes = False, dry_run: DryRun = False, url: Url = None, as_json: Json = False) -> None:
    """Remove jobs that do not run, with what came of them. Asks first."""
    job_ids = list(dict.fromkeys(job_ids))
    name = job_ids[0] if len(job_ids) == 1 else count_of(job_ids)
    said = f"Removes {count_of(job_ids)} for good, with script, output and error: {list_of(job_ids)}."
    if not agreed(said, name, yes=yes, dry_run=dry_run):
        Outcome([{"id": job_id, "deleted": False} for job_id in job_ids]).finish("", as_json)
        return
    with common.supervisor(url) as sup:

        def delete(job_id: str) -> dict[str, Any]:
            sup.delete_job(job_id)
            return {"deleted": True}

        outcome = each(job_ids, delete, "removed", {"deleted": False})
    outcome.finish("", as_json)


def retry(job_ids: JobIds, url: Url = None, as_json: Json = False) -> None:
    """Run jobs now that are delayed, or wait for their next try."""
    with common.supervisor(url) as sup:

        def now(job_id: str) -> dict[str, Any]:
            sup.retry_job(job_id)
            return {"retried": True}

        outcome = each(list(dict.fromkeys(job_ids)), now, "retried", {"retried": False})
    outcome.finish("", as_json)


def requeue(
    job_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Jobs that have ended.", autocompletion=complete.job_ids),
    ] = None,
    of_dead: Annotated[
        str | None,
        typer.Option(
            "--dead", metavar="QUEUE", help="All dead ones of this queue; asks first.", autocompletion=complete.queues
        ),
    ] = None,
    option: Options = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Run jobs that have ended again."""
    if bool(job_ids) == bool(of_dead):
        raise InvalidError("name jobs, or a queue with --dead")
    given: dict[str, Any] = common.pairs(option)
    with common.client(url) as client, Supervisor(client) as sup:
        if of_dead:
            with common.queue_of(client, of_dead) as queue:
                ids = [row["id"] for row in dead.entries(queue)]
            outcome = dead.requeue_all(sup, of_dead, ids, given, yes=yes, dry_run=dry_run)
        else:
            ids = list(dict.fromkeys(job_ids or ()))
            said = f"Runs {count_of(ids)} again: {list_of(ids)}."
            if agreed(said, "", yes=True, dry_run=dry_run):
                outcome = dead.requeue_each(sup, ids, given)
            else:
                outcome = Outcome([{"id": job_id, "requeued": False} for job_id in ids])
    outcome.finish("requeued" if of_dead and not dry_run else "", as_json)


def add_to(app: typer.Typer) -> None:
    for command in (stop, rm, retry, requeue):
        app.command(rich_help_panel=common.JOBS)(command)
