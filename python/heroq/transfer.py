"""Jobs as lines of JSON, out of a server and into one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from . import _heroq, keys
from .errors import InvalidError, NotFoundError
from .job import Job
from .supervisor import Supervisor

_LEAST = 'the least that a job is: {"script": "…", "script_type": "osis"}'


def export_jobs(supervisor: Supervisor, limit: int = 0, **filters: Any) -> Iterator[bytes]:
    """The JSON of each job that `list_jobs` finds with these filters, in one line; at most `limit` of them, 0 = all."""
    seen: set[str] = set()
    for row in supervisor.list_jobs(**filters):
        if row["id"] in seen:
            continue
        seen.add(row["id"])
        try:
            yield supervisor.get_job(row["id"]).to_json()
        except NotFoundError:
            continue  # removed meanwhile
        if limit and len(seen) >= limit:
            return


def read_jobs(lines: Iterable[bytes], *, new_ids: bool = False) -> tuple[list[tuple[int, Job]], list[tuple[int, str]]]:
    """The jobs with their line numbers, and for each line that is none its number and what would be right.

    A job that waited in the queue of a group or an instance is for that again."""
    jobs: list[tuple[int, Job]] = []
    wrong: list[tuple[int, str]] = []
    first: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            job = _job(line, new_ids)
        except InvalidError as error:
            wrong.append((number, str(error)))
            continue
        if (before := first.setdefault(job.id, number)) != number:
            wrong.append((number, f"job {job.id} stands in line {before} already"))
            continue
        jobs.append((number, job))
    return jobs, wrong


def _job(line: bytes, new_id: bool) -> Job:
    job = Job.from_json(line.strip())
    for name in ("script", "script_type"):
        if job.field(name) is None:
            raise InvalidError(f"no {name}; {_LEAST}")
    if new_id:
        _heroq.heroq_job_set_id(job._handle, Job(b"", job.script_type).id)
    place = (job.field("hq_queue") or b"").decode(errors="replace")
    if place:
        named = keys.parse(place)
        for name in ("group", "instance"):
            if named.get(name):
                _heroq.heroq_job_set_option(job._handle, name, named[name])
    return job
