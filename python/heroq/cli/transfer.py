"""export, import: jobs as lines of JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from .. import transfer
from ..errors import InvalidError, NotFoundError, PartialError
from ..job import Job
from ..supervisor import Supervisor
from . import common, exits, filters
from .ask import DryRun, count_of
from .common import Json, Url
from .filters import Caller, Newer, OfType, Older, Prefix, Source, Status, Tag, Text
from .progress import progress

#: of what is wrong in a file, so many lines are told
_TOLD = 10


def export(
    status: Status = None,
    script_type: OfType = None,
    caller: Caller = None,
    tag: Tag = None,
    text: Text = None,
    id_prefix: Prefix = None,
    older: Older = None,
    newer: Newer = None,
    source: Source = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 = all.")] = 0,
    url: Url = None,
) -> None:
    """Print jobs, each a line of JSON: all their fields, byte for byte, as `heroq show --json` has them."""
    chosen = filters.given(status, script_type, caller, tag, text, id_prefix, older, newer, source)
    with common.supervisor(url) as sup, progress("exported", limit or None) as advance:
        for line in transfer.export_jobs(sup, limit, **chosen):
            sys.stdout.buffer.write(line + b"\n")
            advance()
        sys.stdout.buffer.flush()


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `heroq export` printed; - is standard input.")],
    start: Annotated[bool, typer.Option("--start", help="Start them too.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Leave out jobs whose id is there already.")] = False,
    new_ids: Annotated[bool, typer.Option("--new-ids", help="Give each job a new id.")] = False,
    dry_run: DryRun = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Make the jobs of a file anew, as not yet run: what had come of them is left out.

    All or nothing: a line that is no job, or an id that is there already, and none is made.
    """
    jobs = _read(file, new_ids)
    with common.supervisor(url) as sup:
        there = set() if new_ids else _there(sup, jobs)
        if there and not skip:
            _refuse(jobs, there)
        wanted = [job for _, job in jobs if job.id not in there]
        if not dry_run:
            _make(sup, wanted, start)
    if as_json:
        ids = [job.id for job in wanted]
        common.put_json(
            {"imported": ids, "skipped": sorted(there), "started": start and not dry_run, "dry_run": dry_run}
        )
        return
    told = f"{count_of(wanted)} {'to be imported' if dry_run else 'imported'}{' and started' * (start and not dry_run)}"
    print(f"{told}, {len(there)} skipped" if there else told)


def _read(file: str, new_ids: bool) -> list[tuple[int, Job]]:
    try:
        with open(0 if file == "-" else file, "rb", closefd=file != "-") as opened:
            jobs, wrong = transfer.read_jobs(opened, new_ids=new_ids)
    except OSError as error:
        raise InvalidError(f"cannot read {file}: {error.strerror}") from None
    if wrong:
        for number, text in wrong[:_TOLD]:
            exits.complain(f"line {number}: {text}")
        raise InvalidError(f"{count_of(wrong, 'line')} of {file} cannot be used; nothing was imported")
    return jobs


def _there(sup: Supervisor, jobs: Sequence[tuple[int, Job]]) -> set[str]:
    found = set()
    with progress("looked for", len(jobs)) as advance:
        for _, job in jobs:
            try:
                sup.get_status(job.id)
                found.add(job.id)
            except NotFoundError:
                pass
            advance()
    return found


def _refuse(jobs: Sequence[tuple[int, Job]], there: set[str]) -> None:
    lines = [(number, job.id) for number, job in jobs if job.id in there]
    for number, job_id in lines[:_TOLD]:
        exits.complain(f"line {number}: job {job_id} is there already")
    exits.complain(f"{len(lines)} of {count_of(jobs)} are there already; nothing was imported: --skip or --new-ids")
    raise typer.Exit(exits.STATE)


def _make(sup: Supervisor, jobs: Sequence[Job], start: bool) -> None:
    with progress("imported", len(jobs)) as advance:
        if not start:
            for job in jobs:
                sup.create_job(job)
                advance()
            return
        for at in range(0, len(jobs), 500):
            part = jobs[at : at + 500]
            try:
                sup.submit_many(part)
            except PartialError as error:
                for i, why in error.failed.items():
                    exits.complain(f"job {part[i].id}: {why}")
                raise
            advance(len(part))


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=common.JOBS)(export)
    app.command("import", rich_help_panel=common.JOBS)(import_)
