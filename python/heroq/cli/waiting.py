"""await, tail."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .. import follow
from ..client import Client
from ..errors import HeroqError, JobFailed
from ..supervisor import Supervisor
from ..waiter import Waiter, result_of
from . import common, exits
from .common import JobIds, Json, Url
from .progress import progress
from .tables import put_table, shown

Timeout = Annotated[float | None, typer.Option("--timeout", help="Seconds to wait; for ever if not given.")]


def await_(job_ids: JobIds, timeout: Timeout = None, url: Url = None, as_json: Json = False) -> None:
    """Wait until jobs have ended, and print the output of one, or a line for each.

    Exit code 1 if one failed, 4 if one has not ended in time: it goes on.
    """
    job_ids = list(dict.fromkeys(job_ids))
    with common.client(url) as client:
        results = _results(client, job_ids, timeout)
    errors = [result for result in results if isinstance(result, HeroqError)]
    if as_json:
        common.put_json([_row(job_id, result) for job_id, result in zip(job_ids, results, strict=True)])
    elif len(results) > 1:
        rows = [_row(job_id, result) for job_id, result in zip(job_ids, results, strict=True)]
        cells = [(row["id"], row["status"] or "", row.get("output", row.get("error"))) for row in rows]
        put_table(("id", "status", "result"), cells, dense=True)
    elif isinstance(results[0], HeroqError):
        raise results[0]
    else:
        common.put_bytes(results[0])
    exits.end_with(errors[0] if errors else None)


def _results(client: Client, job_ids: Sequence[str], timeout: float | None) -> list[bytes | HeroqError]:
    results: dict[int, bytes | HeroqError] = {}
    with Waiter(client) as waiter, progress("ended", len(job_ids)) as advance:
        for tag, job_id in enumerate(job_ids):
            waiter.add(job_id, tag, timeout)
        while len(results) < len(job_ids):
            if done := waiter.take():
                results[done["tag"]] = result_of(done)
                advance()
    return [results[tag] for tag in range(len(job_ids))]


def _row(job_id: str, result: bytes | HeroqError) -> dict[str, Any]:
    if isinstance(result, JobFailed):
        return {"id": job_id, "status": "error", "error": result.error}
    if isinstance(result, HeroqError):
        return {"id": job_id, "status": None, "error": exits.text_of(result)}
    return {"id": job_id, "status": "finished", "output": result}


def tail(
    job_ids: JobIds,
    raw: Annotated[bool, typer.Option("--raw", help="Print the chunks of the stream alone, byte for byte.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Follow progress, log and stream of jobs until they have ended; with --json an object a line.

    What is there already comes first. Exit code 1 if a job failed.
    """
    job_ids = list(dict.fromkeys(job_ids))
    failed: HeroqError | None = None
    with common.client(url) as client, Supervisor(client) as sup:
        for told in follow.follow(sup, job_ids):
            if isinstance(told.error, HeroqError):
                failed = failed or told.error
            if raw:
                if told.kind == "chunk":
                    sys.stdout.buffer.write(told.text)
            elif as_json:
                common.put_json({"id": told.job_id, "kind": told.kind, **told.values()})
            else:
                label = f"{told.job_id} " if len(job_ids) > 1 else ""
                print(f"{label}{told.kind:8} {shown(told.line())}".rstrip())
            sys.stdout.flush()
            if raw and isinstance(told.error, HeroqError):
                exits.complain(exits.text_of(told.error))
    exits.end_with(failed)


def add_to(app: typer.Typer) -> None:
    app.command("await", rich_help_panel=common.JOBS)(await_)
    app.command(rich_help_panel=common.JOBS)(tail)
