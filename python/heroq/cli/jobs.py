"""create, start, run, ls, show, stop, rm, requeue."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Any

import typer

from ..errors import JobFailed
from ..job import Job
from ..signing import VALID_FOR, Keys
from . import common
from .common import Env, JobId, Json, Options, SignFor, SignKeyFile, Type, Url

Script = Annotated[
    str, typer.Argument(metavar="SCRIPT", help="The script; - reads it from standard input, @FILE from a file.")
]
#: of the log that show prints
LOG_LINES = 20

OwnId = Annotated[str | None, typer.Option("--id", help="The job's id; made if not given.")]


def _job(
    script: str,
    script_type: str,
    job_id: str | None,
    options: list[str] | None,
    env: list[str] | None,
    sign_key_file: str | None,
    sign_for: float,
) -> Job:
    given: dict[str, Any] = common.pairs(options)
    job = Job(common.script_of(script), script_type, id=job_id, env=common.pairs(env), **given)
    if keys := Keys.given(sign_key_file):
        keys.sign(job, sign_for)
    return job


def create(
    script: Script,
    script_type: Type,
    job_id: OwnId = None,
    option: Options = None,
    env: Env = None,
    sign_key_file: SignKeyFile = None,
    sign_for: SignFor = VALID_FOR,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Store a job and print its id; `heroq start ID` starts it."""
    job = _job(script, script_type, job_id, option, env, sign_key_file, sign_for)
    with common.supervisor(url) as sup:
        sup.create_job(job)
    common.put_json({"id": job.id}) if as_json else print(job.id)


def start(
    job_id: JobId,
    script_type: Annotated[str | None, typer.Option("--type", "-t", help="Read from the job if not given.")] = None,
    option: Options = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Start a stored job: its id goes onto its queue."""
    given: dict[str, Any] = common.pairs(option)
    with common.supervisor(url) as sup:
        sup.start_job(job_id, script_type, **given)
    if as_json:
        common.put_json({"id": job_id, "started": True})


def run(
    script: Script,
    script_type: Type,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds to wait; for ever if not given.")] = None,
    job_id: OwnId = None,
    option: Options = None,
    env: Env = None,
    sign_key_file: SignKeyFile = None,
    sign_for: SignFor = VALID_FOR,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Run a job and print its output; exit code 1 and the error on standard error if it fails."""
    job = _job(script, script_type, job_id, option, env, sign_key_file, sign_for)
    with common.supervisor(url) as sup:
        try:
            output = sup.run_job_and_await_result(job, timeout=timeout)
        except JobFailed as failed:
            if not as_json:
                raise
            common.put_json({"id": job.id, "status": "error", "error": failed.error})
            raise typer.Exit(1) from None
    if as_json:
        common.put_json({"id": job.id, "status": "finished", "output": output})
    else:
        common.put_bytes(output)


def ls(
    status: Annotated[str | None, typer.Option("--status", "-s", help="Only jobs in this status.")] = None,
    script_type: Annotated[str | None, typer.Option("--type", "-t", help="Only this script type.")] = None,
    caller: Annotated[str | None, typer.Option("--caller", help="Only jobs of this callerId.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only jobs with this tag.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Only jobs with this in their id.")] = None,
    id_prefix: Annotated[str | None, typer.Option("--prefix", help="Only jobs whose id begins with this.")] = None,
    older: Annotated[str | None, typer.Option("--older", help="Only jobs made so long ago or before, as 1h.")] = None,
    newer: Annotated[str | None, typer.Option("--newer", help="Only jobs made since then, as 10m.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="index, scan (all keys), or auto: first the index, then the keys.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 = all.")] = 100,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List jobs."""
    filters: dict[str, Any] = {"status": status, "type": script_type, "caller": caller, "tag": tag}
    filters |= {"text": text, "id_prefix": id_prefix, "older": older, "newer": newer, "source": source}
    with common.supervisor(url) as sup:
        seen: dict[str, dict[str, Any]] = {}
        for row in sup.list_jobs(**filters):
            seen.setdefault(row["id"], row)
            if limit and len(seen) >= limit:
                break
    if as_json:
        common.put_json(list(seen.values()))
        return
    columns = ("id", "status", "script_type", "created", "size")
    common.put_table(columns, ([_cell(row, name) for name in columns] for row in seen.values()))
    if limit and len(seen) >= limit:
        print(f"heroq: only the first {limit}; --limit 0 lists all", file=sys.stderr)


def _cell(row: dict[str, Any], name: str) -> object:
    value = row.get(name)
    if name == "created" and isinstance(value, int):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(value / 1000)) if value > 0 else ""
    return value


def show(job_id: JobId, url: Url = None, as_json: Json = False) -> None:
    """Show all fields of a job, how far it is, and the end of its log."""
    with common.supervisor(url) as sup:
        job, progress, log = sup.get_job(job_id), sup.get_progress(job_id), sup.get_logs(job_id, last=LOG_LINES)
    if as_json:
        print(json.dumps(json.loads(job.to_json()), ensure_ascii=False))
    else:
        rows: list[tuple[str, object]] = list(job.fields.items())
        if progress:
            rows.append(("progress", f"{progress['percent']:g} % {progress['text']}".rstrip()))
        rows += [("log", line) for line in log]
        common.put_table(("field", "value"), rows)


def stop(job_id: JobId, url: Url = None, as_json: Json = False) -> None:
    """Ask a job to stop, and print what came of it: cancelled, stopping, asked or ended."""
    with common.supervisor(url) as sup:
        outcome = sup.stop_job(job_id)
    common.put_json({"id": job_id, "outcome": outcome}) if as_json else print(outcome)


def rm(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs that do not run.")],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Remove jobs."""
    with common.supervisor(url) as sup:
        for job_id in job_ids:
            sup.delete_job(job_id)
    if as_json:
        common.put_json([{"id": job_id, "deleted": True} for job_id in job_ids])


def requeue(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs that have ended.")],
    option: Options = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Run jobs that have ended again."""
    given: dict[str, Any] = common.pairs(option)
    with common.supervisor(url) as sup:
        for job_id in job_ids:
            sup.requeue_job(job_id, **given)
    if as_json:
        common.put_json([{"id": job_id, "requeued": True} for job_id in job_ids])


def add_to(app: typer.Typer) -> None:
    for command in (create, start, run, ls, show, stop, rm, requeue):
        app.command()(command)
