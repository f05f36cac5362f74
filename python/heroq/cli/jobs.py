"""create, start, run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import JobFailed
from ..job import Job
from ..signing import VALID_FOR, Keys
from . import common, complete
from .common import Env, JobId, Json, Options, SignFor, SignKeyFile, Type, Url

Script = Annotated[
    str, typer.Argument(metavar="SCRIPT", help="The script; - reads it from standard input, @FILE from a file.")
]
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
    script_type: Annotated[
        str | None,
        typer.Option("--type", "-t", help="Read from the job if not given.", autocompletion=complete.script_types),
    ] = None,
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


def add_to(app: typer.Typer) -> None:
    for command in (create, start, run):
        app.command(rich_help_panel=common.JOBS)(command)
